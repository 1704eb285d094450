import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OpenJob } from "../../../src/job/open-job.ts";
import type { TargetEvent } from "../../../src/job/state.ts";
import type { Job, JobOptions, Target } from "../../../src/job/types.ts";
import type { Jid, MinionId } from "../../../src/wire/ids.ts";
import { runStates } from "../../../src/wire/loads.ts";

const ids = ["m0", "m1", "m2", "m3", "m4"] as MinionId[];
const [m0, m1, m2, m3] = ids as [MinionId, MinionId, MinionId, MinionId];
const jobWith = (options: JobOptions): Job => ({
  jid: "20260101000000000000" as Jid,
  user: "root",
  fun: "test.ping",
  arg: [],
  tgt: "*",
  tgtType: "glob",
  options,
  created: 1000,
  notAfter: 61_000,
  minions: ids,
  missing: [],
});
const ret = Uint8Array.of(1);
const failed: TargetEvent = { is: "returned", at: 2000, state: "failed", retcode: 1, success: false, ret };
const good: TargetEvent = { is: "returned", at: 2000, state: "succeeded", retcode: 0, success: true, ret };
const lost: TargetEvent = { is: "lost", at: 2000, reason: "gone" };
const states = (open: OpenJob): string[] => [...open.targets.values()].map(({ state }) => state);

