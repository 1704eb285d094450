/** A path to a port of this host on which connections suffer: a TCP relay with faults that are chosen by who calls. */
import { type AddressInfo, type Server, type Socket, connect, createServer } from "node:net";

type Way = "up" | "down";

/** What happens to one direction of one connection. `at`: after so many bytes. */
export type Fault =
  | { readonly is: "delay"; readonly ms: number }
  | { readonly is: "trickle"; readonly bytes: number }
  | { readonly is: "stall" | "reset" | "half-close" | "duplicate"; readonly at: number };

export type Faults = (connection: number, way: Way) => Fault | undefined;

export class FaultyPath implements AsyncDisposable {
  /** For connections made from now on; counted from 0 since it was set. */
  faults: Faults = () => undefined;
  connections = 0;
  /** Bytes in all, either way. */
  passed = 0;
  /** Changes what comes back. */
  alter: (answer: Buffer, connection: number) => Buffer = (answer) => answer;
  /** Set before the first connection: all that is said is kept. */
  records = false;
  /** All that was said, by connection and way: `0 up`. */
  readonly heard = new Map<string, Buffer[]>();
  readonly #to: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Ways on which nothing passes now; nobody is told. */
  readonly #clogged = new Set<Way>();
  readonly #waiting: (() => void)[] = [];

  private constructor(to: number) {
    this.#to = to;
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#join(client));
  }

  static async to(port: number): Promise<FaultyPath> {
    const path = new FaultyPath(port);
    await new Promise<void>((resolve) => path.#server.listen(0, "127.0.0.1", resolve));
    return path;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  suffer(faults: Faults): void {
    this.connections = 0;
    this.faults = faults;
  }

  /** Bytes are taken and stay here, on connections that stand and on new ones. */
  clog(...ways: Way[]): void {
    for (const way of ways) this.#clogged.add(way);
  }

  unclog(): void {
    this.#clogged.clear();
    for (const go of this.#waiting.splice(0)) go();
  }

  /** Every connection breaks. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  #join(client: Socket): void {
    const number = this.connections;
    this.connections += 1;
    const server = connect({ port: this.#to, host: "127.0.0.1", allowHalfOpen: true });
    const both = [client, server];
    for (const socket of both) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        for (const each of both) each.destroy();
      });
    }
    void this.#relay(client, server, "up", number);
    void this.#relay(server, client, "down", number);
  }

  async #relay(from: Socket, to: Socket, way: Way, number: number): Promise<void> {
    let fault = this.faults(number, way);
    let passed = 0;
    const heard: Buffer[] = [];
    if (this.records) this.heard.set(`${number} ${way}`, heard);
    try {
      for await (const said of from as AsyncIterable<Buffer>) {
        const data = way === "down" ? this.alter(said, number) : said;
        if (this.records) heard.push(data);
        while (this.#clogged.has(way)) await new Promise<void>((resolve) => this.#waiting.push(resolve));
        const at = fault !== undefined && "at" in fault ? fault.at - passed : Infinity;
        passed += data.length;
        this.passed += data.length;
        if (at <= data.length) {
          await write(to, data.subarray(0, Math.max(0, at)));
          if (fault?.is === "reset") return (from.resetAndDestroy(), to.resetAndDestroy(), undefined);
          if (fault?.is === "half-close") return (to.end(), undefined);
          if (fault?.is === "stall") return void (await new Promise((resolve) => from.once("close", resolve)));
          if (fault?.is === "duplicate") await write(to, data);
          fault = undefined;
          await write(to, data.subarray(Math.max(0, at)));
        } else if (fault?.is === "trickle") {
          for (let sent = 0; sent < data.length; sent += fault.bytes) {
            await write(to, data.subarray(sent, sent + fault.bytes));
            await pause(1);
          }
        } else {
          if (fault?.is === "delay") await pause(fault.ms);
          await write(to, data);
        }
      }
      to.end();
    } catch {
      // One of the two has gone.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.unclog();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function write(to: Socket, data: Buffer): Promise<void> {
  if (to.destroyed || data.length === 0 || to.write(data)) return;
  await new Promise<void>((resolve) => {
    to.once("drain", resolve);
    to.once("close", resolve);
  });
}

/** The two ports that a minion uses, behind paths. */
export interface Paths {
  readonly requests: FaultyPath;
  readonly publications: FaultyPath;
}

export async function pathsTo(ports: Readonly<Record<string, number>>): Promise<Paths> {
  return {
    requests: await FaultyPath.to(ports["ret_port"] ?? 0),
    publications: await FaultyPath.to(ports["publish_port"] ?? 0),
  };
}

export const both = ({ requests, publications }: Paths): FaultyPath[] => [requests, publications];
