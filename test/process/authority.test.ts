import { encode } from "@msgpack/msgpack";
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { XSubscriber } from "zeromq";
import { LocalClient } from "../../src/client/local.ts";
import type { BusEvent } from "../../src/wire/local.ts";
import { online, rawMinion, stillServing, unharmed } from "../support/attack.ts";
import { Bus } from "../support/bus.ts";
import { until } from "../support/proc.ts";
import { RawMinion, exchange, z85 } from "../support/raw-minion.ts";

describe("a hostile minion and what belongs to others", () => {
  let bus: Bus;
  let raw: RawMinion;
  let client: LocalClient;
  const events: BusEvent[] = [];
  beforeAll(async () => {
    bus = await Bus.start({ minions: ["m1"] });
    raw = await rawMinion(bus, "raw");
    client = await LocalClient.connect(bus.sockDir);
    await client.subscribe("", (event) => events.push(event));
  });
  afterAll(async () => {
    client.close();
    raw[Symbol.dispose]();
    await bus[Symbol.asyncDispose]();
  });

  it("AZ-06: neither the empty prefix nor any other brings a frame that is not its own", async () => {
    await using second = {
      raw: await rawMinion(bus, "second"),
      [Symbol.asyncDispose]: async () => second.raw[Symbol.dispose](),
    };
    const listener = second.raw;
    const live = raw.topic;
    await raw.online();
    const own = listener.frames.length;
    // `live` is dead by now: a new hello has replaced it. raw.topic is live and another minion's.
    listener.subscribe(Buffer.alloc(0));
    for (let byte = 0; byte < 256; byte += 1) listener.subscribe(Buffer.from([byte]));
    listener.subscribe(live);
    listener.subscribe(raw.topic.subarray(0, 15));
    await unharmed(bus, async () => undefined);
    const before = raw.frames.length;
    const jid = await bus.submit("raw", "cmd.run", "secret");
    await until("the target has its order", () =>
      raw.frames.slice(before).some((frame) => raw.openOrder(frame)?.jid === jid),
    );
    await listener.ask({ cmd: "sync" });
    expect(listener.frames.slice(own)).toEqual([]);
    // Left open it would expire, and that in the middle of what is to change nothing.
    expect((await raw.ask(raw.result(jid, "done")))?.ok).toMatchObject({ stored: true });
  });

  it("HS-10: where keys are accepted as they come, a deleted one is not", async () => {
    const revoked = new RawMinion("revoked");
    const port = bus.ports["enroll_port"] ?? 0;
    const recorded = revoked.enrolRequest();
    expect((await exchange(port, recorded))[3]).toBe(2);
    expect(await bus.key("-y", "-d", "revoked")).toMatchObject({ code: 0 });
    expect((await exchange(port, recorded))[3]).toBe(1);
    expect(await revoked.enrol(port)).toBe(1);
    expect((await bus.key("-L")).stderr).toContain("revoked was deleted before");
    await bus.key("-y", "-d", "revoked");
    await stillServing(bus);
  });

  it("HS-15: a minion that changes its box and curve keys goes on; its old ones, and a successor that it did not sign, are refused", async () => {
    const port = bus.ports["enroll_port"] ?? 0;
    const old = await rawMinion(bus, "turned");
    const next = new RawMinion("turned", { sign: old.sign });
    expect(await next.enrol(port, { record: next.record(2) })).toBe(2);
    await online(bus, next);
    expect((await next.ask({ cmd: "sync" }))?.ok).toBeDefined();
    expect(await old.ask({ cmd: "sync" }, 1000)).toBeUndefined();
    expect(await new RawMinion("turned").enrol(port, { record: new RawMinion("turned").record(3) })).not.toBe(2);
    await old.enrol(port);
    old.connect(bus.ports);
    expect(await old.ask({ cmd: "sync" }, 1000)).toBeUndefined();
    const jid = await bus.submit("turned", "test.ping");
    expect((await next.ask(next.result(jid, "by the new key")))?.ok).toMatchObject({ stored: true });
    for (const each of [old, next]) each[Symbol.dispose]();
    await bus.key("-y", "-d", "turned");
    await stillServing(bus);
  });

  it("AZ-04: what a minion sends up the publish port changes nothing", async () => {
    await using second = {
      raw: await rawMinion(bus, "noisy"),
      [Symbol.asyncDispose]: async () => second.raw[Symbol.dispose](),
    };
    const { curve, master } = second.raw;
    await unharmed(bus, async () => {
      const upstream = new XSubscriber({
        curveServerKey: z85(master?.curve ?? Buffer.alloc(32)),
        curvePublicKey: z85(curve.publicKey),
        curveSecretKey: z85(curve.secretKey),
        linger: 0,
      });
      upstream.connect(`tcp://127.0.0.1:${bus.ports["publish_port"]}`);
      for (const first of [0, 1, 2, 0x6d]) {
        for (const size of [0, 1, 16, 4095])
          await upstream.send(Buffer.concat([Buffer.from([first]), Buffer.alloc(size, 0x6d)]));
      }
      await upstream.send([raw.frame(encode({ cmd: "event", tag: "upstream", data: {} })), Buffer.alloc(10)]);
      await upstream.send(Buffer.alloc(100_000, 1));
      await second.raw.ask({ cmd: "sync" });
      upstream.close();
    });
    expect(events.filter(({ tag }) => tag.endsWith("/upstream"))).toEqual([]);
  });

  it("AZ-07: returns, starts, output and running jobs of another minion are E_NOT_TARGETED and change nothing", async () => {
    const running = await bus.submit("m1", "cmd.run", "sleep 600");
    await bus.msalt("m1", "test.ping");
    const listed = JSON.parse((await bus.run("jobs.list_jobs", "--out=json")).stdout) as Record<
      string,
      { Function: string }
    >;
    const ended = Object.keys(listed).findLast((each) => listed[each]?.Function === "test.ping") ?? "";
    await unharmed(bus, async () => {
      for (const jid of [running, ended, "20000101000000000000", "29990101000000000000"]) {
        expect([jid, (await raw.ask(raw.result(jid, "forged")))?.error]).toEqual([jid, "E_NOT_TARGETED"]);
        const part = { ...raw.result(jid, "forged"), total: 8_000_000 };
        expect([jid, (await raw.ask(part))?.error]).toEqual([jid, "E_NOT_TARGETED"]);
        expect([jid, (await raw.ask({ cmd: "job.start", jid, count: 0 }))?.error]).toEqual([jid, "E_NOT_TARGETED"]);
        const output = { cmd: "job.output", jid, offset: 0, data: Buffer.from("forged") };
        expect([jid, (await raw.ask(output))?.error]).toEqual([jid, "E_NOT_TARGETED"]);
        expect(
          (await raw.ask({ cmd: "heartbeat", running: [jid], topic: raw.topic, count: 0 }))?.error,
        ).toBeUndefined();
      }
    });
    expect((await bus.run("jobs.active")).stdout).toContain(running);
    expect((await bus.run("jobs.lookup", ended)).stdout).not.toContain("forged");
    await bus.msalt("m1", "saltutil.kill_job", running);
  });

  it("PF-07: a result sent again is stored once; another one for the same job does not replace it", async () => {
    const jid = await bus.submit("raw", "test.ping");
    for (let i = 0; i < 50; i += 1)
      expect((await raw.ask(raw.result(jid, "first")))?.ok).toMatchObject({ stored: true });
    for (let i = 0; i < 50; i += 1) await raw.ask(raw.result(jid, `second ${i}`));
    expect(await bus.lookup(jid)).toEqual({ raw: "first" });
    const told = (): BusEvent[] => events.filter(({ tag }) => tag === `salt/job/${jid}/ret/raw`);
    await until("its event", () => told().length > 0);
    expect(told()).toHaveLength(1);
    await stillServing(bus);
  });

  it("EN-10: a result whose hash, size or encoding is wrong is not stored", async () => {
    const jid = await bus.submit("raw", "test.ping");
    const load = raw.result(jid, "value");
    const odd = Buffer.from([0xc1]);
    const wrong: Record<string, unknown>[] = [
      { sha256: Buffer.alloc(32) },
      { total: 3 },
      { offset: 1 },
      { total: 1 },
      { data: odd, total: 1, sha256: createHash("sha256").update(odd).digest() },
    ];
    for (const change of wrong) {
      const reply = await raw.ask({ ...load, ...change });
      expect([Object.keys(change), reply?.ok?.["stored"] ?? false]).toEqual([Object.keys(change), false]);
    }
    expect((await raw.ask(load))?.ok).toMatchObject({ stored: true });
    expect(await bus.lookup(jid)).toEqual({ raw: "value" });
  });

  it.each([
    "salt/key/m1",
    "salt/auth",
    "salt/job/20260101000000000000/ret/m1",
    "salt/minion/m1/start",
    "/salt/minion/m1/start",
    "salt/minion/raw",
    "salt/presence/change",
  ])("AZ-08: an event tagged %s comes out under the minion's own name", async (tag) => {
    const from = events.length;
    expect((await raw.ask({ cmd: "event", tag, data: { forged: tag } }))?.ok).toBeDefined();
    await until("the event", () => events.slice(from).some(({ data }) => JSON.stringify(data).includes("forged")));
    const found = events.slice(from).filter(({ data }) => JSON.stringify(data).includes("forged"));
    expect(found.map((event) => event.tag)).toEqual([`salt/minion/raw/${tag.replace(/^\/+/, "")}`]);
    expect(found[0]?.data["id"]).toBe("raw");
  });

  it.each([
    ["two dots", ".."],
    ["two dots inside", "a/../b"],
    ["a way to another minion", "../m1/start"],
    ["a space", "a b"],
    ["a line break", "a\nb"],
    ["a control sequence", "a\u001bb"],
    ["nothing", ""],
    ["4 KiB", "x".repeat(4096)],
    ["a letter that is not ASCII", "ä"],
  ])("AZ-08: %s is no tag", async (_, tag) => {
    const from = events.length;
    expect((await raw.ask({ cmd: "event", tag, data: { forged: true } }))?.error).toMatch(/^E_S(CHEMA|IZE)$/);
    await raw.ask({ cmd: "sync" });
    expect(events.slice(from).filter(({ data }) => JSON.stringify(data).includes("forged"))).toEqual([]);
  });

  const hostile = {
    template: "{{ 7*7 }} ${7*7} $(id) `id`",
    screen: "a\u001b[31mred\u001b]52;c;aGk=\u0007\rover\u0008\u009b2J\u202eevil",
    page: "<script>alert(1)</script><img src=x onerror=alert(1)>",
    constructor: "x",
  };

  it("AZ-09: hostile text in a result is shown as text, in every format", async () => {
    // It has no heartbeats: after a while without a word it is not connected.
    await online(bus, raw);
    for (const out of ["nested", "txt", "yaml", "json"]) {
      const call = bus.spawn("msalt", "raw", "test.ping", `--out=${out}`);
      const jid = await nextJob();
      await raw.ask(raw.result(jid, hostile));
      const { stdout } = await call.exit;
      expect([out, stdout]).toEqual([out, expect.stringContaining("{{ 7*7 }} ${7*7} $(id) `id`")]);
      expect([out, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/.test(stdout)]).toEqual([
        out,
        false,
      ]);
    }
    await stillServing(bus);
  });

  it("AZ-09: a result with __proto__ is refused, or kept as plain data", async () => {
    const jid = await bus.submit("raw", "test.ping");
    const data = Buffer.concat([Buffer.from([0x81, 0xa9]), Buffer.from("__proto__"), encode({ polluted: true })]);
    const sha256 = createHash("sha256").update(data).digest();
    expect((await raw.ask({ ...raw.result(jid, 0), data, total: data.length, sha256 }))?.error).toBe("E_SCHEMA");
    await raw.ask(raw.result(jid, "gone"));
    await stillServing(bus);
  });

  it.each([
    ["one after the other", [0, 2]],
    ["the last one first", [2, 0]],
  ])("AZ-09: parts of a result, %s, are together held to the same", async (_order, offsets) => {
    const jid = await bus.submit("raw", "test.ping");
    const odd = Buffer.concat([Buffer.from([0x81, 0xa9]), Buffer.from("__proto__"), encode({ polluted: true })]);
    const answers = async (data: Buffer, sha256: Buffer): Promise<unknown[]> => {
      const all: unknown[] = [];
      for (const offset of offsets) {
        const part = { offset, total: data.length, sha256, data: data.subarray(offset, offset === 0 ? 2 : undefined) };
        const answer = await raw.ask({ ...raw.result(jid, 0), ...part });
        all.push(answer?.error ?? answer?.ok);
      }
      return all;
    };
    const firstHave = offsets[0] === 0 ? 2 : 0;
    expect(await answers(odd, createHash("sha256").update(odd).digest())).toEqual([
      { have: firstHave, stored: false },
      "E_SCHEMA",
    ]);
    const good = Buffer.from(encode("kept"));
    expect(await answers(good, Buffer.alloc(32))).toEqual([
      { have: firstHave, stored: false },
      { have: 0, stored: false },
    ]);
    expect(await answers(good, createHash("sha256").update(good).digest())).toEqual([
      { have: firstHave, stored: false },
      { have: good.length, stored: true },
    ]);
    expect(await bus.lookup(jid)).toEqual({ raw: "kept" });
  });

  it("AZ-09: hostile grains and events are data", async () => {
    expect((await raw.ask({ cmd: "grains", grains: hostile }))?.ok).toBeDefined();
    expect((await raw.ask({ cmd: "event", tag: "hostile", data: hostile }))?.ok).toBeDefined();
    await stillServing(bus);
  });

  it("RX-01: 1,000 requests that cannot be decoded leave every process alive", async () => {
    await unharmed(bus, async () => {
      const bad = Array.from({ length: 1000 }, (_, i) => raw.askBytes(Buffer.alloc(1 + (i % 100), 0xc1), 20_000));
      expect(new Set((await Promise.all(bad)).map((reply) => reply?.error))).toEqual(new Set(["E_PARSE"]));
    });
  });

  /** The jid of the next order that reaches the raw minion. */
  async function nextJob(): Promise<string> {
    const from = raw.frames.length;
    await until("an order", () => raw.frames.length > from);
    return raw.openOrder(raw.frames[from] ?? Buffer.alloc(0))?.jid ?? "";
  }
});
