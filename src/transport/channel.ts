/**
 * The only importer of zeromq, loaded on first use: it costs a command line tool 20 ms. A channel is one socket with one
 * reader and one writer. `sendTimeout: 0` makes every send resolve at once: taken, or dropped and counted, never waiting.
 */
import type * as Zmq from "zeromq";
import { MsaltError, messageOf } from "../errors.ts";
import { z85 } from "./z85.ts";

export type Frames = readonly Uint8Array[];

/** A channel's own CURVE keys, raw; a client also needs the server's public key. */
type Curve =
  | { readonly side: "server"; readonly secretKey: Uint8Array }
  | {
      readonly side: "client";
      readonly secretKey: Uint8Array;
      readonly publicKey: Uint8Array;
      readonly serverKey: Uint8Array;
    };

export interface ChannelOptions {
  readonly onMessage?: (frames: Uint8Array[]) => void;
  /** Told of what `onMessage` threw; a bad message never ends the loop. */
  readonly onError: (failure: unknown) => void;
  /** `up` when a connection has finished its handshake, `down` when one broke. */
  readonly onLink?: (state: "up" | "down") => void;
  readonly curve?: Curve;
  readonly routingId?: string;
  /** A DEALER that keeps what is sent before its first connection stands. */
  readonly queueEarly?: boolean;
  readonly maxMessageBytes?: number;
  readonly receiveHighWaterMark?: number;
  readonly sendHighWaterMark?: number;
  /**
   * The kernel probes a silent peer and drops one that is gone after about half a minute. Not ZMTP's own pings: libzmq looks
   * through the timers of all connections for each of them, which took two fifths of a reqserver with 1,000 minions.
   */
  readonly keepAlive?: boolean;
  readonly handshakeMs?: number;
  readonly reconnectMs?: { readonly min: number; readonly max: number };
}

/**
 * Connections that the kernel holds until libzmq takes them; net.core.somaxconn is above it. With libzmq's 100 a crowd that comes
 * back overruns it, and whoever is dropped tries again after 1, 3 and 7 s.
 */
const backlog = 4096;

let zmq: typeof Zmq | undefined;
/** Older ones let strangers write into their memory (CVE-2019-13132, CVE-2020-15166). */
const oldestZmq = "4.3.3";

/** Loads zeromq once. Every `open…` function awaits it. */
async function load(): Promise<typeof Zmq> {
  if (zmq !== undefined) return zmq;
  const loaded = await import("zeromq");
  if (!loaded.capability.curve) {
    throw new MsaltError("ERR_INTERNAL", `libzmq ${loaded.version} was built without CURVE, which msalt needs`);
  }
  if (loaded.version.localeCompare(oldestZmq, "en", { numeric: true }) < 0) {
    throw new MsaltError("ERR_INTERNAL", `libzmq ${loaded.version} is too old: msalt needs ${oldestZmq} or newer`);
  }
  // Must come before the first socket; the default of 1023 sockets fails without an error.
  if (zmq === undefined) loaded.context.maxSockets = 60_000;
  zmq = loaded;
  return loaded;
}

/** Of libzmq, for reports. */
export async function zmqVersion(): Promise<string> {
  return (await load()).version;
}

type AnySocket = Zmq.Router | Zmq.Dealer | Zmq.Subscriber | Zmq.XPublisher;

/** One socket, its read loop and its counters. Whoever opens it closes it. */
export class Channel {
  /** Messages that could not be handed to the socket because its queue was full or its peer gone. */
  dropped = 0;
  readonly #socket: AnySocket;

  constructor(socket: AnySocket, options: ChannelOptions) {
    this.#socket = socket;
    const onMessage = options.onMessage;
    if (onMessage !== undefined && "receive" in socket) {
      void readLoop(socket, onMessage, options.onError);
    }
    if (options.onLink !== undefined) watchLink(socket, options.onLink);
  }

