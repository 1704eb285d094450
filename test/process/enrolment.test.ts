import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type nacl from "tweetnacl";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LocalClient } from "../../src/client/local.ts";
import { hashTree, stillServing, unharmed } from "../support/attack.ts";
import { Bus } from "../support/bus.ts";
import { until } from "../support/proc.ts";
import { FaultyPath } from "../support/faulty-path.ts";
import { RawMinion, exchange, readRecord } from "../support/raw-minion.ts";

const none = new Uint8Array(32);
const pair = (publicKey: Uint8Array): nacl.BoxKeyPair => ({ publicKey, secretKey: none });
const hex = (text: string): Buffer => Buffer.from(text, "hex");
const lowOrder: [string, Buffer][] = [
  ["zero", Buffer.alloc(32)],
  ["one", Buffer.concat([Buffer.from([1]), Buffer.alloc(31)])],
  ["of order 8", hex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")],
  ["of order 8, the other", hex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157")],
  ["p - 1", hex(`ec${"ff".repeat(30)}7f`)],
  ["p, which is zero", hex(`ed${"ff".repeat(30)}7f`)],
  ["p + 1, which is one", hex(`ee${"ff".repeat(30)}7f`)],
];

describe("attacks on the enrolment port", () => {
  let bus: Bus;
  let port = 0;
  beforeAll(async () => {
    bus = await Bus.start({ minions: [], autoAccept: false });
    port = bus.ports["enroll_port"] ?? 0;
    await bus.startMinion("m1", false);
    await until("m1 pends", async () => (await bus.key("-l", "pre")).stdout.includes("m1"));
    await bus.key("-y", "-a", "m1");
    await bus.minion("m1").says("msalt-minion ready");
  });
  afterAll(() => bus[Symbol.asyncDispose]());

  async function keyIds(state: "accepted" | "pending" | "rejected" | "denied"): Promise<string[]> {
    const client = await LocalClient.connect(bus.sockDir);
    const list = await client.call("key.list", {});
    client.close();
    return list[state].map(({ id }) => id);
  }
  const remove = (id: string): Promise<unknown> => bus.key("-y", "-d", id);

  const badIds: [string, string | Buffer][] = [
    ...["", ".", "..", "../m1", "a/../../b", "a/b", "a\\b", "/etc/passwd", "a..b", ".hidden", "-rf", "a b"].map(
      (id): [string, string] => [JSON.stringify(id), id],
    ),
    ...["a.", "_a", "a\nb", "a\0b", "*", "m?", "a,b", "a@b", "a:b", "$(id)", "{{a}}"].map((id): [string, string] => [
      JSON.stringify(id),
      id,
    ]),
    ["a Cyrillic m1", "м1"],
    ["full width digits", "m１"],
    ["a letter that reads backwards", "m\u202e1"],
    ["129 bytes", "x".repeat(129)],
    ["bytes that are not UTF-8", Buffer.from([0xff, 0xfe])],
  ];
  it("HS-03: ids that could be paths, patterns, commands or look-alikes are dropped without an answer", async () => {
    await unharmed(bus, async () => {
      for (const [what, id] of badIds) {
        const raw = new RawMinion("x");
        expect([what, await raw.enrol(port, { record: raw.record(1, Buffer.from(id)) })]).toEqual([what, undefined]);
      }
    });
  });

  it("HS-03: an id that differs from another only in case is denied", async () => {
    await unharmed(bus, async () => expect(await new RawMinion("M1").enrol(port)).toBe(4));
  });

  it("HS-04: keys of low order and keys that are not canonical are refused", async () => {
    await unharmed(bus, async () => {
      for (const [what, key] of lowOrder) {
        for (const kind of ["box", "curve"] as const) {
          const answer = await new RawMinion("weak", { [kind]: pair(key) }).enrol(port);
          expect([what, kind, answer]).toEqual([what, kind, undefined]);
        }
        const raw = new RawMinion("weak");
        const record = raw.record();
        key.copy(record, record.length - 160);
        expect([what, "sign", await raw.enrol(port, { record })]).toEqual([what, "sign", undefined]);
      }
    });
  });

  it.each(["box", "curve"] as const)(
    "HS-06: m1's %s key under another id is refused; deleting the newcomer leaves m1",
    async (kind) => {
      const words = readFileSync(join(bus.pki, "m1", "minion.pub"), "utf8").split(" ");
      const theirs = readRecord(Buffer.from(words[3] ?? "", "base64"));
      expect(theirs.id).toBe("m1");
      await unharmed(bus, async () =>
        expect(await new RawMinion("thief", { [kind]: pair(theirs[kind]) }).enrol(port)).toBe(4),
      );
      expect(await bus.key("-y", "-d", "thief")).toMatchObject({ code: 1 });
      expect(bus.minion("m1").stderr).not.toContain("no link");
    },
  );

  it("HS-06: another key under m1's id is denied, and deleting it leaves m1", async () => {
    const raw = new RawMinion("m1");
    expect(await raw.enrol(port)).toBe(4);
    expect(await keyIds("denied")).toEqual(["m1"]);
    await stillServing(bus);
    expect(await bus.key("-y", "-d", raw.fingerprint)).toMatchObject({ code: 0 });
    expect([await keyIds("accepted"), await keyIds("denied")]).toEqual([["m1"], []]);
    await stillServing(bus);
    expect(bus.minion("m1").stderr).not.toContain("no link");
  });

  it("HS-06: a request that its own key did not sign, or for another master, gets no answer", async () => {
    await unharmed(bus, async () => {
      const raw = new RawMinion("x");
      expect(await raw.enrol(port, { record: new RawMinion("x").record() })).toBeUndefined();
      expect(await raw.enrol(port, { pin: Buffer.alloc(32, 1) })).toBeUndefined();
      const request = raw.enrolRequest();
      const bad = [0, 4, 5, 100, request.length - 1].map((size) => request.subarray(0, size));
      for (let at = 0; at < request.length; at += 7) {
        const flipped = Buffer.from(request);
        flipped[at] = (flipped[at] ?? 0) ^ 1;
        bad.push(flipped);
      }
      const answers = await Promise.all(bad.map((bytes) => exchange(port, bytes)));
      expect(answers.map(({ length }) => length)).toEqual(bad.map(() => 0));
      expect(await exchange(port, Buffer.concat([request, Buffer.alloc(1)]))).toHaveLength(0);
    });
  });

  it("HS-10: an enrolment that is played back accepts nothing: not while pending, not later, not after a deletion", async () => {
    const raw = new RawMinion("played");
    const recorded = raw.enrolRequest();
    const replay = async (times: number): Promise<number[]> => {
      const states = new Set<number>();
      for (let i = 0; i < times; i += 1) states.add((await exchange(port, recorded))[3] ?? 0);
      return [...states];
    };
    expect(await replay(20)).toEqual([1]);
    expect(await keyIds("pending")).toEqual(["played"]);
    await bus.key("-y", "-a", "played");
    expect(await replay(5)).toEqual([2]);
    await remove("played");
    expect(await replay(5)).toEqual([1]);
    expect([await keyIds("accepted"), await keyIds("pending")]).toEqual([["m1"], ["played"]]);
    expect((await bus.key("-L")).stderr).toContain("played was deleted before");
    await remove("played");
  });

  it("HS-10, HS-18: an enrolment with a token that is played back after a deletion does not accept the key again", async () => {
    const token = (await bus.key("--token")).stdout.trim();
    const raw = new RawMinion("once");
    const recorded = raw.enrolRequest({ token });
    expect((await exchange(port, recorded))[3]).toBe(2);
    await remove("once");
    expect((await exchange(port, recorded))[3]).toBe(1);
    // The proof is over the record: a watcher cannot use it for keys of its own.
    const second = (await bus.key("--token")).stdout.trim();
    const victim = new RawMinion("victim").enrolRequest({ token: second });
    const thief = new RawMinion("victim");
    const stolen = thief.enrolRequest();
    victim.copy(stolen, stolen.length - 96, victim.length - 96, victim.length - 64);
    expect((await exchange(port, stolen)).length).toBe(0);
    expect((await exchange(port, victim))[3]).toBe(2);
    await remove("once,victim");
  });

  it("RX-04: one id holds three pending keys at most", async () => {
    const states: (number | undefined)[] = [];
    for (let i = 0; i < 6; i += 1) states.push(await new RawMinion("crowd").enrol(port));
    expect(states).toEqual([1, 1, 1, undefined, undefined, undefined]);
    await remove("crowd");
    await stillServing(bus);
  });

  it("RX-05: silent and slow connections are closed and keep nobody out", async () => {
    await unharmed(bus, async () => {
      const request = new RawMinion("slow").enrolRequest();
      const slow = Array.from({ length: 60 }, (_, i) => exchange(port, request.subarray(0, i), 10_000));
      expect((await Promise.all(slow)).every(({ length }) => length === 0)).toBe(true);
    });
  });

  it("HS-08: an answer of the master that was changed on the way is ignored, whatever was changed", async () => {
    const before = hashTree(join(bus.pki, "m1"));
    let old: Buffer | undefined;
    // Offsets into the reply: state, box key, curve key, signature.
    const changes = [3, 75, 110, 230];
    await using path = await FaultyPath.to(port);
    path.alter = (answer, connection) => {
      old ??= Buffer.from(answer);
      const at = changes[connection];
      if (at === undefined) return old;
      const altered = Buffer.from(answer);
      altered[at] = at === 3 ? 2 : (altered[at] ?? 0) ^ 1;
      return altered;
    };
    const direct = bus.ports;
    bus.ports = { ...direct, enroll_port: path.port };
    const minion = await bus.startMinion("m2", false);
    bus.ports = direct;
    await until("every change and an old answer", () => path.connections > changes.length, 60_000);
    await until("it is said", () => minion.stderr.includes("ignored an answer on the enrolment port"));
    expect(minion.stderr).not.toMatch(/has accepted|pinning/);
    expect(existsSync(join(bus.pki, "m2", "minion_master.pub"))).toBe(false);
    expect(minion.alive).toBe(true);
    await minion.stop("SIGKILL");
    await remove("m2");
    expect(hashTree(join(bus.pki, "m1"))).toEqual(before);
    await stillServing(bus);
  });
});
