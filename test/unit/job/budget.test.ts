import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { allowedFailures, exactShare, failures, noFailures, recount, spentText } from "../../../src/job/budget.ts";
import { targetStates } from "../../../src/job/types.ts";
import type { Target } from "../../../src/job/types.ts";
import type { MinionId } from "../../../src/wire/ids.ts";

describe("exactShare", () => {
  it.each([
    [0.29, 100, 29],
    [0.07, 100, 7],
    [0.57, 100, 57],
    [1e-7, 10_000_000, 1],
    [1e-7, 9_999_999, 0],
    [1, 7, 7],
    [0, 7, 0],
    [0.02, 49, 0],
    [0.02, 50, 1],
    [1.5e3, 2, 3000],
  ])("%d of %d is %d", (part, count, expected) => {
    expect(exactShare(part, count)).toBe(expected);
  });

  it("is the floor of a fraction, whatever its decimals", () => {
    const decimals = fc.tuple(fc.nat({ max: 999_999 }), fc.integer({ min: 0, max: 6 }));
    fc.assert(
      fc.property(decimals, fc.nat({ max: 100_000 }), ([digits, places], count) => {
        const part = Number(`${digits}e-${places}`);
        expect(exactShare(part, count)).toBe(Number((BigInt(digits) * BigInt(count)) / 10n ** BigInt(places)));
      }),
    );
  });
});

describe("allowedFailures", () => {
  it.each([
    [{}, undefined],
    [{ failCount: -1 }, undefined],
    [{ failCount: -1, failRate: 0.1 }, undefined],
    [{ failCount: 0 }, 0],
    [{ failRate: 0 }, 0],
    [{ failCount: 2 }, 2],
    [{ failRate: 0.1 }, 10],
    [{ failCount: 12, failRate: 0.1 }, 12],
    [{ failCount: 3, failRate: 0.1 }, 10],
  ])("%j of 100", (options, expected) => {
    expect(allowedFailures(options, 100)).toBe(expected);
  });

  it("is the larger of the count and the whole hundredths of the targets", () => {
    fc.assert(
      fc.property(fc.nat(20), fc.nat(100), fc.nat(2000), (failCount, percent, targets) => {
        const hundredths = percent * targets;
        const byRate = (hundredths - (hundredths % 100)) / 100;
        expect(allowedFailures({ failCount, failRate: percent / 100 }, targets)).toBe(Math.max(failCount, byRate));
      }),
    );
  });
});

describe("recount", () => {
  const target = fc
    .record({ state: fc.constantFrom(...targetStates), unreachable: fc.boolean() })
    .map(({ state, unreachable }): Target => ({
      id: "m" as MinionId,
      state,
      ...(unreachable && state === "expired" && { unreachable }),
    }));

  it("counts what failed, whatever came before", () => {
    const bad: ReadonlySet<string> = new Set(["failed", "timed_out", "killed", "lost", "expired"]);
    fc.assert(
      fc.property(fc.array(target, { minLength: 1 }), (history) => {
        let tally = noFailures;
        let before: Target = { id: "m" as MinionId, state: "waiting" };
        for (const after of history) {
          tally = recount(tally, before, after);
          before = after;
        }
        expect(failures(tally)).toBe(bad.has(before.state) ? 1 : 0);
        expect(tally.unreachable).toBe(before.unreachable === true ? 1 : 0);
      }),
    );
  });
});

describe("spentText", () => {
  const tally = { ...noFailures, failed: 3, timed_out: 1, unreachable: 2 };

  it.each([
    [{ failRate: 0.05 }, "more than the 5 that fail_rate 0.05 allows"],
    [{ failCount: 5 }, "more than the 5 that fail_count 5 allows"],
    [{ failCount: 0, failRate: 0 }, "more than the 0 that fail_count 0 allows"],
    [{ failCount: 2, failRate: 0.05 }, "more than the 5 that fail_rate 0.05 allows"],
    [{ failCount: 5, failRate: 0.01 }, "more than the 5 that fail_count 5 allows"],
  ])("%j", (options, limit) => {
    expect(spentText(options, tally, 100)).toBe(
      `6 of 100 targets failed (3 failed, 1 timed out, 2 unreachable), ${limit}`,
    );
  });
});
