import { describe, expect, it } from "vitest";
import { delay } from "../../../src/lib/backoff.ts";

const range = { minMs: 100, maxMs: 30_000 };

describe("delay", () => {
  it.each([
    [0, 100, 200],
    [1, 100, 400],
    [5, 100, 6400],
    [7, 100, 25_600],
    [8, 100, 30_000],
    [5000, 100, 30_000],
  ])("of attempt %i lies anywhere between %i and %i ms", (attempt, lowest, highest) => {
    expect(delay(attempt, range, () => 0)).toBe(lowest);
    expect(delay(attempt, range, () => 1 - Number.EPSILON)).toBeGreaterThanOrEqual(highest - 1);
    expect(delay(attempt, range, () => 1 - Number.EPSILON)).toBeLessThanOrEqual(highest);
    expect(delay(attempt, range, () => 0.5)).toBe((lowest + highest) / 2);
  });

  it("never is below the shortest, even when that is above the longest", () => {
    expect(delay(3, { minMs: 100, maxMs: 50 }, () => 0.9)).toBe(100);
  });
});