  /** True when the socket took the message. Not to be awaited where order does not depend on it. */
  async send(frames: Frames): Promise<boolean> {
    if (!("send" in this.#socket) || this.#socket.closed) return false;
    try {
      await this.#socket.send(frames as Buffer[]);
      return true;
    } catch {
      this.dropped += 1;
      return false;
    }
  }

  subscribe(...prefixes: (string | Buffer)[]): void {
    if ("subscribe" in this.#socket) this.#socket.subscribe(...prefixes);
  }

  unsubscribe(...prefixes: (string | Buffer)[]): void {
    if ("unsubscribe" in this.#socket) this.#socket.unsubscribe(...prefixes);
  }

  /** The address a socket bound to port 0 got. */
  get boundPort(): number {
    return Number(/:(\d+)$/.exec(this.#socket.lastEndpoint ?? "")?.[1] ?? 0);
  }

  close(): void {
    if (!this.#socket.closed) this.#socket.close();
  }

  get closed(): boolean {
    return this.#socket.closed;
  }
}

/** So much is read in one turn of the loop; what was read is given back to the system only between turns. */
const turnBytes = 1_048_576;

async function readLoop(
  socket: Zmq.Router | Zmq.Dealer | Zmq.Subscriber | Zmq.XPublisher,
  onMessage: (frames: Uint8Array[]) => void,
  onError: (failure: unknown) => void,
): Promise<void> {
  for (let bytes = 0; ;) {
    let frames: Buffer[];
    try {
      if (bytes > turnBytes) {
        bytes = 0;
        await new Promise((resolve) => setImmediate(resolve));
      }
      frames = await socket.receive();
      for (const { length } of frames) bytes += length;
    } catch (failure) {
      if (socket.closed) return;
      onError(failure);
      return;
    }
    try {
      onMessage(frames);
    } catch (failure) {
      onError(failure);
    }
  }
}

function watchLink(socket: AnySocket, onLink: (state: "up" | "down") => void): void {
  socket.events.on("handshake", () => onLink("up"));
  socket.events.on("disconnect", () => onLink("down"));
}

/** Probes after 15 s, five, 3 s apart; what was sent and is not acknowledged ends a connection as soon. */
const keepAliveSettings = {
  tcpKeepalive: 1,
  tcpKeepaliveIdle: 15,
  tcpKeepaliveInterval: 3,
  tcpKeepaliveCount: 5,
  tcpMaxRetransmitTimeout: 30_000,
} as const;

function settings(options: ChannelOptions): Record<string, unknown> {
  const { curve, keepAlive, reconnectMs } = options;
  const all: Record<string, unknown> = {
    linger: 0,
    backlog,
    maxMessageSize: options.maxMessageBytes,
    receiveHighWaterMark: options.receiveHighWaterMark,
    sendHighWaterMark: options.sendHighWaterMark,
    ...(keepAlive === true && keepAliveSettings),
    handshakeInterval: options.handshakeMs,
    reconnectInterval: reconnectMs?.min,
    reconnectMaxInterval: reconnectMs?.max,
    routingId: options.routingId,
    ...(curve?.side === "server" && { curveServer: true, curveSecretKey: z85(curve.secretKey) }),
    ...(curve?.side === "client" && {
      curveSecretKey: z85(curve.secretKey),
      curvePublicKey: z85(curve.publicKey),
      curveServerKey: z85(curve.serverKey),
    }),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/**
 * ZMQ_IN_BATCH_SIZE (101) and ZMQ_OUT_BATCH_SIZE (102): each connection holds a buffer of this size each way, and 8 KiB twice
 * for each of thousands of minions is most of what they cost. Larger messages have memory of their own.
 */
function useSmallBuffers(socket: AnySocket): void {
  const raw = socket as unknown as { setInt32Option(option: number, value: number): void };
  for (const option of [101, 102]) raw.setInt32Option(option, 1024);
}

/** @throws MsaltError `ERR_PORT_IN_USE` or `ERR_SOCKET_PATH`. */
async function bind(socket: AnySocket, endpoint: string): Promise<void> {
  checkIpcPath(endpoint);
  try {
    await socket.bind(endpoint);
  } catch (cause) {
    socket.close();
    const code = (cause as { code?: string }).code;
    if (code === "EADDRINUSE") {
      throw new MsaltError(
        "ERR_PORT_IN_USE",
        `cannot listen on ${endpoint}: the address is in use`,
        { hint: "another master may be running; stop it, or set another port in the master configuration" },
        { cause },
      );
    }
    throw new MsaltError("ERR_SOCKET_PATH", `cannot listen on ${endpoint}: ${messageOf(cause)}`, {}, { cause });
  }
}

/** A unix socket path holds at most 107 bytes; a longer one fails in ways that name nothing. */
function checkIpcPath(endpoint: string): void {
  if (endpoint.startsWith("ipc://") && Buffer.byteLength(endpoint) - 6 > 107) {
    throw new MsaltError("ERR_SOCKET_PATH", `socket path is longer than 107 bytes: ${endpoint.slice(6)}`, {
      hint: "set sock_dir to a shorter folder in the configuration",
    });
  }
}

/** A ROUTER of our own; `mandatory`, so that a message to a vanished peer is counted as dropped, not lost in silence. */
export async function bindRouter(endpoint: string, options: ChannelOptions): Promise<Channel> {
  const { Router } = await load();
  const socket = new Router({ ...settings(options), sendTimeout: 0, mandatory: true });
  await bind(socket, endpoint);
  return new Channel(socket, options);
}

/** A DEALER that queues only on completed connections, so nothing waits for a dead peer; see `queueEarly`. */
export async function connectDealer(endpoint: string, options: ChannelOptions): Promise<Channel> {
  const { Dealer } = await load();
  checkIpcPath(endpoint);
  const socket = new Dealer({ ...settings(options), sendTimeout: 0, immediate: options.queueEarly !== true });
  const channel = new Channel(socket, options);
  socket.connect(endpoint);
  return channel;
}

export async function connectSubscriber(endpoint: string, options: ChannelOptions): Promise<Channel> {
  const { Subscriber } = await load();
  checkIpcPath(endpoint);
  const socket = new Subscriber(settings(options));
  const channel = new Channel(socket, options);
  socket.connect(endpoint);
  return channel;
}

/** A publisher that accepts subscriptions itself: only the prefixes for which `onSubscribe` says yes receive anything (W4). */
export async function bindPublisher(
  endpoint: string,
  options: Omit<ChannelOptions, "onMessage"> & {
    /** True accepts. Called for every subscription, also a repeated one. */
    readonly onSubscribe: (prefix: Uint8Array) => boolean;
    /** After an accepted subscription works: what is sent now arrives. */
    readonly onSubscribed: (prefix: Uint8Array) => void;
    /** Called for each subscriber of an accepted prefix that has gone or whose connection broke. */
    readonly onUnsubscribed: (prefix: Uint8Array) => void;
  },
): Promise<Channel> {
  const { XPublisher } = await load();
  const socket = new XPublisher({ ...settings(options), sendTimeout: 0, manual: true, verbosity: "allSubsUnsubs" });
  useSmallBuffers(socket);
  await bind(socket, endpoint);
  // ZMQ_XPUB_MANUAL: option 6 (ZMQ_SUBSCRIBE) grants a prefix to the peer whose message was read last, 7 takes it away.
  const grant = socket as unknown as { setStringOption(option: number, value: Buffer): void };
  const onMessage = ([frame]: Uint8Array[]): void => {
    if (frame === undefined || frame.length === 0) return;
    const prefix = Buffer.from(frame.subarray(1));
    if (frame[0] === 1) {
      if (!options.onSubscribe(prefix)) return;
      grant.setStringOption(6, prefix);
      options.onSubscribed(prefix);
    } else if (frame[0] === 0) {
      grant.setStringOption(7, prefix);
      options.onUnsubscribed(prefix);
    }
  };
  return new Channel(socket, { ...options, onMessage });
}

/**
 * Admits or refuses CURVE keys for every bound socket of this process. Must run before the first bind. `isAdmitted` gets the
 * raw key and the peer's address.
 */
export async function startZap(isAdmitted: (key: Uint8Array, address: string) => boolean): Promise<Channel> {
  const { Router } = await load();
  const socket = new Router({ linger: 0, sendTimeout: 0 });
  await socket.bind("inproc://zeromq.zap.01");
  const channel: Channel = new Channel(socket, {
    onError: () => undefined,
    onMessage: (frames) => {
      const body = frames.findIndex((frame) => frame.length === 0) + 1;
      const [version, requestId, , address, , mechanism, key] = frames.slice(body);
      if (version === undefined || requestId === undefined) return;
      const admitted =
        key !== undefined &&
        Buffer.from(mechanism ?? []).toString() === "CURVE" &&
        isAdmitted(key, Buffer.from(address ?? []).toString());
      const answer = admitted ? ["200", "OK", "msalt", ""] : ["400", "not admitted", "", ""];
      void channel.send([...frames.slice(0, body), version, requestId, ...answer.map((text) => Buffer.from(text))]);
    },
  });
  return channel;
}

/** Kept for the life of the process: the collector would free the sockets under libzmq's thread, which is a crash. */
const proxies: unknown[] = [];

/**
 * Joins a CURVE ROUTER on `front` with a DEALER on `back` (ipc, for the workers) by libzmq's own proxy; no message passes
 * through JavaScript. Holds one thread of libuv's pool for good. Gives the bound port of `front`.
 */
export async function runProxy(
  front: { readonly endpoint: string; readonly options: ChannelOptions },
  back: { readonly endpoint: string; readonly highWaterMark: number },
  onEnd: (failure: unknown) => void,
): Promise<number> {
  const { Router, Dealer, Proxy } = await load();
  const router = new Router(settings(front.options));
  useSmallBuffers(router);
  const dealer = new Dealer({
    linger: 0,
    sendHighWaterMark: back.highWaterMark,
    receiveHighWaterMark: back.highWaterMark,
  });
  await bind(router, front.endpoint);
  await bind(dealer, back.endpoint);
  const port = Number(/:(\d+)$/.exec(router.lastEndpoint ?? "")?.[1] ?? 0);
  const proxy = new Proxy(router, dealer);
  proxies.push(proxy, router, dealer);
  proxy.run().then(() => onEnd(new Error("the proxy ended")), onEnd);
  return port;
}
