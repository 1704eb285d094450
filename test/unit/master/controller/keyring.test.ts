import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { verifyEnrolReply } from "../../../../src/crypto/enrolment.ts";
import { makeKeyRecord } from "../../../../src/crypto/keys.ts";
import { fingerprintOf } from "../../../../src/crypto/primitives.ts";
import { type KeyChange, Keyring, type KeyringOptions } from "../../../../src/master/controller/keyring.ts";
import type { MinionId } from "../../../../src/wire/ids.ts";
import type { KeyRecord } from "../../../../src/wire/key-record.ts";
import { type KeyName, parseKeyReply } from "../../../../src/wire/keys.ts";
import { limits } from "../../../../src/wire/limits.ts";
import { type Host, fixedKeys, flip, host, tempFolder } from "../../../support/keys.ts";

// Making a thousand keys would take ten seconds.
vi.mock("../../../../src/wire/limits.ts", async (load) => {
  const real = await load<{ limits: object }>();
  return { limits: { ...real.limits, pendingKeys: 20 } };
});

const master = host("master", "master", "master");
const m1 = host("m1");
const start = 1_800_000_000_000;

class Bench {
  readonly temp = tempFolder();
  now = start;
  logged: string[] = [];
  changes: string[] = [];
  ring: Keyring;

  constructor(options: Partial<KeyringOptions> = {}) {
    this.ring = this.open(options);
  }

  /** A master that starts on what is on disk. */
  open(options: Partial<KeyringOptions> = {}): Keyring {
    const note = (message: string): void => void this.logged.push(message);
    this.ring = new Keyring({
      dir: this.temp.path,
      signer: master.signer,
      record: master.record,
      autoAccept: false,
      now: () => this.now,
      log: { info: note, warn: note },
      ...options,
    });
    this.ring.onChange(({ act, id, keyId }: KeyChange) => this.changes.push(`${act} ${id} ${keyId.slice(0, 4)}`));
    return this.ring;
  }

  /** The state in the signed answer; undefined when there is none. Never out of signatures. */
  ask(from: Host, options: Parameters<Host["request"]>[0] = {}): string | undefined {
    return this.send(from.request(options));
  }

  send(request: Uint8Array): string | undefined {
    this.now += 1000;
    const reply = this.ring.enrol(request, "192.0.2.1");
    return reply && verifyEnrolReply(reply, request).state;
  }

  /** `state id` of everything, with `*` when it was deleted before. */
  listed(): string[] {
    const { accepted, denied, pending, rejected } = parseKeyReply("key.list", { ...this.ring.list(), local: "" });
    return Object.entries({ accepted, denied, pending, rejected }).flatMap(([state, keys]) =>
      keys.map(({ id, deletedBefore }) => `${state} ${id}${deletedBefore === true ? " *" : ""}`),
    );
  }
}

const name = (of: Host, id = of.record.id): KeyName => ({ id: id as MinionId, fingerprint: of.fingerprint });
const change = (act: string, of: Host): string => `${act} ${of.record.id} ${of.keyId.slice(0, 4)}`;
const rotated = (of: Host, number: number, keys = "rotated"): KeyRecord =>
  makeKeyRecord("minion", of.record.id, { ...fixedKeys(keys), sign: of.keys.sign }, number);

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
});
afterEach(() => bench.temp[Symbol.dispose]());

