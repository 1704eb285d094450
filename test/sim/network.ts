/**
 * Stands in for `src/transport/channel.ts`: sockets as zeromq shows them, over simulated connections. A connection keeps the
 * order of what it carries; it may be slow, stand still and go on, stand still and break, or break at once. On the way to and
 * from minions single messages can also be lost, doubled or overtaken, which TCP would not do: the protocol must bear that, too.
 */
import type * as Channels from "../../src/transport/channel.ts";
import type { Clock, Process } from "./clock.ts";

type ChannelOptions = Channels.ChannelOptions;
type Frames = readonly Uint8Array[];
export type Disturbance = "pass" | "lose" | "double" | "overtake";

/** Half a minute of TCP's probes. */
const keepAliveMs = 33_000;

export interface Connection {
  readonly client: Socket;
  readonly server: Socket;
  /** Five bytes that begin with a zero, as libzmq makes them, or what the client calls itself. */
  readonly routingId: Buffer;
  open: boolean;
  /** Nothing arrives; what was sent waits. */
  stalled: (() => void)[] | undefined;
  readonly granted: Set<string>;
  /** When the last message of each direction arrives. */
  readonly busyUntil: { up: number; down: number };
}

interface PublisherOptions extends ChannelOptions {
  readonly onSubscribe: (prefix: Uint8Array) => boolean;
  readonly onSubscribed: (prefix: Uint8Array) => void;
  readonly onUnsubscribed: (prefix: Uint8Array) => void;
}

const name = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

export class Network {
  readonly clock: Clock;
  readonly random: () => number;
  readonly servers = new Map<string, Socket>();
  readonly connections = new Set<Connection>();
  readonly zaps = new Map<Process, (key: Uint8Array, address: string) => boolean>();
  /** Hosts that cannot reach the master now. */
  readonly cut = new Set<string>();
  /** What becomes of a message between a minion and the master. */
  disturb: (from: Process, to: Process) => Disturbance = () => "pass";
  /** How long one takes beyond the least, milliseconds. */
  slowness: (from: Process, to: Process) => number = () => 0;
  /** What a message is on its way, when somebody who may has changed it. */
  tamper: (connection: Connection, toClient: boolean, frames: Frames) => Frames = (_connection, _toClient, frames) =>
    frames;
  /** Sees each message before it leaves. */
  onSend: (connection: Connection, toClient: boolean, frames: Frames) => void = () => undefined;
  /** Sees each message before it is read. */
  onArrive: (connection: Connection, toClient: boolean, frames: Frames) => void = () => undefined;
  #count = 0;

  constructor(clock: Clock, random: () => number) {
    this.clock = clock;
    this.random = random;
  }

  nextRoutingId(): Buffer {
    const id = Buffer.alloc(5);
    id.writeUInt32BE((this.#count += 1), 1);
    return id;
  }

  reachable(client: Process, server: Process, endpoint: string): boolean {
    return server.alive && (!isRemote(endpoint) || !this.cut.has(hostOf(client)));
  }

  /** The path between this host and the master is gone; `silently`: nobody is told. */
  sever(host: string, silently: boolean): void {
    this.cut.add(host);
    for (const connection of this.connections) {
      if (!isRemote(connection.server.endpoint) || hostOf(connection.client.process) !== host) continue;
      if (!silently) this.break(connection);
      else if (connection.stalled === undefined) {
        connection.stalled = [];
        const stalled = connection.stalled;
        const reap = (): void => {
          if (connection.stalled === stalled) this.break(connection);
        };
        this.clock.schedule(keepAliveMs, reap, this.clock.world);
      }
    }
  }

  mend(host: string): void {
    this.cut.delete(host);
    for (const connection of this.connections) {
      const { stalled } = connection;
      if (stalled === undefined || hostOf(connection.client.process) !== host) continue;
      connection.stalled = undefined;
      for (const deliver of stalled) deliver();
    }
  }

  /** The process is gone, and with it its sockets. */
  end(process: Process): void {
    this.zaps.delete(process);
    for (const [endpoint, server] of this.servers) if (server.process === process) this.servers.delete(endpoint);
    for (const connection of this.connections) {
      if (connection.client.process === process || connection.server.process === process) this.break(connection);
    }
  }

  break(connection: Connection): void {
    if (!connection.open) return;
    connection.open = false;
    connection.stalled = undefined;
    this.connections.delete(connection);
    for (const socket of [connection.client, connection.server]) {
      this.clock.schedule(0.1 + this.random(), () => socket.onBroken(connection), socket.process);
    }
  }

  carry(connection: Connection, toClient: boolean, sent: Frames): void {
    this.onSend(connection, toClient, sent);
    const frames = this.tamper(connection, toClient, sent);
    const { client, server, busyUntil } = connection;
    const [from, to] = toClient ? [server, client] : [client, server];
    const direction = toClient ? "down" : "up";
    const isLossy = isRemote(server.endpoint) || server.endpoint.endsWith("events.sock");
    const what = isLossy ? this.disturb(from.process, to.process) : "pass";
    if (what === "lose") return;
    const least = isRemote(server.endpoint) ? 0.2 : 0.05;
    const arrival = this.clock.now + least + this.random() * least + this.slowness(from.process, to.process);
    const at = what === "overtake" ? arrival : Math.max(arrival, busyUntil[direction]);
    if (what !== "overtake") busyUntil[direction] = at;
    const copies = what === "double" ? [at, at + this.random() * 2000] : [at];
    for (const when of copies) {
      const arrive = (): void => {
        if (connection.stalled !== undefined) connection.stalled.push(arrive);
        else if (connection.open && !to.closed) {
          this.onArrive(connection, toClient, frames);
          to.receive(connection, frames);
        }
      };
      this.clock.schedule(when - this.clock.now, arrive, to.process);
    }
  }
}

/** The host of a process: `m3` of `m3#2`, `master` of all that are the master's. */
export function hostOf({ name: process }: Process): string {
  return process.startsWith("m") && !process.startsWith("master") ? (process.split("#")[0] ?? "") : "master";
}

function isRemote(endpoint: string): boolean {
  return endpoint.startsWith("tcp:");
}

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
      if (server === undefined || !admitted || !isAdmitted(server, this)) {
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

export function portOf(endpoint: string): string {
  return endpoint.startsWith("tcp:") ? `tcp:${endpoint.slice(endpoint.lastIndexOf(":"))}` : endpoint;
}

function isAdmitted({ options, process, network }: Socket, client: Socket): boolean {
  const { curve } = client.options;
  if (options.curve?.side !== "server") return true;
  const zap = network.zaps.get(process);
  return curve?.side === "client" && zap !== undefined && zap(curve.publicKey, "10.0.0.1");
}

function subscription(verb: 0 | 1, topic: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([verb]), topic]);
}
