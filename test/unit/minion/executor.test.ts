import { join } from "node:path";
import * as z from "zod";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Signer, Verifier, keyIdOf } from "../../../src/crypto/primitives.ts";
import { MasterClock } from "../../../src/minion/clock.ts";
import { CommandRunner } from "../../../src/minion/command.ts";
import { Executor } from "../../../src/minion/executor.ts";
import { Ledger } from "../../../src/minion/ledger.ts";
import { type AnyFunction, declare } from "../../../src/modules/declare.ts";
import { decode, encode } from "../../../src/wire/codec.ts";
import type { Jid, MinionId } from "../../../src/wire/ids.ts";
import { orderSignedBytes } from "../../../src/wire/publication.ts";
import { flip, host, tempFolder } from "../../support/keys.ts";
import { fakeHost } from "../../support/host.ts";

const m1 = host("m1");
const m2 = host("m2");
const master = host("master", "master", "master");
const stranger = host("master", "stranger", "master");
const now = 1_795_000_000_000;
const jid = "20261121023504473347";
const other = "20261121023504473348";
const third = "20261121023504473349";

const run = (change: Record<string, unknown> = {}): Record<string, unknown> => ({
  order: "run",
  jid,
  fun: "count.up",
  arg: [],
  user: "root",
  tgt: "m1",
  tgt_type: "glob",
  created: now,
  not_after: now + 60_000,
  ...change,
});
const kill = (change: Record<string, unknown> = {}): Record<string, unknown> => ({
  order: "kill",
  jid,
  signal: 9,
  not_after: now + 60_000,
  ...change,
});
const sign = (bytes: Uint8Array, by: Signer = master.signer, to = m1): Uint8Array =>
  by.sign(orderSignedBytes(bytes, Buffer.from(keyIdOf(to.record.sign), "hex")));

let folder: ReturnType<typeof tempFolder>;
let ledger: Ledger;
let executor: Executor;
let clock: MasterClock;
let ran: string[];
let results: Jid[];
let ended: Jid[];
let wanted: [Jid, number][];
let logged: string[];
let release: () => void;
let printed: (of: Jid) => string;

async function start(options: { allowed?: readonly string[]; maxJobs?: number } = {}): Promise<void> {
  clock = new MasterClock(() => 0);
  clock.set(now);
  ledger = await Ledger.open(join(folder.path, "ledger"), { now: () => clock.now() });
  const commands = new CommandRunner({ killAfterMs: 150 });
  printed = (of) => Buffer.from(commands.log(of)?.read(0, 1000) ?? []).toString();
  const gate = new Promise<void>((resolve) => (release = resolve));
  const count = declare({
    name: "count.up",
    summary: "Counts.",
    params: z.strictObject({}),
    effects: "some" as const,
    run: async (_, { job }) => ran.push(job.jid),
  });
  const wait = declare({
    name: "count.wait",
    summary: "Counts, then waits.",
    params: z.strictObject({}),
    effects: "some" as const,
    run: async (_, { job, signal }) => {
      ran.push(job.jid);
      await Promise.race([gate, new Promise((resolve) => signal.addEventListener("abort", resolve))]);
      return "waited";
    },
  });
  const read = declare({
    name: "count.read",
    summary: "Counts without effect.",
    params: z.strictObject({}),
    effects: "none" as const,
    run: async (_, { job }) => ran.push(job.jid),
  });
  const through = declare({
    name: "count.through",
    summary: "Says which functions it could run.",
    params: z.strictObject({}),
    effects: "none" as const,
    run: async (_, { functions }) => ran.push(...functions.keys()),
  });
  const shell = declare({
    name: "count.shell",
    summary: "Counts, then runs a command.",
    params: z.strictObject({ cmd: z.string() }),
    effects: "some" as const,
    run: async ({ cmd }, on) => {
      ran.push(on.job.jid);
      return (await on.command({ argv: ["/bin/sh", "-c", cmd], merge: true })).stdout;
    },
  });
  const note = (message: string): void => void logged.push(message);
  executor = new Executor({
    id: "m1" as MinionId,
    ownSignKey: m1.record.sign,
    verifier: () => new Verifier(master.record.sign),
    ledger,
    clock,
    commands,
    functions: new Map<string, AnyFunction>([count, wait, read, through, shell].map((each) => [each.name, each])),
    allowed: options.allowed,
    maxJobs: options.maxJobs ?? 64,
    log: { debug: note, info: note, warn: note, error: note },
    host: fakeHost({ grains: {}, config: {} }),
    onStart: () => undefined,
    onResult: (done) => results.push(done),
    onOutput: (of, want) => wanted.push([of, want]),
    onEnd: (done) => ended.push(done),
  });
}