describe("OpenJob", () => {
  it("starts with all targets waiting, and gives the row of each move", () => {
    const open = new OpenJob(jobWith({}), []);
    expect([open.openCount, states(open)]).toEqual([5, Array<string>(5).fill("waiting")]);
    expect(open.apply(m0, good)).toMatchObject({ id: m0, state: "succeeded", ret });
    expect(open.apply(m0, good)).toBeUndefined();
    expect(open.apply("other" as MinionId, good)).toBeUndefined();
    expect(open.openCount).toBe(4);
    expect(open.targets.size).toBe(5);
    expect(open.targets.get(m0)).not.toHaveProperty("ret");
  });

  it("is spent when more targets have failed than are allowed, and only once", () => {
    const open = new OpenJob(jobWith({ failCount: 1 }), []);
    open.apply(m0, failed);
    open.apply(m1, good);
    expect(open.spent(7)).toBeUndefined();
    open.apply(m2, lost);
    const stop = open.spent(7);
    expect(stop).toEqual({
      at: 7,
      reason: "2 of 5 targets failed (1 failed, 1 lost), more than the 1 that fail_count 1 allows",
    });
    if (stop !== undefined) open.halt(stop);
    open.apply(m1, failed);
    expect(open.spent(8)).toBeUndefined();
  });

  it("asks for a TERM when what runs is to be killed", () => {
    const open = new OpenJob(jobWith({ failRate: 0, failKill: true }), []);
    open.apply(m0, failed);
    expect(open.spent(7)).toMatchObject({ signal: 15 });
  });

  it("is never spent without a limit", () => {
    for (const options of [{}, { failCount: -1 }, { failCount: -1, failRate: 0 }]) {
      const open = new OpenJob(jobWith(options), []);
      for (const id of ids) open.apply(id, failed);
      expect(open.spent(7)).toBeUndefined();
    }
  });

  it("skips what waits when it is halted, and nothing else", () => {
    const open = new OpenJob(jobWith({ parallel: 3 }), []);
    open.apply(m0, { is: "sent", turn: 1000 });
    open.apply(m1, { is: "started", at: 1500 });
    open.apply(m2, good);
    open.apply(m3, { is: "turn", at: 1200 });
    const stop = { at: 3000, reason: "killed by root", signal: 9 };
    expect(open.halt(stop)).toEqual([
      { id: m3, state: "skipped", turn: 1200, ended: 3000, reason: "killed by root" },
      { id: "m4", state: "skipped", ended: 3000, reason: "killed by root" },
    ]);
    expect(states(open)).toEqual(["sent", "running", "succeeded", "skipped", "skipped"]);
    expect([open.stop, open.openCount]).toEqual([stop, 2]);
    expect(open.halt({ ...stop, at: 4000 })).toEqual([]);
    expect(open.plan(9000, () => "up")).toEqual({ send: [], passed: [] });
  });

  it("plans batches only", () => {
    expect(new OpenJob(jobWith({}), []).plan(0, () => "up")).toEqual({ send: [], passed: [] });
    expect(new OpenJob(jobWith({ parallel: 2 }), []).plan(0, () => "up").send).toEqual([m0, m1]);
  });

  it("counts a failure no more when its result comes late and is good", () => {
    const open = new OpenJob(jobWith({ failCount: 1 }), []);
    open.apply(m0, lost);
    const row = open.apply(m1, lost);
    expect(open.spent(7)).toBeDefined();
    if (row !== undefined) open.put({ ...row, state: "succeeded", retcode: 0, late: true, ret });
    expect(open.spent(7)).toBeUndefined();
    expect(open.openCount).toBe(3);
    expect(open.targets.get(m1)).not.toHaveProperty("ret");
  });

  const at = fc.integer({ min: 1000, max: 90_000 });
  const event = fc.oneof<fc.Arbitrary<TargetEvent>[]>(
    at.map((at) => ({ is: "turn", at })),
    at.map((turn) => ({ is: "sent", turn })),
    at.map((at) => ({ is: "started", at })),
    fc.tuple(at, fc.constantFrom(...runStates)).map(([at, state]) => ({ ...good, at, state, retcode: 1 })),
    fc.tuple(at, fc.constantFrom("expired", "lost")).map(([at, is]) => ({ is, at, reason: "r" })),
  );
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.record({ id: fc.constantFrom(...ids), event }) },
    { weight: 1, arbitrary: fc.constant("halt" as const) },
  );
  const options = fc.record(
    {
      parallel: fc.integer({ min: 1, max: 5 }),
      batchWaitMs: fc.nat(30_000),
      failCount: fc.integer({ min: -1, max: 4 }),
      failRate: fc.integer({ min: 0, max: 100 }).map((percent) => percent / 100),
    },
    { requiredKeys: [] },
  );

  it("P1: is after a reload what it was, given the rows that it gave and its stop", () => {
    fc.assert(
      fc.property(options, fc.array(step, { maxLength: 40 }), at, (given, steps, now) => {
        const open = new OpenJob(jobWith(given), []);
        const rows = new Map<MinionId, Target>();
        for (const each of steps) {
          const moved =
            each === "halt" ? open.halt({ at: 5000, reason: "enough" }) : (open.apply(each.id, each.event) ?? []);
          for (const { ret: _, ...row } of [moved].flat()) rows.set(row.id, row);
          const again = new OpenJob(open.job, [...rows.values()], open.stop);
          expect([...again.targets]).toEqual([...open.targets]);
          expect([again.openCount, again.stop]).toEqual([open.openCount, open.stop]);
          const link = (id: MinionId): "up" | "away" => (id < m2 ? "up" : "away");
          expect(again.plan(now, link)).toEqual(open.plan(now, link));
          // The tally shows in nothing else, and only while there is no stop.
          const { stop } = open;
          again.stop = open.stop = undefined;
          expect(again.spent(now)).toEqual(open.spent(now));
          open.stop = stop;
        }
      }),
    );
  });

  it("agrees with a count from the start: what is open, and when it is spent", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.nat(4), (steps, failCount) => {
        const open = new OpenJob(jobWith({ failCount }), []);
        for (const each of steps) {
          if (each === "halt") continue;
          open.apply(each.id, each.event);
          const now = states(open);
          const failing = now.filter((state) => ["failed", "timed_out", "killed", "lost", "expired"].includes(state));
          expect(open.openCount).toBe(now.filter((state) => ["waiting", "sent", "running"].includes(state)).length);
          expect(open.spent(1) !== undefined).toBe(failing.length > failCount);
        }
      }),
    );
  });
});
