/**
 * The whole bus in one thread, history after history (see history.ts). `MSALT_SIM_SEEDS` says how many, `MSALT_SIM_SEED` runs
 * that one alone and prints what happened in it.
 */
import { afterAll, describe, expect, it, vi } from "vitest";
import { bugs } from "./bugs.ts";
import { Fixtures } from "./fixtures.ts";
import { describeOutcome, runHistory } from "./history.ts";
import { joined } from "./signals.ts";
import { World } from "./world.ts";

vi.mock("../../src/transport/channel.ts", async () => (await import("./stand-ins.ts")).transport);
vi.mock("../../src/store/sqlite.ts", async () => (await import("./stand-ins.ts")).sqlite);
vi.mock("../../src/minion/enrol.ts", async () => (await import("./stand-ins.ts")).enrolment);
vi.mock("../../src/lib/child.ts", async () => (await import("./stand-ins.ts")).child);
vi.mock("@msgpack/msgpack", async (real) => (await import("./stand-ins.ts")).withoutDice(await real()));
vi.mock("../../src/crypto/primitives.ts", async (real) => (await import("./stand-ins.ts")).cached(await real()));
vi.mock("../../src/crypto/keys.ts", async (real) => (await import("./stand-ins.ts")).cachedKeys(await real()));

const one = process.env["MSALT_SIM_SEED"];
const seeds = Number(process.env["MSALT_SIM_SEEDS"] ?? 500);
AbortSignal.any = joined;
const fixtures = new Fixtures();
afterAll(() => fixtures.dispose());

/** Lets the real loop turn, of which a history needs nothing. */
const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe.runIf(one !== undefined)("one history", () => {
  it(`of seed ${one}`, { timeout: 600_000 }, async () => {
    const outcome = await runHistory(Number(one), fixtures);
    process.stdout.write(`${describeOutcome(outcome)}\n`);
    expect(outcome.violation).toBeUndefined();
  });
});

describe.runIf(one === undefined)("a simulated bus", () => {
  it("does the same when it is given the same seed", { timeout: 60_000 }, async () => {
    for (const seed of [1, 2, 3, 20]) {
      const [first, second] = [await runHistory(seed, fixtures), await runHistory(seed, fixtures)];
      expect(second).toEqual(first);
    }
  });

  it("I1-I10, J1: keeps its promises", { timeout: 40_000_000 }, async () => {
    for (let seed = 1; seed <= seeds; seed += 1) {
      const { violation } = await runHistory(seed, fixtures);
      expect(violation, `seed ${seed}; to see it: MSALT_SIM_SEED=${seed} npm run sim`).toBeUndefined();
      await breathe();
    }
  });

  it("EN-04: a hello that comes after that of the next process does not throw it out for good", async () => {
    const world = new World(1, fixtures, 1);
    const [minion] = world.minions;
    try {
      world.startMaster();
      await world.clock.pass(100);
      const workers = world.slots.flatMap(({ role, process }) => (role === "worker" ? (process ?? []) : []));
      const [slow, quick] = workers;
      if (minion === undefined || quick === undefined || slow === undefined) throw new Error("too small a world");
      for (const worker of workers) world.clock.freeze(worker);
      world.startMinion(minion);
      await world.clock.pass(100);
      world.crashMinion(minion);
      world.startMinion(minion);
      await world.clock.pass(100);
      world.clock.thaw(quick);
      await world.clock.pass(100);
      world.clock.thaw(slow);
      await world.clock.pass(5000);
      expect(world.trace).toContainEqual(expect.stringContaining("trying again: something newer has been seen"));
      expect(world.trace.at(-1)).toMatch(/ ready$/);
    } finally {
      world.dispose();
    }
  });

  it.each(bugs)("is found out when $name", { timeout: 300_000 }, async (bug) => {
    const seen = new Set<string>();
    for (let seed = 1; seed <= 200; seed += 1) {
      const { violation } = await runHistory(seed, fixtures, bug);
      if (violation !== undefined && bug.found.test(violation)) return;
      if (violation !== undefined) seen.add(violation);
      await breathe();
    }
    expect.fail(`not found in 200 histories${[...seen].map((text) => `; ${text}`).join("")}`);
  });
});
