import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type TargetEvent,
  advance,
  conflictOf,
  hasResult,
  isFailure,
  isTerminal,
  notAfterOf,
} from "../../../src/job/state.ts";
import { type Target, type TargetState, targetStates } from "../../../src/job/types.ts";
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

  it("gives a target its turn once, and sends it with that turn", () => {
    expect(after({ is: "turn", at: 3 })).toEqual({ id, state: "waiting", turn: 3 });
    expect(after({ is: "turn", at: 3 }, { is: "turn", at: 4 })).toEqual({ id, state: "waiting", turn: 3 });
    expect(after({ is: "turn", at: 3 }, { is: "sent", turn: 8 })).toEqual({ id, state: "sent", turn: 3 });
    expect(after({ is: "sent", turn: 8 })).toEqual({ id, state: "sent", turn: 8 });
    expect(after({ is: "sent", turn: 8 }, { is: "turn", at: 9 }).turn).toBe(8);
    expect(after({ is: "turn", at: 3 }, returned(1)).turn).toBe(3);
  });

  it.each<[string, TargetEvent[], true | undefined]>([
    ["was never sent the job", [], true],
    ["was passed over", [{ is: "turn", at: 3 }], true],
    ["was sent the job", [{ is: "sent" }], undefined],
  ])("says of an expired target whether it was reached: it %s", (_case, before, unreachable) => {
    const target = after(...before, { is: "expired", at: 9, reason: "too late" });
    expect(target).toMatchObject({ state: "expired", ended: 9, reason: "too late" });
    expect(target.unreachable).toBe(unreachable);
    expect(advance(target, returned(1))).not.toHaveProperty("unreachable");
  });

  it("does not skip what was sent: it may have begun", () => {
    expect(advance(after({ is: "sent" }), { is: "skipped", at: 2, reason: "enough" })).toBeUndefined();
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

  it.each(["expired", "skipped"] as const)("what runs is not %s", (is) => {
    const running = after({ is: "started", at: 1 });
    expect(advance(running, { is, at: 2, reason: "too late" })).toBeUndefined();
    expect(advance(running, { is: "lost", at: 2, reason: "gone" })).toMatchObject({ state: "lost", started: 1 });
  });

  it.each(runStates)("derives success of %s from the state, whatever the minion claims", (state) => {
    for (const success of [true, false])
      expect(after(returned(1, { state, success })).success).toBe(state === "succeeded");
  });

  const event = fc.oneof<fc.Arbitrary<TargetEvent>[]>(
    fc.constant<TargetEvent>({ is: "sent" }),
    fc.nat(100).map((at): TargetEvent => ({ is: "turn", at })),
    fc.nat(100).map((at): TargetEvent => ({ is: "started", at })),
    fc
      .record({ at: fc.nat(100), state: fc.constantFrom(...runStates), retcode: fc.nat(3), byte: fc.nat(2) })
      .map(({ at, state, retcode, byte }) => returned(byte, { at, state, retcode, success: state === "succeeded" })),
    fc
      .record({ is: fc.constantFrom("expired", "skipped", "lost"), at: fc.nat(100) })
      .map((each): TargetEvent => ({ ...each, reason: "r" })),
  );

  /** DESIGN §6, drawn once more; the last three lines are what a late result may do. */
  const arrows: Readonly<Record<TargetState, readonly TargetState[]>> = {
    waiting: ["sent", "running", ...runStates, "skipped", "expired"],
    sent: ["running", ...runStates, "skipped", "expired"],
    running: runStates,
    succeeded: [],
    failed: [],
    timed_out: [],
    killed: [],
    lost: runStates,
    expired: runStates,
    skipped: runStates,
  };

  it("I4: whatever comes, in whatever order, states move along the arrows and the first result stays", () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), (events) => {
        let target = fresh;
        let first: Extract<TargetEvent, { is: "returned" }> | undefined;
        let conflicts = 0;
        for (const each of events) {
          const next = advance(target, each);
          if (each.is === "returned") {
            const { state, retcode, ret } = first ?? each;
            const same = each.state === state && each.retcode === retcode && Buffer.from(ret).equals(each.ret);
            expect(conflictOf(target, each)).toBe(!same);
            if (!same) conflicts += 1;
            if (first === undefined) expect(next?.late ?? false).toBe(isTerminal(target.state));
            first ??= each;
          }
          if (next === undefined) continue;
          if (next.state !== target.state) expect(arrows[target.state]).toContain(next.state);
          if (hasResult(target)) expect({ ...next, conflicts: 0 }).toEqual({ ...target, conflicts: 0 });
          else if (isTerminal(target.state)) expect(each.is).toBe("returned");
          target = next;
        }
        expect(hasResult(target)).toBe(first !== undefined);
        expect(target.conflicts ?? 0).toBe(conflicts);
        if (first !== undefined) {
          const { state, retcode, ret, at } = first;
          expect(target).toMatchObject({ state, retcode, ret, ended: at, success: state === "succeeded" });
        }
      }),
    );
  });

  it("ends in the same result wherever else a result is delivered again", () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 20 }), fc.array(fc.nat(), { maxLength: 5 }), (events, wheres) => {
        const first = events.findIndex((each) => each.is === "returned");
        fc.pre(first >= 0);
        const again = [...events];
        for (const where of wheres) {
          const result = events[first] as TargetEvent;
          again.splice(first + 1 + (where % (again.length - first)), 0, result);
        }
        expect(after(...again)).toEqual(after(...events));
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

describe("conflictOf", () => {
  const done = after(returned(1));

  it.each([
    ["no result yet", fresh, returned(1), false],
    ["given up without a word", after({ is: "lost", at: 1, reason: "gone" }), returned(1), false],
    ["the same again, later", done, returned(1, { at: 77 }), false],
    ["other bytes", done, returned(2), true],
    ["another retcode", done, returned(1, { retcode: 3 }), true],
    ["another state", done, returned(1, { state: "killed" }), true],
  ])("%s", (_case, target, event, expected) => {
    if (event.is !== "returned") throw new Error("not a return");
    expect(conflictOf(target, event)).toBe(expected);
  });
});

describe("notAfterOf", () => {
  const job = { created: 1000, notAfter: 61_000, options: {} };
  const batch = { ...job, options: { parallel: 2 } };

  it.each([
    ["the job's own, without batches", job, {}, 61_000],
    ["as long after its turn as the job's is after its creation", batch, { turn: 50_000 }, 110_000],
    ["none before its turn has come", batch, {}, undefined],
  ])("%s", (_case, given, turn, expected) => {
    expect(notAfterOf(given, { ...fresh, ...turn })).toBe(expected);
  });
});

describe("isFailure", () => {
  it("counts what was tried and did not succeed", () => {
    expect(targetStates.filter((state) => isFailure(state))).toEqual([
      "failed",
      "timed_out",
      "killed",
      "lost",
      "expired",
    ]);
  });
});
