import { encode } from "@msgpack/msgpack";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LocalClient } from "../../src/client/local.ts";
import { rawMinion, stillServing, unharmed } from "../support/attack.ts";
import { Bus } from "../support/bus.ts";
import { limits } from "../../src/wire/limits.ts";
import { until } from "../support/proc.ts";
import { minionLoads } from "../support/commands.ts";
import type { RawMinion } from "../support/raw-minion.ts";

const good: Record<string, Record<string, unknown>> = minionLoads;
const commands = Object.keys(good);
/** Commands of operators and of the master's own processes, names that every object has, and near misses. */
const names =
  "publish job.record job.list job.active minion.list event.fire master.stats key.list key.change key.token runner " +
  "calls keys enrol session link replies constructor __proto__ toString hasOwnProperty valueOf prototype then " +
  "HELLO job job. _return _auth";
const notACommand = [...names.split(" "), "", "hello ", "hello\0", 0, 1, null, true, [], {}, ["sync"]];

describe("requests of an accepted but hostile minion", () => {
  let bus: Bus;
  let raw: RawMinion;
  beforeAll(async () => {
    bus = await Bus.start({ minions: ["m1"] });
    raw = await rawMinion(bus, "raw");
  });
  afterAll(async () => {
    raw[Symbol.dispose]();
    await bus[Symbol.asyncDispose]();
  });

  const errorOf = async (load: Record<string, unknown>): Promise<string> => (await raw.ask(load))?.error ?? "none";
  const errorOfBytes = async (bytes: Uint8Array): Promise<string> => (await raw.askBytes(bytes))?.error ?? "none";

  it.each(commands)("EN-10: %s with a field missing, wrong, null, doubled or extra is E_SCHEMA", async (cmd) => {
    await unharmed(bus, async () => {
      const load = good[cmd] ?? {};
      const fields = Object.keys(load).filter((field) => field !== "cmd");
      const wrong: [string, Record<string, unknown>][] = [["extra", { ...load, surplus: 1 }]];
      for (const field of fields) {
        const { [field]: _, ...without } = load;
        wrong.push([`no ${field}`, without]);
        for (const value of [null, NaN, -1, 1.5, "", [], [1], () => undefined]) {
          if (typeof value === "function" || fits(cmd, field, value)) continue;
          wrong.push([`${field} = ${String(value)}`, { ...load, [field]: value }]);
        }
      }
      const codes: string[] = [];
      for (const [what, each] of wrong) codes.push(`${what}: ${await errorOf(each)}`);
      expect(codes).toEqual(wrong.map(([what]) => `${what}: E_SCHEMA`));
    });
  });

  it.each(commands)("EN-10: %s with a field twice or an integer over 2^53 is E_PARSE", async (cmd) => {
    const bytes = Buffer.from(encode(good[cmd]));
    const twice = Buffer.concat([Buffer.from([(bytes[0] ?? 0) + 1]), bytes.subarray(1), encode("cmd"), encode(cmd)]);
    expect(await errorOfBytes(twice)).toBe("E_PARSE");
    const huge = Buffer.from([0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0]);
    const over = Buffer.concat([Buffer.from([(bytes[0] ?? 0) + 1]), bytes.subarray(1), encode("n"), huge]);
    expect(await errorOfBytes(over)).toBe("E_PARSE");
  });

  it.each(["id", "minion", "minion_id", "user", "from", "key_id"])(
    "AZ-01: no command takes a field %s that names another",
    async (field) => {
      await unharmed(bus, async () => {
        for (const cmd of commands)
          expect([cmd, await errorOf({ ...good[cmd], [field]: "m1" })]).toEqual([cmd, "E_SCHEMA"]);
      });
    },
  );

  it("AZ-03, AZ-04: only the commands of minions are commands", async () => {
    await unharmed(bus, async () => {
      for (const cmd of notACommand) expect([cmd, await errorOf({ cmd })]).toEqual([cmd, "E_COMMAND"]);
      for (const body of [[], "sync", 7, null, {}]) expect(await errorOfBytes(encode(body))).toBe("E_COMMAND");
    });
  });

  const bombs: [string, Buffer][] = [
    ["nothing", Buffer.alloc(0)],
    [
      "17 levels",
      Buffer.concat([Buffer.from([0x81, 0xa3]), Buffer.from("cmd"), Buffer.alloc(17, 0x91), Buffer.from([0xc0])]),
    ],
    ["100,000 levels of arrays", Buffer.alloc(100_000, 0x91)],
    ["100,000 levels of maps", Buffer.alloc(100_000, 0x81)],
    ["100,000 empty arrays", Buffer.concat([Buffer.from([0xdd, 0, 0x01, 0x86, 0xa0]), Buffer.alloc(100_000, 0x90)])],
    ["an array of 2^32-1", Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff])],
    ["a map of 2^32-1", Buffer.from([0xdf, 0xff, 0xff, 0xff, 0xff])],
    ["a text of 2^32-1", Buffer.from([0xdb, 0xff, 0xff, 0xff, 0xff, 0x61])],
    ["a binary of 2^32-1", Buffer.from([0xc6, 0xff, 0xff, 0xff, 0xff, 0x61])],
    ["an ext type", Buffer.from([0xd4, 1, 1])],
    ["a timestamp", Buffer.from([0xd6, 0xff, 0, 0, 0, 1])],
    ["0xc1", Buffer.from([0xc1])],
    ["__proto__", Buffer.concat([Buffer.from([0x81, 0xa9]), Buffer.from("__proto__"), Buffer.from([0x80])])],
    ["text that is not UTF-8", Buffer.from([0xa1, 0xff])],
    ["a surrogate in UTF-8", Buffer.from([0xa3, 0xed, 0xa0, 0x80])],
    ["a trailing byte", Buffer.concat([encode({ cmd: "sync" }), Buffer.from([0xc0])])],
    ["a number as key", Buffer.from([0x81, 0x01, 0x01])],
    ["cut short", Buffer.from(encode({ cmd: "sync" })).subarray(0, 6)],
  ];
  it("EN-12: MessagePack that is deep, huge, cut or odd is E_PARSE", async () => {
    await unharmed(bus, async () => {
      for (const [what, body] of bombs) expect([what, await errorOfBytes(body)]).toEqual([what, "E_PARSE"]);
    });
  });

  it("EN-12: a body over the limit of its command is E_SIZE", async () => {
    await unharmed(bus, async () => {
      const pad = "x".repeat(100_000);
      expect(await errorOf({ cmd: "grains", grains: { pad } })).toBe("E_SIZE");
      expect(await errorOf({ cmd: "event", tag: "a", data: { pad } })).toBe("E_SIZE");
      expect(await errorOf({ cmd: "sync", pad })).toBe("E_SIZE");
      const publish = { cmd: "peer.publish", tgt: "*", tgt_type: "glob", fun: "test.echo", timeout: 1000 };
      expect(await errorOf({ ...publish, arg: ["x".repeat(limits.partBytes)] })).toBe("E_SIZE");
    });
  });

  it.each([
    "",
    "2026",
    "2026010100000000000",
    "202601010000000000000",
    "2026010100000000000a",
    "../../../../etc/passwd",
    "２０２６0101000000000000",
    20_260_101,
    null,
    ["20260101000000000000"],
  ])("FA-05: %j is no jid", async (bad) => {
    for (const cmd of ["job.start", "job.return"]) expect(await errorOf({ ...good[cmd], jid: bad })).toBe("E_SCHEMA");
    expect(await errorOf({ ...good["heartbeat"], running: [bad] })).toBe("E_SCHEMA");
  });

  it("EN-03: identical bytes have their effect once", async () => {
    const client = await LocalClient.connect(bus.sockDir);
    const seen: string[] = [];
    await client.subscribe("salt/minion/raw/", ({ tag }) => seen.push(tag));
    const frame = raw.frame(encode({ cmd: "event", tag: "once", data: {} }));
    for (let i = 0; i < 5; i += 1) await raw.sendFrames(frame);
    // Another worker may be faster with what comes after it, and then it is stale.
    await until("the first event", () => seen.includes("salt/minion/raw/once"));
    const counted = raw.frame(encode({ cmd: "event", tag: "last", data: {} }));
    await until("the last event", async () => {
      await raw.sendFrames(counted);
      return seen.includes("salt/minion/raw/last");
    });
    raw.connect(bus.ports);
    for (let i = 0; i < 5; i += 1) await raw.sendFrames(frame);
    await raw.online();
    expect(seen.filter((tag) => tag.endsWith("/once"))).toHaveLength(1);
    expect(seen.filter((tag) => tag.endsWith("/last"))).toHaveLength(1);
    client.close();
    await stillServing(bus);
  });

  it.each(["hello", "grains", "heartbeat", "event"])(
    "EN-04: %s that is older than one seen is E_STALE",
    async (cmd) => {
      await raw.online();
      const body = encode(good[cmd]);
      const now = (raw.counter += 10);
      expect((await raw.askBytes(body, 10_000, now))?.error).toBeUndefined();
      for (const counter of [now, now - 1, 0])
        expect((await raw.askBytes(body, 10_000, counter))?.error).toBe("E_STALE");
      expect((await raw.askBytes(body, 10_000, (raw.counter += 1)))?.error).toBeUndefined();
      await raw.online();
      await stillServing(bus);
    },
  );

  it("EN-10: a topic that is not the live one is not known", async () => {
    await raw.online();
    expect((await raw.ask({ cmd: "heartbeat", running: [], topic: Buffer.alloc(16), count: 0 }))?.ok).toMatchObject({
      known: false,
    });
    expect((await raw.ask({ cmd: "heartbeat", running: [], topic: raw.topic, count: 0 }))?.ok).toMatchObject({
      known: true,
    });
  });
});

/** Values from the list of wrong ones that are right for this field. */
function fits(cmd: string, field: string, value: unknown): boolean {
  if (field === "running" || field === "remove") return Array.isArray(value) && value.length === 0;
  if (field === "arg") return Array.isArray(value);
  if (["version", "path", "after", "tgt"].includes(field) || (field === "fun" && cmd === "job.return"))
    return typeof value === "string";
  return cmd === "grains" && typeof value === "function";
}