describe("enrol", () => {
  it("puts an unknown key among the pending, once, and keeps it over a restart", () => {
    expect([bench.ask(m1), bench.ask(m1)]).toEqual(["pending", "pending"]);
    expect(bench.changes).toEqual([change("pend", m1)]);
    bench.open();
    expect(bench.listed()).toEqual(["pending m1"]);
    expect(bench.ask(m1)).toBe("pending");
    expect(bench.ring.accepted().size).toBe(0);
  });

  it("I7: answers by the operator's acts and nothing else", () => {
    bench.ask(m1);
    expect(bench.ring.byKeyId(m1.keyId)).toBeUndefined();
    bench.ring.accept([name(m1)]);
    expect(bench.ask(m1)).toBe("accepted");
    expect(bench.ring.byKeyId(m1.keyId)).toMatchObject({ id: "m1" });
    bench.ring.reject([name(m1)]);
    expect(bench.ask(m1)).toBe("rejected");
    expect(bench.ring.byKeyId(m1.keyId)).toBeUndefined();
    bench.ring.delete([name(m1)]);
    expect(bench.ask(m1)).toBe("pending");
    expect(bench.changes.map((text) => text.split(" ")[0])).toEqual(["pend", "accept", "reject", "delete", "pend"]);
  });

  it("denies another key of an accepted id, and lets it wait again once that id is free", () => {
    const thief = host("m1", "thief");
    bench.ask(m1);
    bench.ring.accept([name(m1)]);
    expect(bench.ask(thief)).toBe("denied");
    expect(bench.ask(thief)).toBe("denied");
    expect(bench.listed()).toEqual(["accepted m1", "denied m1"]);
    bench.ring.delete([name(thief)]);
    expect(bench.ask(m1)).toBe("accepted");
    bench.ask(thief);
    bench.ring.delete([name(m1)]);
    expect(bench.ask(thief)).toBe("pending");
    expect(bench.changes.filter((text) => text === change("denied", thief))).toHaveLength(2);
  });

  it("W8: lets three keys wait for one id, not four, and denies the rest once one is accepted", () => {
    const candidates = ["a", "b", "c", "d"].map((keys) => host("m1", keys));
    expect(candidates.map((candidate) => bench.ask(candidate))).toEqual(["pending", "pending", "pending", undefined]);
    const [a, b, c, d] = candidates as [Host, Host, Host, Host];
    bench.ring.accept([name(b)]);
    expect(bench.listed()).toEqual(["accepted m1", "denied m1", "denied m1"]);
    expect([a, b, c, d].map((candidate) => bench.ask(candidate))).toEqual(["denied", "accepted", "denied", "denied"]);
  });

  it("P7: holds a bounded number of pending keys", () => {
    for (let n = 0; n < limits.pendingKeys; n += 1) expect(bench.ask(host(`x${n}`))).toBe("pending");
    expect(bench.ask(m1)).toBeUndefined();
    expect(bench.ask(host("x1", "other key"))).toBeUndefined();
    expect(bench.ask(host("x1"))).toBe("pending");
    expect(readdirSync(join(bench.temp.path, "minions_pre"))).toHaveLength(limits.pendingKeys);
    const { token } = bench.ring.token(3_600_000);
    expect(bench.ask(m1, { token })).toBe("accepted");
  });

  it.each([
    ["box", (): KeyRecord => makeKeyRecord("minion", "m2", { ...fixedKeys("m2"), box: m1.keys.box }, 1)],
    ["curve", (): KeyRecord => makeKeyRecord("minion", "m2", { ...fixedKeys("m2"), curve: m1.keys.curve }, 1)],
    ["curve as box", (): KeyRecord => makeKeyRecord("minion", "m2", { ...fixedKeys("m2"), box: m1.keys.curve }, 1)],
  ])("HS-06: refuses m1's %s key under another id", (_kind, record) => {
    bench.ask(m1);
    bench.ring.accept([name(m1)]);
    expect(bench.ask(host("m2"), { record: record() })).toBe("denied");
    expect(bench.listed()).toEqual(["accepted m1"]);
  });

  it("HS-06: refuses m1's sign key under another id", () => {
    bench.ask(m1);
    expect(bench.send(host("m2", "m1").request())).toBe("denied");
    expect(bench.listed()).toEqual(["pending m1"]);
  });

  it("HS-03: refuses an id that differs only in case", () => {
    bench.ask(host("web1"));
    expect(bench.ask(host("Web1"))).toBe("denied");
    expect(bench.listed()).toEqual(["pending web1"]);
  });

  it.each(["../evil", "a/b", "a..b", ".hidden", "a\0b", "wéb1", "-a", "a "])("HS-03: drops the id %j", (id) => {
    expect(bench.ask(host(id, "any"))).toBeUndefined();
    expect(bench.listed()).toEqual([]);
    expect(readdirSync(bench.temp.path).toSorted()).toEqual([
      "deleted",
      "minions",
      "minions_denied",
      "minions_pre",
      "minions_rejected",
      "tokens",
    ]);
  });

  it("HS-07: does not answer a minion that insists on another master", () => {
    expect(bench.ask(m1, { pin: fingerprintOf(host("x").record.sign) })).toBeUndefined();
    expect(bench.listed()).toEqual([]);
    expect(bench.ask(m1, { pin: fingerprintOf(master.record.sign) })).toBe("pending");
  });

  it("does not answer bytes that are no good request, and stays up", () => {
    const request = m1.request();
    for (let at = 0; at < request.length; at += 7) expect(bench.send(flip(request, at))).toBeUndefined();
    expect(bench.listed()).toEqual([]);
  });

  it("HS-15: follows a rotation of an accepted minion forward only", () => {
    bench.ask(m1);
    bench.ring.accept([name(m1)]);
    expect(bench.ask(m1, { record: rotated(m1, 3) })).toBe("accepted");
    expect(bench.ring.byKeyId(m1.keyId)?.record.box).toEqual(rotated(m1, 3).box);
    expect(bench.changes.at(-1)).toBe(change("accept", m1));
    const before = bench.changes.length;
    for (const old of [m1.record, rotated(m1, 2), rotated(m1, 3, "twin")])
      expect(bench.ask(m1, { record: old })).toBe("denied");
    expect(bench.ring.byKeyId(m1.keyId)?.record.number).toBe(3);
    expect(bench.changes).toHaveLength(before);
    bench.open();
    expect(bench.ring.byKeyId(m1.keyId)?.record.box).toEqual(rotated(m1, 3).box);
  });

  it("HS-06: refuses a rotation to a key that belongs to another minion", () => {
    for (const each of [m1, host("m2")]) {
      bench.ask(each);
      bench.ring.accept([name(each)]);
    }
    const stolen = makeKeyRecord("minion", "m1", { ...m1.keys, curve: fixedKeys("m2").curve }, 2);
    expect(bench.ask(m1, { record: stolen })).toBe("denied");
    expect(bench.ring.byKeyId(m1.keyId)?.record.number).toBe(1);
  });

  it("HS-15: keeps a rejected key rejected through a rotation", () => {
    bench.ask(m1);
    bench.ring.reject([name(m1)]);
    expect(bench.ask(m1, { record: rotated(m1, 2) })).toBe("rejected");
    expect(bench.ring.accepted().size).toBe(0);
  });

  it("HS-10: a replayed request accepts nothing, also after a deletion, and is marked then", () => {
    const recorded = m1.request();
    expect(bench.send(recorded)).toBe("pending");
    for (let n = 0; n < 100; n += 1) bench.send(recorded);
    expect(bench.listed()).toEqual(["pending m1"]);
    bench.ring.accept([name(m1)]);
    bench.ring.delete([name(m1)]);
    for (let n = 0; n < 100; n += 1) expect(bench.send(recorded)).toBe("pending");
    expect(bench.listed()).toEqual(["pending m1 *"]);
    expect(bench.ring.accepted().size).toBe(0);
    bench.open({ autoAccept: true });
    expect(bench.send(recorded)).toBe("pending");
    expect(bench.listed()).toEqual(["pending m1 *"]);
    bench.ring.accept([name(m1)]);
    expect(bench.listed()).toEqual(["accepted m1"]);
  });

  it("signs only so many answers a second", () => {
    const request = m1.request();
    const answers = Array.from({ length: 400 }, () => bench.ring.enrol(request, "192.0.2.1"));
    expect(answers.filter((answer) => answer !== undefined)).toHaveLength(limits.enrolSignatureBurst);
    bench.now += 1000;
    const later = Array.from({ length: 400 }, () => bench.ring.enrol(request, "192.0.2.1"));
    expect(later.filter((answer) => answer !== undefined)).toHaveLength(limits.enrolSignaturesPerSecond);
  });

  it("does not let strangers fill the log", () => {
    bench.ask(m1);
    const refused = host("m2", "m1").request();
    for (let n = 0; n < 200; n += 1) bench.send(refused);
    const before = bench.logged.length;
    for (let n = 0; n < 20; n += 1) bench.send(refused);
    expect(bench.logged.length - before).toBe(4);
  });

  it("with auto_accept accepts an unknown key, but no second one for the id", () => {
    bench.open({ autoAccept: true });
    expect(bench.ask(m1)).toBe("accepted");
    expect(bench.ask(host("m1", "thief"))).toBe("denied");
    expect(bench.changes).toEqual([change("accept", m1), change("denied", host("m1", "thief"))]);
  });
});

