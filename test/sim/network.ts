/**
 * Stands in for `src/transport/channel.ts`: sockets as zeromq shows them, over simulated connections. A connection keeps the
 * order of what it carries; it may be slow, stand still and go on, stand still and break, or break at once. On the way to and
 * from minions single messages can also be lost, doubled or overtaken, which TCP would not do: the protocol must bear that, too.
 */
import type { ChannelOptions, Frames } from "../../src/transport/channel.ts";
import type { Clock, Process } from "./clock.ts";

export type Disturbance = "pass" | "lose" | "double" | "overtake";

/** Half a minute of TCP's probes. */
const keepAliveMs = 33_000;

export interface Connection {
  readonly client: End;
  readonly server: End;
  /** Five bytes that begin with a zero, as libzmq makes them, or what the client calls itself. */
  readonly routingId: Buffer;
  open: boolean;
  /** Nothing arrives; what was sent waits. */
  stalled: (() => void)[] | undefined;
  readonly granted: Set<string>;
  /** When the last message of each direction arrives. */
  readonly busyUntil: { up: number; down: number };
}

/** What a connection needs to know of the sockets at its ends. */
interface End {
  readonly process: Process;
  readonly endpoint: string;
  readonly options: ChannelOptions;
  readonly closed: boolean;
  readonly connections: Connection[];
  receive(connection: Connection, frames: Frames): void;
  onBroken(connection: Connection): void;
}

export class Network {
  readonly clock: Clock;
  readonly random: () => number;
  readonly servers = new Map<string, End>();
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
    // What a tool is told is held against the record of that moment.
    const more = server.endpoint.endsWith("local.sock") ? 0 : this.slowness(from.process, to.process);
    const arrival = this.clock.now + least + this.random() * least + more;
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

export function portOf(endpoint: string): string {
  return endpoint.startsWith("tcp:") ? `tcp:${endpoint.slice(endpoint.lastIndexOf(":"))}` : endpoint;
}
