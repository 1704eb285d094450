/** Floods from processes of their own, at the full speed of the loopback, until they are stopped. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";

export class Flood implements AsyncDisposable {
  /** Resolves when it knows what to send, which may be a hundred MB to read first, or has ended. */
  readonly begun: Promise<unknown>;
  readonly #child: ChildProcess;
  readonly #end: Promise<unknown>;

  /** @param script CommonJS, run with these values under the name `given` */
  constructor(script: string, given: Readonly<Record<string, unknown>>) {
    const checkout = join(import.meta.dirname, "../..");
    const code = `process.on("uncaughtException", () => {}); const given = JSON.parse(require("node:fs").readFileSync(0, "utf8")); process.stdout.write("begun");\n${script}`;
    this.#child = spawn(process.execPath, ["-e", code], { cwd: checkout, stdio: ["pipe", "pipe", "ignore"] });
    // It may be stopped while it still reads.
    this.#child.stdin?.on("error", () => undefined);
    this.begun = new Promise((resolve) => {
      this.#child.stdout?.once("data", resolve).once("close", resolve);
    });
    this.#child.stdin?.end(JSON.stringify(given));
    this.#end = new Promise((resolve) => this.#child.once("close", resolve));
  }

  /** True as long as nobody has stopped it. */
  get lives(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  pause(): void {
    this.#child.kill("SIGSTOP");
  }

  goOn(): void {
    this.#child.kill("SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#end;
  }
}

/** Bytes without end on `given.sockets` connections to `given.port`, after `given.head`; a connection that is closed is made anew. */
export const bytesWithoutEnd = `
const { connect } = require("node:net");
const data = Buffer.alloc(65536, given.fill);
const open = () => {
  const socket = connect(given.port, "127.0.0.1", () => {
    socket.write(Buffer.from(given.head, "hex"));
    const more = () => { while (socket.writable && socket.write(data)); };
    socket.on("drain", more);
    more();
  });
  socket.on("error", () => {});
  socket.on("data", () => {});
  socket.on("close", () => setTimeout(open, 5));
};
for (let n = 0; n < given.sockets; n += 1) open();`;

/** CURVE handshakes under keys that nobody knows. */
export const strangersKeys = `
const { Dealer, curveKeyPair } = require("zeromq");
const open = () => {
  const { publicKey, secretKey } = curveKeyPair();
  const dealer = new Dealer({ linger: 0, curveServerKey: given.serverKey, curvePublicKey: publicKey, curveSecretKey: secretKey });
  dealer.connect("tcp://127.0.0.1:" + given.port);
  setTimeout(() => { dealer.close(); open(); }, 50);
};
for (let n = 0; n < given.sockets; n += 1) open();`;

const accepted = `
const zmq = require("zeromq");
const options = { linger: 0, curveServerKey: given.serverKey, curvePublicKey: given.publicKey, curveSecretKey: given.secretKey };`;

/** Messages of an accepted minion whose parts never end. */
export const partsWithoutEnd = `${accepted}
const data = Buffer.alloc(140_000);
(async () => {
  for (;;) {
    const dealer = new zmq.Dealer({ ...options, sendTimeout: 2000, sendHighWaterMark: 0 });
    dealer.connect("tcp://127.0.0.1:" + given.port);
    await dealer.send(Array.from({ length: 14_000 }, () => data)).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 3000));
    dealer.close();
  }
})();`;

/** Long subscriptions of an accepted minion. */
export const subscriptionsWithoutEnd = `${accepted}
(async () => {
  const subscriber = new zmq.XSubscriber({ ...options, sendHighWaterMark: 0 });
  subscriber.connect("tcp://127.0.0.1:" + given.port);
  for (let n = 0; n < given.count; n += 1) {
    await subscriber.send(Buffer.concat([Buffer.from([1]), Buffer.from(String(n).padStart(12, "0")), Buffer.alloc(227, n)]));
  }
  setInterval(() => {}, 1000);
})();`;

/** These requests of an accepted minion again and again. */
export const requestsWithoutEnd = `${accepted}
const frames = given.frames.map((text) => Buffer.from(text, "hex"));
(async () => {
  const dealer = new zmq.Dealer({ ...options, sendTimeout: -1 });
  dealer.connect("tcp://127.0.0.1:" + given.port);
  (async () => { for await (const _ of dealer); })();
  for (;;) for (const frame of frames) await dealer.send(frame);
})();`;