describe("token", () => {
  it("HS-18: accepts the first minion that proves it, durably, and only that one", () => {
    const { token, expires } = bench.ring.token(60_000);
    expect(expires).toBe(bench.now + 60_000);
    expect(bench.ask(m1, { token })).toBe("accepted");
    expect(bench.ask(host("m2"), { token })).toBe("pending");
    bench.open();
    expect(bench.ask(host("m2"), { token })).toBe("pending");
    expect(bench.ask(m1, { token })).toBe("accepted");
  });

  it("HS-18: works over a restart, and for a key that is pending already", () => {
    const { token } = bench.ring.token(60_000);
    bench.ask(m1);
    bench.open();
    expect(bench.ask(m1, { token })).toBe("accepted");
    expect(bench.listed()).toEqual(["accepted m1"]);
  });

  it("HS-18: is of no use when expired, changed by one character, or seen on the wire", () => {
    const { token } = bench.ring.token(10_000);
    const last = token.endsWith("0") ? "1" : "0";
    expect(bench.ask(host("m2"), { token: token.slice(0, -1) + last })).toBe("pending");
    bench.now += 10_000;
    expect(bench.ask(m1, { token })).toBe("pending");
    bench.ring.tick();
    expect(readdirSync(join(bench.temp.path, "tokens"))).toEqual([]);
  });

  it("does not give a taken id to another key, does not lift a rejection, and is not used up by the try", () => {
    const { token } = bench.ring.token(3_600_000);
    bench.ask(m1);
    bench.ring.accept([name(m1)]);
    expect(bench.ask(host("m1", "thief"), { token })).toBe("denied");
    const m2 = host("m2");
    bench.ask(m2);
    bench.ring.reject([name(m2)]);
    expect(bench.ask(m2, { token })).toBe("rejected");
    expect(bench.ask(host("m3"), { token })).toBe("accepted");
  });

  it("HS-18: lets in as many minions as it says, also over a restart", () => {
    const { token } = bench.ring.token(60_000, 3);
    expect(bench.ask(host("m1"), { token })).toBe("accepted");
    expect(bench.ask(host("m2"), { token })).toBe("accepted");
    expect(bench.ask(m1, { token })).toBe("accepted");
    bench.open();
    expect(bench.ask(host("m3"), { token })).toBe("accepted");
    expect(bench.ask(host("m4"), { token })).toBe("pending");
  });

  it("HS-10: does not bring back a key that was deleted after it was made; a later one does", () => {
    const { token } = bench.ring.token(60_000, 3);
    expect(bench.ask(m1, { token })).toBe("accepted");
    bench.now += 1;
    bench.ring.delete([name(m1)]);
    expect(bench.ask(m1, { token })).toBe("pending");
    bench.now += 1;
    expect(bench.ask(m1, { token: bench.ring.token(60_000).token })).toBe("accepted");
  });

  it("gives another token each time, and not without end", () => {
    const tokens = Array.from({ length: 50 }, () => bench.ring.token(60_000).token);
    expect(new Set(tokens).size).toBe(50);
    for (const token of tokens) expect(token).toMatch(/^[0-9a-f]{32}$/);
  });
});

