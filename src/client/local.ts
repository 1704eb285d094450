/** Talks to the controller on `local.sock`, or as another user on `users.sock`, and listens to its event bus. Prints nothing. */
import { existsSync, lstatSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { type ErrorCode, MsaltError, messageOf } from "../errors.ts";
import { withDeadline } from "../lib/deadline.ts";
import { masterSockets, proofFolder, userSocket } from "../lib/sockets.ts";
import { type Channel, connectDealer, connectSubscriber } from "../transport/channel.ts";
import { decode, encode } from "../wire/codec.ts";
import { limits } from "../wire/limits.ts";
import { eventChannel } from "../wire/tags.ts";
import type { BusEvent, LocalCommand, LocalLoad, LocalReplies } from "../wire/local.ts";
import { connectAsUser } from "./users.ts";

const connectMs = 5000;
const answerMs = 30_000;
const hint = "is msalt-master running, and does this --config-dir or --root-dir belong to it?";

const noBytes = new Uint8Array(0);

interface Asked {
  readonly cmd: LocalCommand;
  readonly frame: Uint8Array;
  readonly resolve: (answer: Record<string, unknown>) => void;
  readonly reject: (failure: MsaltError) => void;
}

/** Not sent again when the master restarted before it answered: they may have been carried out. */
const unrepeatable: ReadonlySet<LocalCommand> = new Set<LocalCommand>(["publish", "event.fire", "key.token"]);

export class LocalClient {
  /** Nothing comes from `subscribe`: the record has to be read again and again. */
  readonly isDeaf: boolean;
  readonly #channel: Pick<Channel, "send" | "close">;
  readonly #secret: Uint8Array | undefined;
  readonly #sockDir: string;
  readonly #waiting: Map<number, Asked>;
  readonly #connected: Promise<void>;
  readonly #subscribers = new Set<Channel>();
  #count = 0;

  private constructor(parts: {
    channel: Pick<Channel, "send" | "close">;
    secret: Uint8Array | undefined;
    sockDir: string;
    waiting: Map<number, Asked>;
    connected: Promise<void>;
  }) {
    this.#channel = parts.channel;
    this.#secret = parts.secret;
    this.isDeaf = parts.secret === undefined;
    this.#sockDir = parts.sockDir;
    this.#waiting = parts.waiting;
    this.#connected = parts.connected;
  }

  /**
   * @throws MsaltError `ERR_MASTER_UNREACHABLE` when no master listens there, `ERR_NOT_ALLOWED` when its socket or secret is not
   * ours to use: the secret is never sent to a socket that somebody else put there (LF-03).
   */
  static async connect(sockDir: string): Promise<LocalClient> {
    const sockets = masterSockets(sockDir);
    const secret = readSecret(sockets);
    const waiting = new Map<number, Asked>();
    let up = (): void => undefined;
    let lost: Asked[] = [];
    const connected = new Promise<void>((resolve) => (up = resolve));
    const options = {
      onLink: (state: "up" | "down") => {
        if (state === "down") {
          loseUnrepeatable(waiting);
          lost = [...waiting.values()].filter(({ cmd }) => !unrepeatable.has(cmd));
          return;
        }
        // What is asked while the master is away waits in the socket; only what it may have heard before is said again.
        for (const { frame } of lost) void channel.send([frame]);
        lost = [];
        up();
      },
      onMessage: ([frame]: readonly Uint8Array[]) => {
        if (frame === undefined) return;
        const answer = decode(frame, { depth: 64, nodes: 10 * limits.resultNodes }) as Record<string, unknown>;
        waiting.get(Number(answer["n"]))?.resolve(answer);
      },
    };
    const channel: Pick<Channel, "send" | "close"> =
      secret === undefined
        ? await connectAsUser(sockets.users, {
            ...options,
            onRefused: (error) => {
              for (const { reject } of waiting.values()) reject(errorOf(error));
            },
          })
        : await connectDealer(`ipc://${sockets.local}`, {
            ...options,
            queueEarly: true,
            receiveHighWaterMark: 10_000,
            onError: () => undefined,
          });
    return new LocalClient({ channel, secret, sockDir, waiting, connected });
  }

  /** @throws MsaltError what the controller said, or `ERR_MASTER_UNREACHABLE`. */
  async call<C extends LocalCommand>(cmd: C, load: LocalLoad<C>): Promise<LocalReplies[C]> {
    const n = (this.#count += 1);
    let timer: NodeJS.Timeout | undefined;
    try {
      const answer = await new Promise<Record<string, unknown>>((resolve, reject) => {
        const fail = (what: string): void => reject(new MsaltError("ERR_MASTER_UNREACHABLE", what, { hint }));
        const frame = encode({ ...(this.#secret !== undefined && { secret: this.#secret }), n, cmd, load });
        this.#waiting.set(n, { cmd, frame, resolve, reject });
        timer = setTimeout(fail, connectMs, "the msalt master cannot be contacted: nobody listens on its socket");
        void this.#connected.then(() => {
          if (!this.#waiting.has(n)) return;
          clearTimeout(timer);
          timer = setTimeout(fail, answerMs, `the msalt master did not answer within ${answerMs / 1000} s`);
        });
        void this.#channel.send([frame]);
      });
      if ("error" in answer) throw errorOf(answer["error"]);
      return answer["ok"] as LocalReplies[C];
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(n);
    }
  }

  /**
   * Hands on every event whose tag starts with `prefix`. Resolves when the subscription works: what happens from now on is
   * seen, or `onMissed` is told (and a gap in `_seq` shows) that something was not; what it gives ends it. Does nothing where
   * `isDeaf`.
   * @param onMissed one that reads too slowly has missed so many events; after a restart of the controller nobody knows how many
   */
  async subscribe(
    prefix: string,
    onEvent: (event: BusEvent) => void,
    onMissed: (count: number | undefined) => void = () => undefined,
  ): Promise<() => void> {
    if (this.isDeaf) return () => undefined;
    let ready = (): void => undefined;
    const works = new Promise<void>((resolve) => (ready = resolve));
    let next: number | undefined;
    let broke = false;
    const channel = await connectSubscriber(`ipc://${masterSockets(this.#sockDir).events}`, {
      receiveHighWaterMark: limits.eventSubscriberBacklog,
      onError: () => undefined,
      // It counts anew when it comes back, and others may have listened before.
      onLink: (state) => (broke ||= state === "down"),
      onMessage: ([, sent = noBytes, ...frames]) => {
        const number = Number(decode(sent));
        if (broke) onMissed(undefined);
        else if (next !== undefined && next !== number) onMissed(number - next);
        broke = false;
        next = number + frames.length / 2;
        if (frames.length === 0) return ready();
        for (let at = 0; at + 1 < frames.length; at += 2) {
          const [tag = noBytes, payload = noBytes] = [frames[at], frames[at + 1]];
          const data = decode(payload, { depth: 64, nodes: limits.resultNodes }) as Record<string, unknown>;
          onEvent({ tag: Buffer.from(tag).toString(), data });
        }
      },
    });
    this.#subscribers.add(channel);
    channel.subscribe(eventChannel(prefix));
    await withDeadline(works, connectMs, () => undefined);
    return () => {
      this.#subscribers.delete(channel);
      channel.close();
    };
  }

  close(): void {
    this.#channel.close();
    for (const subscriber of this.#subscribers) subscriber.close();
  }
}

function loseUnrepeatable(waiting: ReadonlyMap<number, Asked>): void {
  for (const { cmd, reject } of waiting.values()) {
    if (!unrepeatable.has(cmd)) continue;
    const what = "the master went away before it answered: whether it took this is not known";
    reject(new MsaltError("ERR_MASTER_UNREACHABLE", what, { hint: "msalt-run jobs.list_jobs shows what it has" }));
  }
}

function errorOf(error: unknown): MsaltError {
  const { code, message, details } = error as { code: ErrorCode; message: string; details: MsaltError["details"] };
  return new MsaltError(code, message, details);
}

/** Undefined: it is not for this user to read, but there is a socket for other users. */
/** Whom root has given the socket folder: nobody else can put one into a folder that is root's alone. Asked by root only. */
function masterUser(sockDir: string): number | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const above = lstatSync(dirname(sockDir));
  return above.uid === 0 && (above.mode & 0o022) === 0 ? lstatSync(sockDir).uid : undefined;
}

function readSecret({ local: socket, secret, users }: ReturnType<typeof masterSockets>): Uint8Array | undefined {
  try {
    const trusted = [0, process.getuid?.() ?? 0, masterUser(dirname(socket))];
    for (const path of [socket, secret]) {
      const { uid, mode } = lstatSync(path);
      if (!trusted.includes(uid) || (mode & 0o077) !== 0) {
        throw new MsaltError("ERR_NOT_ALLOWED", `${path} does not belong to you alone, so it is not trusted`);
      }
    }
    return readFileSync(secret);
  } catch (cause) {
    if (cause instanceof MsaltError) throw cause;
    const code = (cause as { code?: string }).code;
    if (code === "EACCES" || code === "EPERM") {
      if (existsSync(`${users}/${userSocket}`)) return undefined;
      if (existsSync(`${users}/${proofFolder}`)) throw noSocket(`${users}/${userSocket}`, cause);
      throw new MsaltError(
        "ERR_NOT_ALLOWED",
        `not permitted: ${secret} can be read by the master's user only`,
        {
          hint: "run this as the user that runs msalt-master",
        },
        { cause },
      );
    }
    if (code === "ENOENT") {
      throw noSocket(socket, cause);
    }
    throw new MsaltError(
      "ERR_MASTER_UNREACHABLE",
      `the msalt master cannot be contacted: ${messageOf(cause)}`,
      { hint },
      { cause },
    );
  }
}

function noSocket(path: string, cause: unknown): MsaltError {
  const text = `the msalt master cannot be contacted: no socket at ${path}`;
  return new MsaltError("ERR_MASTER_UNREACHABLE", text, { hint }, { cause });
}
