import { describe, expect, it } from "vitest";
import { steadyClock } from "../../../src/lib/steady-clock.ts";

const hour = 3_600_000;

describe("steadyClock", () => {
  const made = (floor = 0): { now: () => number; wall: number; passed: number; pass(ms: number): void } => {
    const world = {
      wall: 1_000_000 * hour,
      passed: 0,
      pass(ms: number): void {
        world.passed += ms;
        world.wall += ms;
      },
      now: (): number => 0,
    };
    world.now = steadyClock(
      floor,
      () => world.wall,
      () => world.passed,
    );
    return world;
  };

  it("goes with the machine's clock", () => {
    const world = made();
    for (const ms of [1, 10, 1000, hour]) {
      world.pass(ms);
      expect(world.now()).toBe(world.wall);
    }
  });

  it.each([-24 * 365 * hour, -hour, -1, 1, hour, 24 * 365 * hour])(
    "NF-08: neither jumps nor goes back after a step of %d ms, and follows it slowly",
    (step) => {
      const world = made();
      const before = world.now();
      world.wall += step;
      expect(world.now()).toBe(before);
      let last = before;
      for (let n = 0; n < 100; n += 1) {
        world.pass(1000);
        const time = world.now();
        expect(time - last).toBeGreaterThanOrEqual(899);
        expect(time - last).toBeLessThanOrEqual(1101);
        last = time;
      }
      expect(Math.abs(world.wall - last)).toBeLessThanOrEqual(Math.max(1, Math.abs(step) - 9900));
    },
  );

  it("W9: starts no earlier than the latest time on record", () => {
    const world = made(1_000_001 * hour);
    expect(world.now()).toBe(1_000_001 * hour);
    world.pass(10 * hour);
    expect(world.now()).toBe(1_000_010 * hour);
  });
});
