import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MasterClock } from "../../../src/minion/clock.ts";

function clockWithHand(): { clock: MasterClock; pass: (ms: number) => void } {
  let monotonic = 5000;
  return {
    clock: new MasterClock(() => monotonic),
    pass: (ms) => {
      monotonic += ms;
    },
  };
}

describe("MasterClock", () => {
  it("carries the master's time on by the monotonic clock", () => {
    const { clock, pass } = clockWithHand();
    clock.set(1_000_000);
    pass(250.7);
    expect(clock.now()).toBe(1_000_250);
  });

  it("knows a lower bound before the master has spoken", () => {
    const { clock, pass } = clockWithHand();
    expect(clock.isSet).toBe(false);
    clock.setFloor(700_000);
    pass(50);
    expect(clock.now()).toBe(700_050);
    clock.set(800_000);
    expect(clock).toMatchObject({ isSet: true });
    expect(clock.now()).toBe(800_000);
  });

  it.each([
    ["set after the floor", ["floor", "set"]],
    ["set before the floor", ["set", "floor"]],
  ])("W9: never goes below the ledger's highest time: %s", (_case, order) => {
    const { clock, pass } = clockWithHand();
    for (const call of order) {
      if (call === "floor") clock.setFloor(2_000_000);
      else clock.set(1_000_000);
    }
    pass(10);
    expect(clock.now()).toBe(2_000_000);
    pass(1_000_010);
    expect(clock.now()).toBe(2_000_020);
  });

  it("stands still after a correction downwards until the master has caught up", () => {
    const { clock, pass } = clockWithHand();
    clock.set(1_000_000);
    expect(clock.now()).toBe(1_000_000);
    clock.set(999_000);
    pass(999);
    expect(clock.now()).toBe(1_000_000);
    pass(2);
    expect(clock.now()).toBe(1_000_001);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, -1])("refuses %s as a time, and goes on", (wrong) => {
    const { clock } = clockWithHand();
    clock.set(1_000_000);
    expect(() => clock.set(wrong)).toThrow(expect.objectContaining({ code: "ERR_WIRE_INVALID" }));
    expect(clock.now()).toBe(1_000_000);
  });

  it("NF-08: never goes back, whatever the master says", () => {
    const step = fc.oneof(
      fc.record({ pass: fc.nat() }),
      fc.record({ set: fc.nat(2 ** 41) }),
      fc.record({ floor: fc.nat(2 ** 41) }),
    );
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const { clock, pass } = clockWithHand();
        let last = clock.now();
        for (const each of steps) {
          if ("pass" in each) pass(each.pass);
          else if ("set" in each) clock.set(each.set);
          else clock.setFloor(each.floor);
          expect(clock.now()).toBeGreaterThanOrEqual(last);
          last = clock.now();
          if ("set" in each) expect(last).toBeGreaterThanOrEqual(each.set);
          if ("floor" in each) expect(last).toBeGreaterThanOrEqual(each.floor);
        }
      }),
    );
  });
});
