import { getEventListeners } from "node:events";
import { existsSync, truncateSync } from "node:fs";
import { type Server, type Socket, createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeEnrolReply, tokenKey, verifyEnrolRequest } from "../../../src/crypto/enrolment.ts";
import { makeKeyRecord } from "../../../src/crypto/keys.ts";
import { loadPin, savePin } from "../../../src/crypto/keystore.ts";
import { fingerprintOf, formatFingerprint } from "../../../src/crypto/primitives.ts";
import { MsaltError } from "../../../src/errors.ts";
import { type EnrolOptions, askMaster, enrol } from "../../../src/minion/enrol.ts";
import type { EnrolState } from "../../../src/wire/enrolment.ts";
import { code, fixedKeys, flip, host, tempFolder } from "../../support/keys.ts";

const m1 = host("m1");
const master = host("master", "master", "master");
const fake = host("master", "fake", "master");
const fingerOf = (of: typeof master): string => formatFingerprint(fingerprintOf(of.record.sign));

type Answer = (request: Uint8Array) => Uint8Array;
const says =
  (state: EnrolState, by = master): Answer =>
  (request) =>
    makeEnrolReply(by.signer, by.record, state, request);
const refused: Answer = () => {
  throw new MsaltError("ERR_MASTER_UNREACHABLE", "cannot reach master: connection refused");
};

let temp: ReturnType<typeof tempFolder>;
let slept: number[];
let logged: string[];
let requests: Uint8Array[];
beforeEach(() => {
  temp = tempFolder();
  slept = [];
  logged = [];
  requests = [];
});
afterEach(() => temp[Symbol.dispose]());

const note =
  (level: string) =>
  (message: string, facts: Record<string, unknown> = {}): void =>
    void logged.push(`${level}: ${message} ${JSON.stringify(facts)}`);

/** Asks a master that gives these answers in turn, then stops. */
async function run(answers: readonly Answer[], options: Partial<EnrolOptions> = {}): ReturnType<typeof enrol> {
  const stop = new AbortController();
  const left = [...answers];
  return enrol({
    host: "master.example",
    port: 4507,
    signer: m1.signer,
    record: m1.record,
    pkiDir: temp.path,
    maxDelayMs: 10_000,
    log: { info: note("info"), warn: note("warn"), error: note("error") },
    signal: stop.signal,
    ask: async ({ request }) => {
      requests.push(request);
      const answer = left.shift();
      if (left.length === 0) stop.abort();
      return (answer ?? refused)(request);
    },
    sleep: async (ms) => slept.push(ms),
    random: () => 0.5,
    ...options,
  });
}

const pinned = (): string | undefined => {
  const record = loadPin(temp.path);
  return record && formatFingerprint(fingerprintOf(record.sign));
};

const rotated = (number: number): typeof master => ({
  ...master,
  record: makeKeyRecord("master", "master", { ...fixedKeys("new"), sign: master.keys.sign }, number),
});

