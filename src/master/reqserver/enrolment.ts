/**
 * The only port that answers strangers (DESIGN §5.1): one fixed record in, one out, then the connection ends. Everything is
 * bounded: size, time, sockets, and connections per address. Nothing is decided here; what has a good signature is handed
 * on, and whatever else comes is dropped without a word and counted by reason.
 */
import { type Server, type Socket, createServer } from "node:net";
import { verifyEnrolRequest } from "../../crypto/enrolment.ts";
import { MsaltError, messageOf } from "../../errors.ts";
import { failpoint } from "../../lib/failpoint.ts";
import { TokenBucket } from "../../lib/token-bucket.ts";
import { enrolRequestSize } from "../../wire/enrolment.ts";
import { isMinionId } from "../../wire/ids.ts";
import { limits } from "../../wire/limits.ts";

/** Gives the answer to a request whose signatures are good, or undefined when it is to get none. */
export type AskController = (request: Uint8Array, address: string) => Promise<Uint8Array | undefined>;

/** `sockets`: too many at once. `rate`: too many from one address. `unanswered`: the controller had no answer for it. */
const dropReasons = ["sockets", "rate", "size", "cut", "deadline", "invalid", "unanswered", "broken"] as const;
export type EnrolDrop = (typeof dropReasons)[number];

/** Addresses whose rate is remembered. */
const maxAddresses = 4096;

export class EnrolmentListener {
  readonly #ask: AskController;
  readonly #perMinute: number;
  readonly #now: () => number;
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  readonly #buckets = new Map<string, TokenBucket>();
  readonly #dropped = Object.fromEntries(dropReasons.map((reason) => [reason, 0])) as Record<EnrolDrop, number>;
  #answered = 0;

  /**
   * @param perMinute connections that one address may make, after twice as many at first
   * @param now milliseconds of a clock that does not step
   */
  constructor(ask: AskController, perMinute: number, now: () => number = () => performance.now()) {
    this.#ask = ask;
    this.#perMinute = perMinute;
    this.#now = now;
    // Half-open, because a client that has said everything may end its side before it reads the answer.
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#onSocket(socket));
    this.#server.maxConnections = limits.enrolSockets;
    this.#server.on("drop", () => (this.#dropped.sockets += 1));
  }

  get counters(): Readonly<Record<EnrolDrop | "answered", number>> {
    return { ...this.#dropped, answered: this.#answered };
  }

  /** The bound port. @throws MsaltError `ERR_PORT_IN_USE`, or `ERR_CONFIG_INVALID` for an address that is not ours. */
  listen({ host, port }: { host: string; port: number }): Promise<number> {
    const server = this.#server;
    return new Promise((resolve, reject) => {
      server.once("error", (cause) => reject(listenError(cause, host, port)));
      server.listen({ host, port }, () => {
        // Later errors (no descriptor left for an accept) end neither the listener nor the process.
        server.removeAllListeners("error").on("error", () => (this.#dropped.broken += 1));
        const address = server.address();
        resolve(typeof address === "object" && address !== null ? address.port : port);
      });
    });
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#open) socket.destroy();
    await closed;
  }

  #onSocket(socket: Socket): void {
    socket.on("error", () => undefined);
    const address = socket.remoteAddress ?? "";
    if (!this.#admits(address)) {
      this.#dropped.rate += 1;
      socket.destroy();
      return;
    }
    this.#open.add(socket);
    let done = false;
    const drop = (reason: EnrolDrop): void => {
      if (!done) this.#dropped[reason] += 1;
      done = true;
      socket.destroy();
    };
    const deadline = setTimeout(drop, limits.enrolDeadlineMs, "deadline");
    let have = Buffer.alloc(0);
    let complete = false;

    const onRecord = async (request: Uint8Array): Promise<void> => {
      if (!isGood(request)) return drop("invalid");
      failpoint("enrol.accept");
      const reply = await this.#ask(request, address).catch(() => undefined);
      if (reply === undefined) return drop("unanswered");
      if (done || socket.destroyed) return;
      done = true;
      this.#answered += 1;
      failpoint("enrol.answer");
      socket.end(reply);
    };
    socket.on("data", (chunk) => {
      have = Buffer.concat([have, chunk]);
      const size = enrolRequestSize(have);
      if (
        have.length > limits.enrolRecordBytes ||
        (size !== undefined && (size > limits.enrolRecordBytes || have.length > size))
      ) {
        return drop("size");
      }
      if (have.length !== size || complete) return;
      complete = true;
      void onRecord(Uint8Array.from(have));
    });
    socket.on("end", () => {
      if (!complete) drop("cut");
    });
    socket.on("close", () => {
      clearTimeout(deadline);
      this.#open.delete(socket);
      if (!done) drop("cut");
    });
  }

  #admits(address: string): boolean {
    const now = this.#now();
    const name = networkOf(address);
    let bucket = this.#buckets.get(name);
    if (bucket === undefined) {
      if (this.#buckets.size >= maxAddresses) this.#forgetAddresses(now);
      bucket = new TokenBucket(this.#perMinute / 60, 2 * this.#perMinute);
      this.#buckets.set(name, bucket);
    }
    return bucket.take(now);
  }

  /** Forgets those that have been quiet; if there is none, all: the cap on sockets still holds. */
  #forgetAddresses(now: number): void {
    for (const [name, bucket] of this.#buckets) if (bucket.isFull(now)) this.#buckets.delete(name);
    if (this.#buckets.size >= maxAddresses) this.#buckets.clear();
  }
}

function isGood(request: Uint8Array): boolean {
  try {
    return isMinionId(verifyEnrolRequest(request).record.id);
  } catch {
    return false;
  }
}

/** An IPv4 address, or the first 64 bits of an IPv6 one: a single host has all the rest. */
function networkOf(address: string): string {
  const [, v4] = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address) ?? [];
  if (v4 !== undefined || !address.includes(":")) return v4 ?? address;
  const [head = "", tail] = address.split("%", 1).join("").split("::");
  const groups = head.split(":").filter((group) => group !== "");
  const after = (tail ?? "").split(":").filter((group) => group !== "");
  const zeros = tail === undefined ? 0 : 8 - groups.length - after.length;
  return [...groups, ...Array<string>(Math.max(0, zeros)).fill("0"), ...after].slice(0, 4).join(":");
}

function listenError(cause: Error, host: string, port: number): MsaltError {
  const code = (cause as { code?: string }).code;
  if (code === "EADDRINUSE") {
    return new MsaltError(
      "ERR_PORT_IN_USE",
      `port ${port} (enroll_port) on ${host} is in use`,
      {
        port,
        hint: `find its user with: ss -ltnp 'sport = :${port}'; or give enroll_port another number here and on the minions`,
      },
      { cause },
    );
  }
  return new MsaltError(
    "ERR_CONFIG_INVALID",
    `cannot listen on ${host} port ${port} (enroll_port): ${messageOf(cause)}`,
    {
      hint: "check interface and enroll_port in the master's configuration",
    },
    { cause },
  );
}
