import { describe, expect, it } from "vitest";
import { countsOf, statusText } from "../../../src/job/progress.ts";
import type { Target, TargetState } from "../../../src/job/types.ts";
import type { MinionId } from "../../../src/wire/ids.ts";

const many = (count: number, state: TargetState, more: Partial<Target> = {}): Target[] =>
  Array.from({ length: count }, (_, n) => ({ id: `m${n}` as MinionId, state, ...more }));

describe("countsOf", () => {
  it("counts each kind apart", () => {
    const targets = [
      ...many(5, "succeeded"),
      ...many(2, "failed"),
      ...many(1, "timed_out"),
      ...many(3, "expired"),
      ...many(4, "expired", { unreachable: true }),
      ...many(1, "lost"),
      ...many(1, "killed"),
      ...many(6, "skipped"),
      ...many(2, "sent"),
      ...many(3, "running"),
      ...many(7, "waiting"),
    ];
    expect(countsOf(targets)).toEqual({
      total: 35,
      done: 23,
      failed: 2,
      timed_out: 1,
      killed: 1,
      lost: 1,
      expired: 3,
      unreachable: 4,
      skipped: 6,
      running: 5,
      waiting: 7,
    });
  });
});

describe("statusText", () => {
  it.each<[Target[], number, string]>([
    [many(3, "sent"), 1000, "0/3 done · 3 running"],
    [many(3, "succeeded"), 1000, "3/3 done"],
    [
      [...many(1, "failed"), ...many(9, "succeeded"), ...many(5, "running"), ...many(85, "waiting")],
      10_000,
      "10/100 done · 1 failed · 5 running · 85 waiting · eta 1m 30s",
    ],
    [[...many(1, "succeeded"), ...many(9, "waiting")], 3_600_000, "1/10 done · 9 waiting · eta 9h 0m"],
    [
      [...many(1, "failed"), ...many(2, "skipped"), ...many(1, "running")],
      2000,
      "3/4 done · 1 failed · 2 skipped · 1 running · eta 2s",
    ],
  ])("%#", (targets, elapsed, expected) => {
    expect(statusText(countsOf(targets), elapsed)).toBe(expected);
  });
});
