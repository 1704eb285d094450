import { connect } from "node:net";
import { encode } from "@msgpack/msgpack";
import nacl from "tweetnacl";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Dealer, Subscriber } from "zeromq";
import { dropped, rawMinion, unharmed } from "../support/attack.ts";
import { Bus } from "../support/bus.ts";
import { until } from "../support/proc.ts";
import { type RawMinion, z85 } from "../support/raw-minion.ts";

const sync = encode({ cmd: "sync" });

describe("strangers and broken frames", () => {
  let bus: Bus;
  let raw: RawMinion;
  let other: RawMinion;
  beforeAll(async () => {
    bus = await Bus.start({ minions: ["m1"], master: "log_level: debug" });
    raw = await rawMinion(bus, "raw");
    other = await rawMinion(bus, "other");
  });
  afterAll(async () => {
    raw[Symbol.dispose]();
    other[Symbol.dispose]();
    await bus[Symbol.asyncDispose]();
  });
  // A new connection, so that the bad frames of one case do not mute the next.
  beforeEach(() => raw.connect(bus.ports));

  const sockets: (Dealer | Subscriber)[] = [];
  afterEach(() => sockets.splice(0).forEach((socket) => socket.close()));
  function owned<T extends Dealer | Subscriber>(socket: T): T {
    sockets.push(socket);
    return socket;
  }

  /** Sends one message that the workers must drop for this reason, without a word to the sender. */
  async function drops(reason: string, frames: readonly Uint8Array[]): Promise<void> {
    const before = dropped(bus, reason);
    const answers = raw.answers.length;
    await raw.sendFrames(...frames);
    await until(`a frame dropped for ${reason}`, () => dropped(bus, reason) > before);
    expect(raw.answers.length).toBe(answers);
    expect((await raw.ask({ cmd: "sync" }))?.ok).toBeDefined();
  }

  it.each(["publish_port", "ret_port"])(
    "HS-01: plain ZMTP to %s is refused before a byte reaches a worker",
    async (port) => {
      await unharmed(bus, async () => {
        const before = bus.master?.stderr.match(/dropped a frame/g)?.length ?? 0;
        const dealer = owned(new Dealer({ linger: 0, sendTimeout: 0 }));
        const subscriber = owned(new Subscriber({ linger: 0 }));
        const heard: unknown[] = [];
        void dealer.receive().then(
          (frames) => heard.push(frames),
          () => undefined,
        );
        void subscriber.receive().then(
          (frames) => heard.push(frames),
          () => undefined,
        );
        const failed = eventOf(
          dealer,
          "handshake:error:protocol",
          "handshake:error:auth",
          "handshake:error:other",
          "disconnect",
        );
        dealer.connect(`tcp://127.0.0.1:${bus.ports[port]}`);
        subscriber.connect(`tcp://127.0.0.1:${bus.ports[port]}`);
        subscriber.subscribe();
        await failed;
        for (let i = 0; i < 100; i += 1) await dealer.send([raw.frame(sync)]).catch(() => undefined);
        expect(heard).toEqual([]);
        expect(bus.master?.stderr.match(/dropped a frame/g)?.length ?? 0).toBe(before);
      });
    },
  );

  it("HS-01: garbage and silence end in a closed connection", async () => {
    await unharmed(bus, async () => {
      const sent = [
        Buffer.alloc(0),
        Buffer.alloc(1),
        Buffer.alloc(100_000, 0xff),
        Buffer.from("GET / HTTP/1.1\r\n\r\n"),
      ];
      const closed = Object.values(bus.ports).flatMap((port) => sent.map((bytes) => closing(port, bytes)));
      expect(Buffer.concat(await Promise.all(closed)).includes(Buffer.from("master"))).toBe(false);
    });
  });

  it.each(["publish_port", "ret_port"])("HS-02: an unknown CURVE key is refused on %s", async (port) => {
    await unharmed(bus, async () => {
      const keys = nacl.box.keyPair();
      const curve = {
        curveServerKey: z85(raw.master?.curve ?? Buffer.alloc(32)),
        curvePublicKey: z85(keys.publicKey),
        curveSecretKey: z85(keys.secretKey),
        linger: 0,
      };
      const dealer = owned(new Dealer({ ...curve, sendTimeout: 0 }));
      const failed = eventOf(
        dealer,
        "handshake:error:auth",
        "handshake:error:protocol",
        "handshake:error:other",
        "disconnect",
      );
      dealer.connect(`tcp://127.0.0.1:${bus.ports[port]}`);
      expect(await failed).toMatch(/handshake:error/);
      if (port === "ret_port") await until("it is logged", () => /refused a key/.test(bus.master?.stderr ?? ""));
    });
  });

  it("EN-01: frames that are cut, of another version or in parts are dropped by reason", async () => {
    await unharmed(bus, async () => {
      const good = raw.frame(sync);
      const change = (at: number, value: number): Buffer =>
        Buffer.from(good.map((byte, index) => (index === at ? value : byte)));
      for (const size of [0, 1, 43, 44, 45, 59]) await drops("size", [good.subarray(0, size)]);
      raw.connect(bus.ports);
      for (const at of [0, 1, 3]) await drops("magic", [change(at, 0)]);
      for (const version of [0, 2, 255]) await drops("version", [change(2, version)]);
      raw.connect(bus.ports);
      await drops("box", [good.subarray(0, 60)]);
      await drops("parts", [good, good]);
      await drops(
        "parts",
        Array.from({ length: 1000 }, () => Buffer.alloc(1)),
      );
      await drops("key", [raw.frame(sync, { keyId: Buffer.alloc(16, 9) })]);
    });
  });

  it("EN-01: a frame over the size limit ends the connection, not the master", async () => {
    await unharmed(bus, async () => {
      await raw.sendFrames(Buffer.alloc(1_200_000));
      raw.connect(bus.ports);
      expect((await raw.ask({ cmd: "sync" }))?.ok).toBeDefined();
    });
  });

  it("EN-02: no flipped bit of a request is accepted", async () => {
    await unharmed(bus, async () => {
      const good = raw.frame(encode({ cmd: "event", tag: "flipped", data: {} }));
      const bits = Array.from({ length: 44 * 8 }, (_, bit) => bit);
      for (let bit = 44 * 8; bit < good.length * 8; bit += 7) bits.push(bit);
      const answers = raw.answers.length;
      let dropsBefore = droppedInAll();
      for (const [at, bit] of bits.entries()) {
        if (at % 8 === 0) raw.connect(bus.ports);
        const bad = Buffer.from(good);
        bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        await raw.sendFrames(bad);
        if (at % 8 === 7) await until("dropped", () => droppedInAll() >= dropsBefore + 8);
        if (at % 8 === 7) dropsBefore = droppedInAll();
      }
      expect(raw.answers.length).toBe(answers);
    });
  });

  it("EN-02: another minion's key id in the header or inside does not open", async () => {
    await unharmed(bus, async () => {
      await drops("box", [raw.frame(sync, { keyId: other.keyId })]);
      await drops("box", [raw.frame(sync, { innerKeyId: other.keyId })]);
      await drops("box", [raw.frame(sync, { keyId: other.keyId, innerKeyId: other.keyId })]);
      await drops("box", [raw.frame(sync, { inner: 2 })]);
    });
  });

  it("EN-07: a reply of the master sent back as a request is dropped", async () => {
    await unharmed(bus, async () => {
      await raw.ask({ cmd: "sync" });
      const reply = Buffer.from(raw.answers.at(-1) ?? Buffer.alloc(0));
      await drops("magic", [reply]);
      reply[3] = 1;
      await drops("key", [reply]);
      raw.keyId.copy(reply, 4);
      await drops("box", [reply]);
    });
  });

  it("RX-07: after ten bad frames a connection is no longer looked at, and nobody else pays for it", async () => {
    await unharmed(bus, async () => {
      const before = droppedInAll();
      // As under the key id of another: its quota must not be touched.
      for (let i = 0; i < 60; i += 1) await raw.sendFrames(raw.frame(sync, { keyId: other.keyId }));
      expect(await raw.ask({ cmd: "sync" }, 1000)).toBeUndefined();
      expect(droppedInAll() - before).toBeLessThanOrEqual(20);
      expect((await other.ask({ cmd: "sync" }))?.ok).toBeDefined();
      raw.connect(bus.ports);
      expect((await raw.ask({ cmd: "sync" }))?.ok).toBeDefined();
    });
  });

  const droppedInAll = (): number => bus.master?.stderr.match(/dropped a frame/g)?.length ?? 0;
});

/** The first of these events of a socket. */
function eventOf(socket: Dealer, ...names: Parameters<Dealer["events"]["on"]>[0][]): Promise<string> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`none of ${names.join(", ")}`)), 40_000);
    for (const name of names) {
      socket.events.on(name, () => {
        clearTimeout(late);
        resolve(name);
      });
    }
  });
}

/** What a port says to these bytes until it closes the connection, which it must do by itself. */
function closing(port: number, bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    const late = setTimeout(() => reject(new Error(`port ${port} keeps a silent connection open`)), 40_000);
    socket.on("data", (data) => parts.push(data));
    socket.on("error", () => undefined);
    socket.on("close", () => {
      clearTimeout(late);
      resolve(Buffer.concat(parts));
    });
  });
}
