/** What the simulation puts in place of modules that touch the machine; `host` is the world whose history runs now. */
import type * as MessagePack from "@msgpack/msgpack";
import type * as Keys from "../../src/crypto/keys.ts";
import type * as Primitives from "../../src/crypto/primitives.ts";
import type { FromChild } from "../../src/lib/child.ts";
import type { JobStore } from "../../src/store/job-store.ts";
import type { ChannelOptions } from "../../src/transport/channel.ts";
import type { KeyRecord } from "../../src/wire/key-record.ts";
import type { Process } from "./clock.ts";
import { type Network, portOf } from "./network.ts";
import { Proxy, Publisher, Router, Socket } from "./sockets.ts";

export interface Host {
  readonly network: Network;
  openStore(): Promise<JobStore>;
  /** A front or the controller speaks to its supervisor. */
  told(process: Process, message: FromChild): void;
  /** A minion asks on the enrolment port. */
  enrol(): Promise<KeyRecord | undefined>;
}

let running: Host | undefined;

export function setHost(host: Host | undefined): void {
  running = host;
}

function host(): Host {
  if (running === undefined) throw new Error("no history runs");
  return running;
}

type Bound<O> = (endpoint: string, options: O) => Promise<Socket>;
const bound =
  <O extends ChannelOptions>(Kind: new (network: Network, endpoint: string, options: O) => Socket): Bound<O> =>
  async (endpoint, options) => {
    const socket = new Kind(host().network, portOf(endpoint), options);
    socket.bind();
    return socket;
  };
const connected: Bound<ChannelOptions> = async (endpoint, options) => {
  const socket = new Socket(host().network, endpoint, options);
  socket.connect();
  return socket;
};

export const transport = {
  connectDealer: connected,
  connectSubscriber: connected,
  bindRouter: bound(Router),
  bindPublisher: bound(Publisher),
  startZap: async (isAdmitted: (key: Uint8Array, address: string) => boolean) => {
    const { network } = host();
    const { current } = network.clock;
    network.zaps.set(current, isAdmitted);
    return { close: () => network.zaps.delete(current) };
  },
  runProxy: async (front: { endpoint: string; options: ChannelOptions }, back: { endpoint: string }) => {
    new Proxy(host().network, { ...front, endpoint: portOf(front.endpoint) }, back.endpoint).bind();
    return 4506;
  },
  zmqVersion: async () => "0",
};

export const sqlite = { openSqliteStore: () => host().openStore() };

export const child = { tell: (message: FromChild) => host().told(host().network.clock.current, message) };

export const enrolment = { enrol: () => host().enrol() };

/** Plants a fault: the nonces of replies follow from those of requests. */
export const nonces = { areDerived: false };
const opened = new WeakMap<Process, Uint8Array>();
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** What would be computed in history after history for the same few keys. */
export function cached(real: typeof Primitives): typeof Primitives {
  const shared = new Map<string, Uint8Array>();
  return {
    ...real,
    sharedKey: (secret, peer) => {
      const name = `${hex(secret)} ${hex(peer)}`;
      const known = shared.get(name) ?? real.sharedKey(secret, peer);
      shared.set(name, known);
      return known;
    },
    open: (box, nonce, key) => {
      if (running !== undefined) opened.set(running.network.clock.current, nonce);
      return real.open(box, nonce, key);
    },
    freshNonce: () => {
      const { current } = host().network.clock;
      const asked = current.name.startsWith("worker") ? opened.get(current) : undefined;
      return nonces.areDerived && asked !== undefined ? Uint8Array.from(asked).toReversed() : real.freshNonce();
    },
  };
}

export function cachedKeys(real: typeof Keys): typeof Keys {
  const verified = new Map<string, KeyRecord>();
  return {
    ...real,
    verifyKeyRecord: (bytes) => {
      const record = verified.get(hex(bytes)) ?? real.verifyKeyRecord(bytes);
      verified.set(hex(bytes), record);
      return record;
    },
  };
}

/** Its cache of keys throws dice, and outlives a history. */
export function withoutDice(real: typeof MessagePack): typeof MessagePack {
  class Decoder<T> extends real.Decoder<T> {
    constructor(options: MessagePack.DecoderOptions<T>) {
      super({ ...options, keyDecoder: null });
    }
  }
  return { ...real, Decoder };
}
