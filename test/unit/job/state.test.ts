import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type TargetEvent, advance, hasResult, isTerminal } from "../../../src/job/state.ts";
import { type Target, targetStates } from "../../../src/job/types.ts";
import { runStates } from "../../../src/wire/loads.ts";
import type { MinionId } from "../../../src/wire/ids.ts";

const id = "m1" as MinionId;
const fresh: Target = { id, state: "waiting" };
const returned = (byte: number, more: Partial<Extract<TargetEvent, { is: "returned" }>> = {}): TargetEvent => ({
  is: "returned",
  at: 9,
  state: "succeeded",
  retcode: 0,
  success: true,
  ret: Uint8Array.of(byte),
  ...more,
});
const after = (...events: TargetEvent[]): Target =>
  events.reduce((target, event) => advance(target, event) ?? target, fresh);

describe("advance", () => {
  it("moves along the arrows", () => {
    expect(after({ is: "sent" }).state).toBe("sent");
    expect(after({ is: "sent" }, { is: "started", at: 5 })).toEqual({ id, state: "running", started: 5 });
    expect(after({ is: "sent" }, { is: "started", at: 5 }, returned(1))).toEqual({
      id,
      state: "succeeded",
      started: 5,
      ended: 9,
      retcode: 0,
      success: true,
      ret: Uint8Array.of(1),
    });
  });

  it("takes a result for a target it never saw start: fast functions do not say so", () => {
    expect(after(returned(1)).state).toBe("succeeded");
  });

  it("changes nothing for the same result again, and counts a different one without taking it", () => {
    const done = after(returned(1));
    expect(advance(done, returned(1, { at: 77 }))).toBeUndefined();
    expect(advance(done, returned(2))).toEqual({ ...done, conflicts: 1 });
    expect(advance(done, returned(1, { retcode: 3 }))).toEqual({ ...done, conflicts: 1 });
  });

  it.each(["expired", "lost"] as const)(
    "keeps a result that comes after the target was given up as %s, as late",
    (is) => {
      const late = after({ is, at: 3, reason: "gone" }, returned(1, { state: "failed", retcode: 2, success: false }));
      expect(late).toMatchObject({ state: "failed", retcode: 2, late: true, ret: Uint8Array.of(1) });
      expect(late).not.toHaveProperty("reason");
    },
  );

  it("does not skip what runs", () => {
    const running = after({ is: "started", at: 1 });
    expect(advance(running, { is: "skipped", at: 2, reason: "budget spent" })).toBeUndefined();
  });

  const event = fc.oneof<fc.Arbitrary<TargetEvent>[]>(
    fc.constant<TargetEvent>({ is: "sent" }),
    fc.nat(100).map((at): TargetEvent => ({ is: "started", at })),
    fc
      .record({ at: fc.nat(100), state: fc.constantFrom(...runStates), retcode: fc.nat(3), byte: fc.nat(2) })
      .map(({ at, state, retcode, byte }) => returned(byte, { at, state, retcode, success: state === "succeeded" })),
    fc
      .record({ is: fc.constantFrom("expired", "skipped", "lost"), at: fc.nat(100) })
      .map((each): TargetEvent => ({ ...each, reason: "r" })),
  );

  it("I4: whatever comes, in whatever order, the first result stays and nothing terminal opens again", () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), (events) => {
        let target = fresh;
        const first = events.find((each) => each.is === "returned");
        for (const each of events) {
          const next = advance(target, each);
          if (next === undefined) continue;
          expect(isTerminal(target.state) && !isTerminal(next.state)).toBe(false);
          expect(targetStates.indexOf(next.state)).toBeGreaterThanOrEqual(0);
          if (hasResult(target)) expect({ ...next, conflicts: 0 }).toEqual({ ...target, conflicts: 0 });
          target = next;
        }
        if (first?.is === "returned")
          expect(target).toMatchObject({ state: first.state, retcode: first.retcode, ret: first.ret });
      }),
    );
  });

  it("gives the same target when every event comes twice", () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 20 }), (events) => {
        const twice = after(...events.flatMap((each) => [each, each]));
        const once = after(...events);
        const plain = (target: Target): Target => ({ ...target, conflicts: 0 });
        expect(plain(twice)).toEqual(plain(once));
      }),
    );
  });
});
