import { describe, expect, it } from "vitest";
import { countStates, isDone } from "../../../src/job/progress.ts";
import { type Target, type TargetState, targetStates } from "../../../src/job/types.ts";
import type { MinionId } from "../../../src/wire/ids.ts";

const minions = ["m0", "m1", "m2", "m3"] as MinionId[];
const targetsOf = (...states: TargetState[]): Target[] =>
  states.map((state, index) => ({ id: `m${index}` as MinionId, state }));

describe("countStates", () => {
  it("counts targets without a row as waiting", () => {
    const counts = countStates({ minions }, targetsOf("succeeded", "running", "waiting"));
    expect(counts).toMatchObject({ succeeded: 1, running: 1, waiting: 2, failed: 0 });
    expect(Object.keys(counts)).toEqual([...targetStates]);
  });

  it.each([
    ["nothing at all", [], []],
    ["no rows yet", [], minions],
    ["a row for each", targetsOf("failed", "lost", "expired", "skipped"), minions],
  ])("adds up to the targets of the job: %s", (_case, targets, of) => {
    const counts = countStates({ minions: of }, targets);
    expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(of.length);
  });
});

describe("isDone", () => {
  it.each<[boolean, TargetState[]]>([
    [true, ["succeeded", "failed", "timed_out", "killed"]],
    [true, ["lost", "skipped", "expired", "succeeded"]],
    [false, ["succeeded", "succeeded", "succeeded", "running"]],
    [false, ["succeeded", "succeeded", "succeeded", "sent"]],
    [false, ["succeeded", "succeeded", "succeeded", "waiting"]],
    [false, ["succeeded", "succeeded", "succeeded"]],
  ])("is %s for %j of four targets", (expected, states) => {
    expect(isDone(countStates({ minions }, targetsOf(...states)))).toBe(expected);
  });

  it("is true for a job without targets", () => {
    expect(isDone(countStates({ minions: [] }, []))).toBe(true);
  });
});
