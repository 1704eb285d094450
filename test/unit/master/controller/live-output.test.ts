import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { OpenJob } from "../../../../src/job/open-job.ts";
import { LiveOutput } from "../../../../src/master/controller/live-output.ts";
import type { Jid, MinionId } from "../../../../src/wire/ids.ts";
import { limits } from "../../../../src/wire/limits.ts";
import type { Job } from "../../../../src/wire/job.ts";
import type { Load } from "../../../../src/wire/loads.ts";
import { type Order, parseOrder } from "../../../../src/wire/publication.ts";

const jid = "20261121020634330961" as Jid;
const [m1, m2, m3] = ["m1", "m2", "m3"] as [MinionId, MinionId, MinionId];
const bytes = (text: string): Uint8Array => Buffer.from(text);

let dir: string;
let room: boolean;
let job: OpenJob | undefined;
let orders: { id: MinionId; order: Order }[];
let live: LiveOutput;

function jobWith(options: Job["options"] = {}): OpenJob {
  const rest = { user: "root", fun: "cmd.run", arg: [], tgt: "*", tgtType: "glob", created: 0, notAfter: 1e15 };
  const open = new OpenJob({ jid, ...rest, options, minions: [m1, m2], missing: [] }, []);
  for (const id of [m1, m2]) open.apply(id, { is: "started", at: 1 });
  return open;
}

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "msalt-live-"));
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  room = true;
  orders = [];
  job = jobWith();
  live = open();
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(dir, { recursive: true });
});

function open(): LiveOutput {
  return new LiveOutput({
    dir: join(dir, "live"),
    now: Date.now,
    find: (asked) => (asked === jid ? job : undefined),
    hasRoom: () => room,
    send: (_jid, each) => orders.push(...[...each].map(([id, order]) => ({ id, order: parseOrder(order) }))),
  });
}

const ask = async (from: Record<string, number>): ReturnType<LiveOutput["ask"]> => {
  const answer = live.ask({ jid, from });
  await vi.advanceTimersByTimeAsync(1000);
  return answer;
};
const take = (id: MinionId, offset: number, text: string, total?: number): ReturnType<LiveOutput["take"]> => {
  const load: Load<"job.output"> = { cmd: "job.output", jid, offset, data: bytes(text) };
  return live.take(id, { ...load, ...(total !== undefined && { total }) });
};
const textOf = async (from: Record<string, number>): Promise<Record<string, string>> => {
  const { parts } = await ask(from);
  return Object.fromEntries(parts.map(({ id, data }) => [id, Buffer.from(data).toString()]));
};

describe("LiveOutput", () => {
  it("asks the minions of a follower once, and gives every follower all of it from its own place", async () => {
    expect(await ask({ m1: 0, m2: 0 })).toEqual({ parts: [], done: [] });
    expect(orders.map(({ id, order }) => [id, order])).toEqual(
      [m1, m2].map((id) => [id, expect.objectContaining({ order: "output", jid, want: limits.outputWindowBytes })]),
    );
    orders = [];
    expect(take(m1, 0, "one ")).toEqual({ have: 4, want: limits.outputWindowBytes });
    expect(take(m1, 4, "two ")).toMatchObject({ have: 8 });
    take(m2, 0, "other");
    expect(await textOf({ m1: 0, m2: 0 })).toEqual({ m1: "one two ", m2: "other" });
    expect(await textOf({ m1: 4, m2: 5 })).toEqual({ m1: "two " });
    take(m1, 8, "end", 11);
    expect(await textOf({ m1: 8 })).toEqual({ m1: "end" });
    expect(await ask({ m1: 11 })).toEqual({ parts: [], done: [{ id: m1, total: 11 }] });
    expect(await textOf({ m1: 0 })).toEqual({ m1: "one two end" });
    expect(orders).toEqual([]);
  });

  it("takes each byte once, in order, and says where to go on", async () => {
    await ask({ m1: 0 });
    take(m1, 0, "abc");
    expect(take(m1, 0, "abc")).toMatchObject({ have: 3 });
    expect(take(m1, 5, "x")).toMatchObject({ have: 3 });
    take(m1, 3, "def");
    expect(await textOf({ m1: 0 })).toEqual({ m1: "abcdef" });
  });

  it("lets a minion send no further than the quickest follower has read, and tells it of more at once", async () => {
    await ask({ m1: 0 });
    orders = [];
    const window = limits.outputWindowBytes;
    for (let at = 0; at < window; at += limits.partBytes) take(m1, at, "x".repeat(limits.partBytes));
    expect(take(m1, window, "")).toEqual({ have: window, want: window });
    await ask({ m1: 0 });
    expect(orders).toEqual([]);
    await ask({ m1: 10_000 });
    expect(orders.map(({ order }) => order)).toEqual([expect.objectContaining({ want: window + 10_000 })]);
  });

  it("repeats an order of which there was no sign, ever more rarely", async () => {
    for (let n = 0; n < 200; n += 1) await ask({ m1: 0 });
    expect(orders.length).toBeGreaterThan(3);
    expect(orders.length).toBeLessThan(12);
    orders = [];
    take(m1, 0, "");
    for (let n = 0; n < 50; n += 1) await ask({ m1: 0 });
    expect(orders).toEqual([]);
  });

  it("AZ: takes nothing from a minion that is no target, and nothing that nobody asked for", async () => {
    await ask({ m1: 0, m3: 0 });
    expect(take(m3, 0, "mine")).toBeUndefined();
    expect(take(m2, 0, "unasked")).toEqual({ have: 0, want: 0 });
    expect(readdirSync(join(dir, "live"))).toEqual([]);
    job = undefined;
    expect(take(m2, 0, "late")).toBeUndefined();
  });

  it("takes the output of a job that was followed from the start before anybody has asked", async () => {
    job = jobWith({ follow: true });
    expect(take(m1, 0, "early")).toMatchObject({ have: 5 });
    expect(await textOf({ m1: 0 })).toEqual({ m1: "early" });
  });

  it("keeps no more than a run may show, and nothing while the disk is short", async () => {
    await ask({ m1: 0, m2: 0 });
    room = false;
    expect(take(m2, 0, "lost")).toMatchObject({ have: 0 });
    room = true;
    let have = 0;
    for (let n = 0; n < 100; n += 1) have = take(m1, have, "y".repeat(limits.partBytes))?.have ?? 0;
    expect(have).toBeLessThanOrEqual(limits.outputBytes + 1024);
  });

  it("waits a while for the last words of a run that has ended, and no longer", async () => {
    await ask({ m1: 0 });
    take(m1, 0, "some");
    job?.apply(m1, { is: "lost", at: 2, reason: "gone" });
    expect((await ask({ m1: 4 })).done).toEqual([]);
    vi.advanceTimersByTime(6000);
    expect((await ask({ m1: 4 })).done).toEqual([{ id: m1 }]);
    job = undefined;
    expect((await ask({ m2: 0 })).done).toEqual([{ id: m2 }]);
  });

  it("drops what nobody has touched for a minute, and whatever an earlier process left", async () => {
    await ask({ m1: 0 });
    take(m1, 0, "some");
    const file = join(dir, "live", `${jid}.m1`);
    live.tick();
    expect(existsSync(file)).toBe(true);
    vi.advanceTimersByTime(61_000);
    live.tick();
    expect(existsSync(file)).toBe(false);
    expect(await textOf({ m1: 0 })).toEqual({});
    take(m1, 0, "again");
    live = open();
    expect(existsSync(file)).toBe(false);
  });
});
