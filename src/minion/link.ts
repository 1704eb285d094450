/**
 * The minion's two sockets to one master: requests on 4506, publications on 4505. Seals and opens, matches replies to their
 * requests, and knows nothing of jobs. A link is made anew rather than mended: whoever finds it silent closes it.
 */
import { sealEnvelope, openFrame } from "../crypto/envelope.ts";
import { type SecretKeys } from "../crypto/keys.ts";
import { keyIdOf, randomBytes, sharedKey } from "../crypto/primitives.ts";
import { type OpenedPublication, openPublication, type PublishSession } from "../crypto/publication.ts";
import { MsaltError } from "../errors.ts";
import { failpoint } from "../lib/failpoint.ts";
import { type Channel, connectDealer, connectSubscriber } from "../transport/channel.ts";
import { decode, encode } from "../wire/codec.ts";
import type { KeyRecord } from "../wire/key-record.ts";
import { limits } from "../wire/limits.ts";
import type { Command, Load, Replies, Reply, WireCode } from "../wire/loads.ts";
import { parsePublication } from "../wire/publication.ts";

/** The master answered with an error; `retryMs` is when to ask again, where that helps. */
export class Refused extends Error {
  readonly code: WireCode;
  readonly retryMs: number | undefined;

  constructor(code: WireCode, message: string, retryMs: number | undefined) {
    super(message);
    this.code = code;
    this.retryMs = retryMs;
  }
}

export interface LinkOptions {
  readonly host: string;
  readonly requestPort: number;
  readonly publishPort: number;
  readonly keys: Pick<SecretKeys, "box" | "curve">;
  readonly record: KeyRecord;
  readonly master: KeyRecord;
  /** 8 bytes of this process. */
  readonly bootId: Uint8Array;
  /** Rises over all links of this process. */
  readonly nextCounter: () => number;
  readonly onPublication: (publication: OpenedPublication) => void;
  /** The connection for publications broke, or works again. */
  readonly onLink: (state: "up" | "down") => void;
  readonly onError: (failure: unknown) => void;
}

/** For how long a request waits for a connection. */
interface Connecting {
  readonly connectMs?: number;
  readonly signal?: AbortSignal;
}

const defaultConnectMs = 5000;

interface Waiting {
  /** The connection has taken the request. */
  readonly onTaken: () => void;
  readonly resolve: (reply: Reply<Command>) => void;
  readonly reject: (failure: MsaltError) => void;
}

export class Link {
  readonly #options: LinkOptions;
  readonly #key: Uint8Array;
  readonly #keyId: ReturnType<typeof keyIdOf>;
  readonly #masterKeyId: ReturnType<typeof keyIdOf>;
  readonly #waiting = new Map<string, Waiting>();
  #requests: Channel | undefined;
  #publications: Channel | undefined;
  #session: PublishSession | undefined;
  #closed = false;

  private constructor(options: LinkOptions) {
    this.#options = options;
    this.#key = sharedKey(options.keys.box, options.master.box);
    this.#keyId = keyIdOf(options.record.sign);
    this.#masterKeyId = keyIdOf(options.master.sign);
  }