describe("enrol", () => {
  it("waits while the key is pending, and gives the master's record once it is accepted", async () => {
    const record = await run([says("pending"), says("pending"), says("accepted")]);
    expect(record?.sign).toEqual(master.record.sign);
    expect(slept).toHaveLength(2);
    expect(new Set(requests.map((request) => Buffer.from(request).toString("hex"))).size).toBe(3);
  });

  it("trusts the first master that answers, says so, and pins it", async () => {
    await run([says("pending")]);
    expect(pinned()).toBe(fingerOf(master));
    expect(logged.filter((line) => line.includes("first contact") && line.includes(fingerOf(master)))).toHaveLength(1);
  });

  it("says nothing of a first contact when the master is configured, and asks for it by name", async () => {
    await run([says("accepted")], { masterFinger: fingerOf(master) });
    expect(pinned()).toBe(fingerOf(master));
    expect(logged.join()).not.toContain("first contact");
    expect(verifyEnrolRequest(requests[0] ?? new Uint8Array()).pin).toEqual(
      Uint8Array.from(fingerprintOf(master.record.sign)),
    );
  });

  it.each([
    ["configured", { masterFinger: fingerOf(master).replaceAll(":", "") }],
    ["pinned", {}],
  ])(
    "HS-07: does not believe another master than the %s one, logs both fingerprints once, pins nothing",
    async (how, options) => {
      if (how === "pinned") savePin(temp.path, master.record);
      const before = pinned();
      expect(
        await run([says("accepted", fake), says("accepted", fake), says("accepted", fake)], options),
      ).toBeUndefined();
      expect(pinned()).toBe(before);
      const lines = logged.filter((line) => line.startsWith("error"));
      expect(lines).toHaveLength(1);
      expect(lines[0]).toContain(fingerOf(master));
      expect(lines[0]).toContain(fingerOf(fake));
    },
  );

  it("HS-07: refuses a master_finger one bit off", async () => {
    const off = Buffer.from(flip(fingerprintOf(master.record.sign), 31)).toString("hex");
    expect(await run([says("accepted"), says("accepted")], { masterFinger: off })).toBeUndefined();
    expect(pinned()).toBeUndefined();
  });

  it("refuses to start when master_finger and pin disagree", async () => {
    savePin(temp.path, master.record);
    await expect(run([says("accepted")], { masterFinger: fingerOf(fake) })).rejects.toThrow(code("ERR_KEY_FILE"));
    await expect(run([says("accepted")], { masterFinger: "ab:cd" })).rejects.toThrow(code("ERR_CONFIG_INVALID"));
    expect(requests).toEqual([]);
  });

  it("LF-06: refuses to start with a broken pin instead of trusting anew", async () => {
    savePin(temp.path, master.record);
    truncateSync(join(temp.path, "minion_master.pub"), 20);
    await expect(run([says("accepted", fake)])).rejects.toThrow(code("ERR_KEY_FILE"));
  });

  it("HS-08, HS-09: ignores garbage, old answers and altered ones, and does not pin by them", async () => {
    let first: Uint8Array = new Uint8Array();
    const remember: Answer = (request) => (first = makeEnrolReply(master.signer, master.record, "accepted", request));
    remember(m1.request());
    const bad: Answer[] = [
      () => new Uint8Array(),
      () => new Uint8Array(400).fill(0x6d),
      () => first,
      (request) => request,
      ...[3, 10, 60, 200, 250].map(
        (at): Answer =>
          (request) =>
            flip(says("accepted")(request), at),
      ),
    ];
    expect(await run(bad)).toBeUndefined();
    expect(existsSync(join(temp.path, "minion_master.pub"))).toBe(false);
    const record = await run([...bad, says("accepted")]);
    expect(record?.sign).toEqual(master.record.sign);
  });

  it("HS-09: stays up through 1,000 refusals, with a line per change and a bounded, jittered wait", async () => {
    const answers = [
      ...Array<Answer>(300).fill(refused),
      ...Array<Answer>(300).fill(says("pending")),
      ...Array<Answer>(300).fill(says("rejected")),
      ...Array<Answer>(100).fill(says("denied")),
    ];
    let n = 0;
    expect(await run(answers, { random: () => (n += 1) % 2 })).toBeUndefined();
    expect(slept).toHaveLength(1000);
    expect(logged).toHaveLength(5);
    const range = (from: number, to: number): [number, number] => [
      Math.min(...slept.slice(from, to)),
      Math.max(...slept.slice(from, to)),
    ];
    expect(range(0, 300)).toEqual([100, 30_000]);
    expect(range(300, 600)).toEqual([1000, 10_000]);
    expect(range(600, 1000)).toEqual([5000, 30_000]);
    expect(slept[0]).toBeLessThanOrEqual(200);
  });

  it("tells the operator what to do about a pending key", async () => {
    await run([says("pending"), says("pending")]);
    const lines = logged.filter((line) => line.includes("msalt-key -a m1"));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(fingerOf(m1));
  });

  it("proves the token without sending it", async () => {
    await run([says("accepted")], { token: "s3cret-token" });
    const [request = new Uint8Array()] = requests;
    expect(Buffer.from(request).includes("s3cret")).toBe(false);
    expect(verifyEnrolRequest(request).provedWith(tokenKey("s3cret-token"))).toBe(true);
  });

  it("HS-15: follows a rotation of the master's keys forward only", async () => {
    savePin(temp.path, rotated(2).record);
    expect((await run([says("accepted"), says("accepted", rotated(3))]))?.number).toBe(3);
    expect(loadPin(temp.path)?.number).toBe(3);
  });

  it("ends without an answer when it is told to stop", async () => {
    const stop = new AbortController();
    stop.abort();
    expect(await run([says("accepted")], { signal: stop.signal })).toBeUndefined();
    expect(requests).toEqual([]);
  });
});

const ask = (port: number, signal = new AbortController().signal, timeoutMs = 5000): Promise<Uint8Array> =>
  askMaster({ host: "127.0.0.1", port, request: Buffer.from("question"), timeoutMs, signal });

describe("askMaster", () => {
  let server: Server;
  const serve = (onSocket: (socket: Socket) => void): Promise<number> =>
    new Promise((resolve) => {
      server = createServer((socket) => onSocket(socket.on("error", () => undefined)));
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
  afterEach(() => server.close());

  it("sends the question and gives the whole answer", async () => {
    const port = await serve((socket) => {
      socket.once("data", (data) => {
        socket.write(`answer to `);
        socket.end(data);
      });
    });
    expect(Buffer.from(await ask(port)).toString()).toBe("answer to question");
  });

  it.each([
    ["a connection closed without an answer", "ERR_MASTER_UNREACHABLE", (socket: Socket) => void socket.end()],
    ["a reset", "ERR_MASTER_UNREACHABLE", (socket: Socket) => void socket.once("data", () => socket.resetAndDestroy())],
    ["an endless answer", "ERR_WIRE_INVALID", (socket: Socket) => void socket.write(Buffer.alloc(100_000))],
  ])("refuses %s", async (_case, wanted, onSocket) => {
    await expect(ask(await serve(onSocket))).rejects.toThrow(code(wanted));
  });

  it("gives up on a silent peer", async () => {
    const port = await serve(() => undefined);
    await expect(ask(port, undefined, 50)).rejects.toThrow(code("ERR_TIMEOUT"));
  });

  it("says that nobody listens", async () => {
    const port = await serve(() => undefined);
    await new Promise((resolve) => server.close(resolve));
    await expect(ask(port)).rejects.toThrow(/ECONNREFUSED/);
  });

  it("ends when it is told to stop, before or while it asks", async () => {
    const stop = new AbortController();
    const port = await serve(() => stop.abort());
    await expect(ask(port, stop.signal)).rejects.toThrow(code("ERR_MASTER_UNREACHABLE"));
    await expect(ask(port, stop.signal)).rejects.toThrow(code("ERR_MASTER_UNREACHABLE"));
  });

  it("I9: leaves nothing behind on its signal", async () => {
    const { signal } = new AbortController();
    const port = await serve((socket) => void socket.end("answer"));
    await ask(port, signal);
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });
});
