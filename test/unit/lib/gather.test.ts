import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Gather } from "../../../src/lib/gather.ts";

beforeEach(() => vi.useFakeTimers({ toFake: ["setTimeout", "setImmediate", "performance"] }));
afterEach(() => vi.useRealTimers());

describe("Gather", () => {
  it("hands on what comes in one turn together, at once after a quiet time, then spaced", () => {
    const handed: number[][] = [];
    const gather = new Gather<number>(5, (items) => handed.push(items));
    gather.add(1);
    gather.add(2);
    vi.advanceTimersByTime(0);
    expect(handed).toEqual([[1, 2]]);
    gather.add(3);
    vi.advanceTimersByTime(3);
    gather.add(4);
    expect(handed).toHaveLength(1);
    vi.advanceTimersByTime(2);
    expect(handed).toEqual([
      [1, 2],
      [3, 4],
    ]);
    vi.advanceTimersByTime(100);
    gather.add(5);
    vi.advanceTimersByTime(0);
    expect(handed).toEqual([[1, 2], [3, 4], [5]]);
  });

  it("takes what is added while it hands on", () => {
    const handed: number[][] = [];
    const gather: Gather<number> = new Gather<number>(0, (items) => {
      handed.push(items);
      if (items[0] === 1) gather.add(2);
    });
    gather.add(1);
    vi.advanceTimersByTime(1);
    expect(handed).toEqual([[1], [2]]);
  });
});
