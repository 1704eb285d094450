/** The sockets of `src/transport/channel.ts`, over the connections of a simulated network. */
import type { ChannelOptions, Frames } from "../../src/transport/channel.ts";
import type { Process } from "./clock.ts";
import { type Connection, type Network, portOf } from "./network.ts";

interface PublisherOptions extends ChannelOptions {
  readonly onSubscribe: (prefix: Uint8Array) => boolean;
  readonly onSubscribed: (prefix: Uint8Array) => void;
  readonly onUnsubscribed: (prefix: Uint8Array) => void;
}

const name = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

/** All that a kind of socket does differently stands in what it is made with. */
export class Socket {
  readonly network: Network;
  readonly process: Process;
  readonly endpoint: string;
  readonly options: ChannelOptions;
  readonly connections: Connection[] = [];
  dropped = 0;
  closed = false;
  boundPort = 0;
  /** Of a subscriber, or of a publisher. */
  readonly topics = new Map<string, Uint8Array>();
  readonly #early: Frames[] = [];
  #tries = 0;

  constructor(network: Network, endpoint: string, options: ChannelOptions) {
    this.network = network;
    this.process = network.clock.current;
    this.endpoint = endpoint;
    this.options = options;
  }

  bind(): void {
    if (this.network.servers.has(this.endpoint)) throw new Error(`${this.endpoint} is in use`);
    this.network.servers.set(this.endpoint, this);
  }

  connect(afterMs = 0.3): void {
    const { network, process } = this;
    const attempt = (): void => {
      if (this.closed || this.connections.length > 0) return;
      const server = network.servers.get(portOf(this.endpoint));
      const admitted = server !== undefined && network.reachable(process, server.process, server.endpoint);
      if (server === undefined || !admitted || !isAdmitted(network, server, this)) {
        const { min = 100, max = min } = this.options.reconnectMs ?? {};
        this.#tries += 1;
        this.connect(Math.min(max, min * 2 ** Math.min(10, this.#tries)) * (0.5 + network.random()));
        return;
      }
      this.#tries = 0;
      const { routingId } = this.options;
      const connection: Connection = {
        client: this,
        server,
        routingId: routingId === undefined ? network.nextRoutingId() : Buffer.from(routingId),
        open: true,
        stalled: undefined,
        granted: new Set(),
        busyUntil: { up: 0, down: 0 },
      };
      network.connections.add(connection);
      server.connections.push(connection);
      this.connections.push(connection);
      for (const topic of this.topics.values()) network.carry(connection, false, [subscription(1, topic)]);
      for (const frames of this.#early.splice(0)) network.carry(connection, false, frames);
      this.options.onLink?.("up");
    };
    network.clock.schedule(afterMs, attempt, process);
  }

  onBroken(connection: Connection): void {
    const at = this.connections.indexOf(connection);
    if (at < 0 || this.closed) return;
    this.connections.splice(at, 1);
    for (const topic of connection.granted) this.unsubscribed(Buffer.from(topic, "latin1"));
    if (connection.client !== this) return;
    this.options.onLink?.("down");
    this.connect(this.options.reconnectMs?.min ?? 100);
  }

  receive(connection: Connection, frames: Frames): void {
    try {
      this.take(connection, frames);
    } catch (failure) {
      this.options.onError(failure);
    }
  }

  take(_connection: Connection, frames: Frames): void {
    this.options.onMessage?.([...frames]);
  }

  unsubscribed(_topic: Uint8Array): void {
    return;
  }

  /** True when a connection took it. */
  push(frames: Frames): boolean {
    const [connection] = this.connections;
    if (connection?.open === true) this.network.carry(connection, false, frames);
    else if (this.options.queueEarly === true) this.#early.push(frames);
    else return false;
    return true;
  }

  async send(frames: Frames): Promise<boolean> {
    const taken = !this.closed && this.push(frames);
    if (!taken) this.dropped += 1;
    return taken;
  }

  subscribe(...prefixes: (string | Uint8Array)[]): void {
    this.#tell(1, prefixes);
  }

  unsubscribe(...prefixes: (string | Uint8Array)[]): void {
    this.#tell(0, prefixes);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const connection of this.connections) this.network.break(connection);
    if (this.network.servers.get(this.endpoint) === this) this.network.servers.delete(this.endpoint);
  }

  #tell(verb: 0 | 1, prefixes: (string | Uint8Array)[]): void {
    for (const prefix of prefixes) {
      const topic = Buffer.from(prefix);
      if (verb === 1) this.topics.set(name(topic), topic);
      else this.topics.delete(name(topic));
      for (const connection of this.connections) {
        if (connection.open) this.network.carry(connection, false, [subscription(verb, topic)]);
      }
    }
  }
}

export class Router extends Socket {
  override take(connection: Connection, frames: Frames): void {
    this.options.onMessage?.([connection.routingId, ...frames]);
  }

  override push([routingId, ...frames]: Frames): boolean {
    const to = this.connections.find(
      (each) => each.open && routingId !== undefined && each.routingId.equals(routingId),
    );
    if (to !== undefined) this.network.carry(to, true, frames);
    return to !== undefined;
  }
}

export class Publisher extends Socket {
  declare readonly options: PublisherOptions;

  override take(connection: Connection, [frame]: Frames): void {
    if (frame === undefined || frame.length === 0) return;
    const prefix = Buffer.from(frame.subarray(1));
    if (frame[0] === 1) {
      if (!this.options.onSubscribe(prefix)) return;
      connection.granted.add(name(prefix));
      this.options.onSubscribed(prefix);
    } else if (connection.granted.delete(name(prefix))) this.options.onUnsubscribed(prefix);
  }

  override unsubscribed(topic: Uint8Array): void {
    this.options.onUnsubscribed(topic);
  }

  override push(frames: Frames): boolean {
    const head = name(frames[0] ?? new Uint8Array(0));
    for (const connection of this.connections) {
      if (connection.open && [...connection.granted].some((prefix) => head.startsWith(prefix)))
        this.network.carry(connection, true, frames);
    }
    return true;
  }
}

/** libzmq's proxy: a ROUTER for minions and a DEALER for workers, each request to the next worker. */
export class Proxy extends Router {
  readonly #back: Socket;
  #turn = 0;

  constructor(network: Network, front: { endpoint: string; options: ChannelOptions }, backEndpoint: string) {
    super(network, front.endpoint, front.options);
    const onMessage = (frames: Uint8Array[]): void => void this.push(frames);
    this.#back = new Socket(network, backEndpoint, { onError: () => undefined, onMessage });
  }

  override bind(): void {
    super.bind();
    this.#back.bind();
  }

  override take({ routingId }: Connection, frames: Frames): void {
    const workers = this.#back.connections.filter(({ open }) => open);
    const worker = workers[(this.#turn += 1) % workers.length];
    if (worker !== undefined) this.network.carry(worker, true, [routingId, ...frames]);
  }
}

function isAdmitted(network: Network, { options, process }: Connection["server"], client: Socket): boolean {
  const { curve } = client.options;
  if (options.curve?.side !== "server") return true;
  const zap = network.zaps.get(process);
  return curve?.side === "client" && zap !== undefined && zap(curve.publicKey, "10.0.0.1");
}

function subscription(verb: 0 | 1, topic: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([verb]), topic]);
}