/** Takes an order and waits until what it started is over. */
async function take(order: Record<string, unknown>, signature?: (bytes: Uint8Array) => Uint8Array): Promise<void> {
  const bytes = encode(order);
  executor.take(bytes, (signature ?? sign)(bytes));
  await idle();
}
async function idle(): Promise<void> {
  await expect.poll(() => executor.idle).toBe(true);
}

describe("the executor", () => {
  beforeEach(async () => {
    folder = tempFolder();
    ran = [];
    results = [];
    ended = [];
    wanted = [];
    logged = [];
    await start();
  });
  afterEach(async () => {
    release();
    await executor.stop(0);
    await ledger.close();
    folder[Symbol.dispose]();
  });

  it("runs an order that the master signed for this minion", async () => {
    await take(run());
    expect({ ran, results }).toEqual({ ran: [jid], results: [jid] });
    expect((await ledger.result(jid as Jid))?.state).toBe("succeeded");
  });

  it.each<[string, (bytes: Uint8Array) => Uint8Array]>([
    ["no signature", () => new Uint8Array(0)],
    ["zeros", () => new Uint8Array(64)],
    ["a flipped bit", (bytes) => flip(sign(bytes), 10)],
    ["a flipped bit in the second half", (bytes) => flip(sign(bytes), 40)],
    ["a byte too many", (bytes) => Buffer.concat([sign(bytes), Buffer.alloc(1)])],
    ["another master's signature", (bytes) => sign(bytes, stranger.signer)],
    ["its own signature", (bytes) => sign(bytes, m1.signer)],
    ["the signature for another minion", (bytes) => sign(bytes, master.signer, m2)],
    ["the signature over another order", () => sign(encode(run({ jid: other })))],
    ["a signature without label", (bytes) => master.signer.sign(bytes)],
  ])("EN-08: runs nothing and kills nothing under %s", async (_, signature) => {
    await take(run(), signature);
    expect({ ran, results }).toEqual({ ran: [], results: [] });
    expect(logged).toEqual(["refused an order: it is not signed by the master for this minion"]);
    await take(run({ fun: "count.read" }), signature);
    await take(kill(), signature);
    await take(run());
    expect(ran).toEqual([jid]);
  });

  it("EN-08: the signature of an order does not do for another byte of it", async () => {
    const bytes = encode(run());
    const signature = sign(bytes);
    for (let at = 0; at < bytes.length; at += 1) executor.take(flip(bytes, at), signature);
    await idle();
    expect(ran).toEqual([]);
  });

  it("EN-05: an order that comes 100 times runs once, and each time its result is offered again", async () => {
    for (let i = 0; i < 50; i += 1) executor.take(encode(run()), sign(encode(run())));
    await idle();
    for (let i = 0; i < 50; i += 1) await take(run());
    expect(ran).toEqual([jid]);
    expect(results).toHaveLength(51);
  });

  it("EN-05: an order runs once over a restart, also one without effects in one life", async () => {
    await take(run());
    await take(run({ jid: other, fun: "count.read" }));
    await take(run({ jid: other, fun: "count.read" }));
    expect(ran).toEqual([jid, other]);
    await ledger.close();
    await start();
    await take(run());
    expect(ran).toEqual([jid, other]);
  });

  it("EN-05: an order is not started at or after its time, whatever the minion's clock said before", async () => {
    clock.set(now + 60_000);
    await take(run());
    clock.set(now);
    await take(run({ jid: other, not_after: now }));
    expect({ ran, results }).toEqual({ ran: [], results: [] });
  });

  it.each<[string, Record<string, unknown>]>([
    ["a field too many", run({ minion: "m2" })],
    ["no function", run({ fun: undefined })],
    ["a jid that is a path", run({ jid: "../../../etc/passwd1" })],
    ["a time that is text", run({ not_after: "tomorrow" })],
    ["another kind of order", run({ order: "reboot" })],
    ["a kill with signal 0", kill({ signal: 0 })],
  ])("EN-10: a signed order with %s is refused, and the next one runs", async (_, order) => {
    await take(order);
    expect({ ran, logged }).toEqual({ ran: [], logged: ["refused an order of the master that is not understood"] });
    await take(run());
    expect(ran).toEqual([jid]);
  });

  it("EN-08: a signed kill ends the job it names and no other", async () => {
    executor.take(encode(run({ fun: "count.wait" })), sign(encode(run({ fun: "count.wait" }))));
    const second = encode(run({ jid: other, fun: "count.wait" }));
    executor.take(second, sign(second));
    await expect.poll(() => ran.length).toBe(2);
    const order = encode(kill());
    executor.take(order, sign(order));
    await expect.poll(() => executor.jids()).toEqual([other]);
    expect((await ledger.result(jid as Jid))?.state).toBe("killed");
    release();
    await idle();
    expect((await ledger.result(other as Jid))?.state).toBe("succeeded");
  });

  it("EN-08: a kill that comes before its order keeps it from starting", async () => {
    const order = encode(kill());
    executor.take(order, sign(order));
    await expect.poll(() => ledger.seen(jid as Jid)).not.toBe("no");
    await take(run());
    expect(ran).toEqual([]);
    const result = await ledger.result(jid as Jid);
    expect(result).toMatchObject({ state: "killed", success: false, retcode: 1 });
    expect(decode(result?.ret ?? new Uint8Array(0))).toBe("killed before it began");
    await expect.poll(() => results).toContain(jid);
  });

  it("takes the same kill any number of times, at once and later, and leaves a result that is there", async () => {
    const order = encode(kill());
    for (let n = 0; n < 5; n += 1) executor.take(order, sign(order));
    await expect.poll(() => results).toEqual([jid]);
    executor.take(order, sign(order));
    await take(run({ jid: other }));
    await take(kill({ jid: other }));
    expect((await ledger.result(other as Jid))?.state).toBe("succeeded");
    expect(logged).toEqual([]);
  });

  it("reports how a run was ended: signal, wait, survivors and what it had printed", async () => {
    const fork = "echo partial; (trap '' TERM; sleep 777) & trap '' TERM; sleep 777 & wait; wait";
    const order = encode(run({ fun: "count.shell", arg: [fork] }));
    executor.take(order, sign(order));
    await expect.poll(() => ran).toEqual([jid]);
    await expect.poll(() => printed(jid as Jid)).toContain("partial");
    await take(kill({ signal: 15 }));
    const result = await ledger.result(jid as Jid);
    expect(result).toMatchObject({ state: "killed", kill: { signal: "SIGKILL", survivors: [] } });
    expect(result?.kill?.waitMs).toBeGreaterThanOrEqual(150);
    expect(decode(result?.ret ?? new Uint8Array(0))).toBe("partial\n");
  });

  it("ends a run when its time is up, and says so", async () => {
    // Long enough for the command to have begun.
    await take(run({ fun: "count.shell", arg: ["echo some; sleep 777"], timeout: 500 }));
    const result = await ledger.result(jid as Jid);
    expect(result).toMatchObject({ state: "timed_out", success: false, kill: { signal: "SIGTERM", survivors: [] } });
    expect(ended).toEqual([jid]);
  });

  it("runs one after the other where only one may run, and meanwhile what changes nothing", async () => {
    await ledger.close();
    await start({ maxJobs: 1 });
    const waits = encode(run({ fun: "count.wait" }));
    const next = encode(run({ jid: other }));
    const reads = encode(run({ jid: third, fun: "count.read" }));
    for (const order of [waits, next, reads]) executor.take(order, sign(order));
    await expect.poll(() => ran.toSorted()).toEqual([jid, third]);
    expect(executor.jids()).toEqual([jid]);
    release();
    await idle();
    expect(ran.at(-1)).toBe(other);
    expect(ran).toHaveLength(3);
  });

  it("hands on how much of its output is wanted, from the start or later", async () => {
    await take(run({ output: 500 }));
    await take({ order: "output", jid, want: 900, not_after: now });
    expect(wanted).toEqual([
      [jid, 500],
      [jid, 900],
    ]);
  });

  it.each([
    [["test.*"], "count.up"],
    [[], "count.up"],
    [["count.u"], "count.up"],
    [["COUNT.UP"], "count.up"],
    [["count"], "count.up"],
  ])("AZ-11: with allowed_functions %j it answers %s with a refusal and does not run it", async (allowed, fun) => {
    await ledger.close();
    await start({ allowed });
    await take(run({ fun }));
    expect({ ran, results }).toEqual({ ran: [], results: [jid] });
    const result = await ledger.result(jid as Jid);
    expect(result).toMatchObject({ state: "failed", success: false, retcode: 1 });
    expect(decode(result?.ret ?? new Uint8Array(0))).toContain("is not allowed on this minion");
  });

  it("AZ-11: a function on the allow-list runs no others that are not on it; who sits at the machine may", async () => {
    await ledger.close();
    await start({ allowed: ["*.through", "count.read"] });
    await take(run({ fun: "count.through" }));
    expect(ran).toEqual(["count.read", "count.through"]);
    await executor.runOwn("a", { fun: "count.through", arg: [] }, 1);
    expect(ran.slice(2)).toEqual(["count.read", "count.through"]);
    const local = { fun: "count.through", arg: [], words: [], user: "root" };
    await executor.here(local, new AbortController().signal);
    expect(ran.slice(4)).toEqual(["count.up", "count.wait", "count.read", "count.through", "count.shell"]);
  });

  it("AZ-11: a function on the allow-list runs", async () => {
    await ledger.close();
    await start({ allowed: ["test.*", "count.*"] });
    await take(run());
    expect(ran).toEqual([jid]);
  });

  it("PF-12: takes no order once it stops, and its running job is ended with a result", async () => {
    const order = encode(run({ fun: "count.wait" }));
    executor.take(order, sign(order));
    await expect.poll(() => ran).toEqual([jid]);
    const stopped = executor.stop(0);
    await take(run({ jid: other }));
    await stopped;
    expect(ran).toEqual([jid]);
    expect((await ledger.result(jid as Jid))?.state).toBe("killed");
  });

  it("runs a function outside any order, at most so many at a time under one name", async () => {
    await start();
    const call = { fun: "count.wait", arg: [] };
    const first = executor.runOwn("a", call, 1);
    expect(await executor.runOwn("a", call, 1)).toBeUndefined();
    const others = [executor.runOwn("a", call, 2), executor.runOwn("b", call, 1)];
    expect(new Set(ran).size).toBe(3);
    expect(ended).toEqual([]);
    release();
    expect(await first).toMatchObject({ value: "waited", retcode: 0, success: true });
    await Promise.all(others);
    expect(ended.toSorted()).toEqual(ran.toSorted());
    expect(results).toEqual([]);
    expect(await executor.runOwn("a", { fun: "count.up", arg: [] }, 1)).toMatchObject({ value: 4 });
  });

  it("lets a run outside any order be killed, and ends it when the minion stops", async () => {
    await start();
    const sleep = { fun: "count.shell", arg: ["echo begun; exec sleep 30"] };
    const begun = (nth: number): Promise<unknown> =>
      expect.poll(() => ran[nth] !== undefined && printed(ran[nth] as Jid)).toBe("begun\n");
    const killed = executor.runOwn("a", sleep, 1);
    await begun(0);
    executor.kill(ran[0] as Jid, "SIGKILL", now + 60_000);
    expect(await killed).toMatchObject({ value: "begun\n", state: "killed", success: false });
    const stopped = executor.runOwn("a", sleep, 1);
    await begun(1);
    await executor.stop(60_000);
    expect(await stopped).toMatchObject({ value: "begun\n", state: "killed" });
    expect(await executor.runOwn("a", sleep, 1)).toBeUndefined();
    expect(ran).toHaveLength(2);
  });

  it("refuses what is not allowed outside an order, too", async () => {
    await start({ allowed: ["count.read"] });
    const call = { fun: "count.up", arg: [] };
    const text = "'count.up' is not allowed on this minion (allowed_functions in its configuration)";
    expect(executor.refusal(call)).toBe(text);
    expect(await executor.runOwn("a", call, 1)).toMatchObject({ value: text, retcode: 1, success: false });
    expect(ran).toEqual([]);
    expect(executor.refusal({ fun: "count.read", arg: [] })).toBeUndefined();
    expect(executor.refusal({ fun: "count.read", arg: [1] })).toContain("Passed invalid arguments to count.read");
  });
});