describe("accept, reject, delete", () => {
  it.each(["accept", "reject", "delete"] as const)("%s twice is the same as once", (act) => {
    bench.ask(m1);
    const both = [bench.ring[act]([name(m1)]), bench.ring[act]([name(m1)])].flat();
    expect(both).toEqual([
      { ...name(m1), ok: true, changed: true },
      { ...name(m1), ok: true, changed: false },
    ]);
    expect(bench.changes).toEqual([change("pend", m1), change(act, m1)]);
  });

  it.each(["accept", "reject", "delete"] as const)("%s says which key it does not know, and does the others", (act) => {
    bench.ask(m1);
    const names = [
      name(host("gone")),
      name(m1, "m2"),
      { ...name(m1), fingerprint: `${m1.fingerprint.slice(0, 32)}${"0".repeat(32)}` },
      name(m1),
    ];
    const results = bench.ring[act](names);
    expect(results.map(({ ok }) => ok)).toEqual([false, false, false, true]);
    expect(results[0]).toMatchObject({ message: expect.stringContaining("gone") });
    expect(bench.changes).toEqual([change("pend", m1), change(act, m1)]);
    expect(() => parseKeyReply("key.change", { results })).not.toThrow();
  });

  it("refuses to accept a second key of an id", () => {
    const other = host("m1", "other");
    bench.ask(m1);
    bench.ask(other);
    const results = bench.ring.accept([name(m1), name(other)]);
    expect(results).toMatchObject([
      { ok: true },
      { ok: false, message: expect.stringContaining("delete that one first") },
    ]);
    expect([...bench.ring.accepted().keys()]).toEqual([m1.keyId]);
  });

  it("tells its listeners when the change is on disk already", () => {
    bench.ask(m1);
    const onDisk: string[][] = [];
    bench.ring.onChange(() => onDisk.push(readdirSync(join(bench.temp.path, "minions"))));
    bench.ring.accept([name(m1)]);
    bench.ring.delete([name(m1)]);
    expect(onDisk).toEqual([["m1"], []]);
  });

  it("I7: a deletion outlives a restart", () => {
    bench.ask(m1);
    bench.ring.accept([name(m1)]);
    bench.ring.delete([name(m1)]);
    bench.open();
    expect(bench.listed()).toEqual([]);
    expect(bench.ring.delete([name(m1)])).toMatchObject([{ ok: true, changed: false }]);
  });
});