  static async open(options: LinkOptions): Promise<Link> {
    const link = new Link(options);
    const { host, keys, record, master, onError } = options;
    const common = {
      onError,
      curve: { side: "client", secretKey: keys.curve, publicKey: record.curve, serverKey: master.curve },
      keepAlive: true,
      // Doubled for each try: whoever lost a master together would also come back together.
      reconnectMs: { min: Math.round(50 * 4 ** Math.random()), max: 2000 },
    } as const;
    link.#requests = await connectDealer(`tcp://${host}:${options.requestPort}`, {
      ...common,
      maxMessageBytes: limits.messageBytes,
      onMessage: (frames) => link.#onReply(frames),
    });
    link.#publications = await connectSubscriber(`tcp://${host}:${options.publishPort}`, {
      ...common,
      maxMessageBytes: limits.messageBytes,
      onMessage: ([frame]) => frame !== undefined && link.#onFrame(frame),
      onLink: options.onLink,
    });
    return link;
  }

  /**
   * Asks the master one thing.
   * @throws Refused when it says no or would not take so large a request, MsaltError `ERR_TIMEOUT` when there was no answer within `timeoutMs` of the moment when a
   * connection took the request, or no connection for `connectMs` or at the end of `signal`.
   */
  async ask<C extends Command>(
    load: Load<C> & { readonly cmd: C },
    timeoutMs: number,
    { connectMs = Math.min(timeoutMs, defaultConnectMs), signal }: Connecting = {},
  ): Promise<Replies[C]> {
    failpoint("request.send");
    const requestId = randomBytes(16);
    const name = Buffer.from(requestId).toString("hex");
    const { bootId, nextCounter } = this.#options;
    const inner = { sender: this.#keyId, requestId, bootId, counter: nextCounter(), body: encode(load) };
    const frame = sealEnvelope("request", inner, this.#key);
    if (frame.length > limits.requestBytes) {
      // The master's socket would end the connection, and the other requests on it.
      const size = `${frame.length} bytes, over the ${limits.requestBytes} of a request`;
      throw new Refused("E_SIZE", `this ${load.cmd} has ${size}`, undefined);
    }
    if (this.#closed) throw new MsaltError("ERR_TIMEOUT", "the link was closed");
    let timer: NodeJS.Timeout | undefined;
    try {
      const reply = await new Promise<Reply<C>>((resolve, reject) => {
        const wait = (ms: number): void => {
          clearTimeout(timer);
          timer = setTimeout(() => {
            reject(new MsaltError("ERR_TIMEOUT", `the master did not answer ${load.cmd} within ${ms} ms`));
          }, ms);
        };
        wait(connectMs);
        const onTaken = (): void => wait(timeoutMs);
        this.#waiting.set(name, { resolve: (reply) => resolve(reply as Reply<C>), reject, onTaken });
        this.#sendWhenConnected(name, frame, signal);
      });
      if ("error" in reply) throw new Refused(reply.error, reply.message, reply.retryMs);
      return reply.ok;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(name);
    }
  }

  /** A socket without a finished connection takes nothing: tried again until the request is given up. */
  #sendWhenConnected(name: string, frame: Uint8Array, signal: AbortSignal | undefined): void {
    void this.#requests?.send([frame]).then((taken) => {
      const waiting = this.#waiting.get(name);
      if (taken) waiting?.onTaken();
      else if (signal?.aborted === true) waiting?.reject(new MsaltError("ERR_TIMEOUT", "the connection broke"));
      else if (waiting !== undefined) setTimeout(() => this.#sendWhenConnected(name, frame, signal), 20);
    });
  }

  /** Listens to this session's topic and to no other. */
  subscribe(session: PublishSession): void {
    if (this.#session !== undefined) this.#publications?.unsubscribe(Buffer.from(this.#session.topic));
    this.#session = { topic: Uint8Array.from(session.topic), publishKey: Uint8Array.from(session.publishKey) };
    this.#publications?.subscribe(Buffer.from(this.#session.topic));
  }

  get topic(): Uint8Array {
    return this.#session?.topic ?? new Uint8Array(16);
  }

  /** Whoever waits for an answer is told that there will be none. */
  close(): void {
    this.#closed = true;
    for (const { reject } of this.#waiting.values()) reject(new MsaltError("ERR_TIMEOUT", "the link was closed"));
    this.#requests?.close();
    this.#publications?.close();
  }

  #onReply([frame]: Uint8Array[]): void {
    if (frame === undefined) return;
    const inner = openFrame("reply", frame, this.#key);
    if (inner.sender !== this.#masterKeyId) return;
    const name = Buffer.from(inner.requestId).toString("hex");
    this.#waiting.get(name)?.resolve(decode(inner.body) as Reply<Command>);
  }

  #onFrame(frame: Uint8Array): void {
    const session = this.#session;
    if (session === undefined) return;
    const publication = parsePublication(frame);
    if (!Buffer.from(publication.topic).equals(Buffer.from(session.topic))) return;
    this.#options.onPublication(openPublication(publication, session.publishKey));
  }
}
