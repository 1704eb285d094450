import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type LinkState, planBatch } from "../../../src/job/batch.ts";
import { isTerminal } from "../../../src/job/state.ts";
import { type Target, targetStates } from "../../../src/job/types.ts";
import type { MinionId } from "../../../src/wire/ids.ts";

const now = 100_000;
const idOf = (n: number): MinionId => `m${n}` as MinionId;
const plan = (
  parallel: number,
  states: (Target["state"] | Partial<Target>)[],
  links: LinkState[] = [],
  batchWaitMs = 0,
) => {
  const targets = states.map((state, n): Target => ({
    id: idOf(n),
    ...(typeof state === "string" ? { state } : { state: "waiting", ...state }),
  }));
  const linkOf = (id: MinionId): LinkState => links[Number(id.slice(1))] ?? "up";
  return planBatch({ parallel, batchWaitMs }, targets, now, linkOf);
};

describe("planBatch", () => {
  it("sends to the first that wait, as many as there are places", () => {
    expect(plan(2, ["running", "waiting", "waiting"])).toEqual({ send: ["m1"], passed: [] });
    expect(plan(1, ["sent", "waiting"])).toEqual({ send: [], passed: [] });
    expect(plan(5, ["succeeded", "failed", "waiting", "waiting"]).send).toEqual(["m2", "m3"]);
  });

  it("passes over who is away, once, and waits for who may be coming back", () => {
    const links: LinkState[] = ["away", "returning", "up", "up"];
    expect(plan(1, ["waiting", "waiting", "waiting", "waiting"], links)).toEqual({ send: ["m2"], passed: ["m0"] });
    expect(plan(1, [{ turn: 5 }, "waiting", "sent", "waiting"], links)).toEqual({ send: [], passed: [] });
    expect(plan(1, [{ turn: 5 }, "running", "waiting"]).send).toEqual([]);
    expect(plan(2, [{ turn: 5 }, "running", "waiting"]).send).toEqual(["m0"]);
  });

  it("counts who was sent the job and is away only when it runs", () => {
    expect(plan(1, ["sent", "waiting"], ["away"]).send).toEqual(["m1"]);
    expect(plan(1, ["sent", "waiting"], ["returning"]).send).toEqual([]);
    expect(plan(1, ["running", "waiting"], ["away"]).send).toEqual([]);
  });

  it("leaves a freed place empty for a while, and says until when; what never had a place frees none", () => {
    const ended = { state: "succeeded", ended: now - 400 } as const;
    expect(plan(1, [ended, "waiting"], [], 1000)).toEqual({ send: [], passed: [], wakeAt: now + 600 });
    expect(plan(1, [{ ...ended, ended: now - 1000 }, "waiting"], [], 1000).send).toEqual(["m1"]);
    expect(plan(1, [{ ...ended, state: "skipped" }, "waiting"], [], 1000).send).toEqual(["m1"]);
    expect(plan(1, [{ ...ended, state: "expired", unreachable: true }, "waiting"], [], 1000).send).toEqual(["m1"]);
  });

  it("never exceeds the window, never skips who is there, and sends in order", () => {
    const target = fc.record({
      state: fc.constantFrom(...targetStates),
      link: fc.constantFrom<LinkState>("up", "returning", "away"),
      ended: fc.integer({ min: now - 2000, max: now }),
    });
    fc.assert(
      fc.property(
        fc.array(target, { maxLength: 40 }),
        fc.integer({ min: 1, max: 10 }),
        fc.constantFrom(0, 1000),
        (all, parallel, wait) => {
          const links = all.map(({ link }) => link);
          const { send } = plan(
            parallel,
            all.map(({ state, ended }) => ({ state, ended })),
            links,
            wait,
          );
          const taken = all.filter(({ state, link, ended }) => {
            if (state === "running" || (state === "sent" && link !== "away")) return true;
            return isTerminal(state) && state !== "skipped" && ended + wait > now;
          }).length;
          const there = all.flatMap(({ state, link }, n) => (state === "waiting" && link === "up" ? [idOf(n)] : []));
          expect(send).toEqual(there.slice(0, Math.max(0, parallel - taken)));
        },
      ),
    );
  });

  it("agrees with a plan counted from the start: who is sent, who is passed over, and when the next place is free", () => {
    const drawn = fc.record({
      state: fc.constantFrom(...targetStates),
      link: fc.constantFrom<LinkState>("up", "returning", "away"),
      hadTurn: fc.boolean(),
      never: fc.boolean(),
      ago: fc.nat(30),
    });
    fc.assert(
      fc.property(
        fc.array(drawn, { maxLength: 20 }),
        fc.integer({ min: 1, max: 8 }),
        fc.nat(20),
        (all, parallel, wait) => {
          const targets = all.map(({ state, hadTurn, never, ago }): Partial<Target> & { state: Target["state"] } => ({
            state,
            ...(hadTurn && { turn: now - 50 }),
            ...(state === "expired" && never && { unreachable: true as const }),
            ...(isTerminal(state) && { ended: now - ago }),
          }));
          const linkOf = (n: number): LinkState => all[n]?.link ?? "away";
          const freeAt = targets.flatMap(({ state, unreachable, ended }) =>
            ended === undefined || state === "skipped" || unreachable === true || now - ended >= wait
              ? []
              : [ended + wait],
          );
          const held = targets.filter(
            ({ state }, n) => state === "running" || (state === "sent" && linkOf(n) !== "away"),
          );
          const free = Math.max(0, parallel - held.length - freeAt.length);
          const queue = targets.flatMap(({ state, turn }, n) => (state === "waiting" ? [{ n, turn }] : []));
          const up = queue.filter(({ n }) => linkOf(n) === "up");
          const passed = queue.filter(
            ({ n, turn }) =>
              linkOf(n) === "away" && turn === undefined && up.filter((other) => other.n < n).length < free,
          );
          expect(
            plan(
              parallel,
              targets,
              all.map(({ link }) => link),
              wait,
            ),
          ).toEqual({
            send: up.slice(0, free).map(({ n }) => idOf(n)),
            passed: passed.map(({ n }) => idOf(n)),
            ...(freeAt.length > 0 && { wakeAt: Math.min(...freeAt) }),
          });
        },
      ),
    );
  });

  it("plans a thousand targets", () => {
    const states = Array.from({ length: 1000 }, () => "waiting" as const);
    expect(plan(100, states).send).toEqual(states.slice(0, 100).map((_, n) => idOf(n)));
  });
});