describe("tick", () => {
  it("forgets pending and denied keys an hour after their last question, and no others", () => {
    const late = host("late");
    const asking = host("asking");
    const thief = host("m1", "thief");
    bench.ask(m1);
    bench.ring.accept([name(m1)]);
    for (const each of [late, asking, thief, host("bad")]) bench.ask(each);
    bench.ring.reject([name(host("bad"))]);
    bench.now += limits.pendingForgottenMs - 60_000;
    bench.ask(asking);
    bench.ring.tick();
    expect(bench.listed()).toEqual(["accepted m1", "denied m1", "pending asking", "pending late", "rejected bad"]);
    bench.now += 61_000;
    bench.ring.tick();
    expect(bench.listed()).toEqual(["accepted m1", "pending asking", "rejected bad"]);
    bench.open();
    expect(bench.listed()).toEqual(["accepted m1", "pending asking", "rejected bad"]);
  });

  it("W8: remembers a deleted key for 30 days", () => {
    bench.ask(m1);
    bench.ring.delete([name(m1)]);
    bench.now += limits.deletedRememberedMs - 60_000;
    bench.ring.tick();
    bench.ask(m1);
    expect(bench.listed()).toEqual(["pending m1 *"]);
    bench.now += 120_000;
    bench.ring.tick();
    expect(bench.listed()).toEqual(["pending m1"]);
  });
});
