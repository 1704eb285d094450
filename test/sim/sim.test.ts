/**
 * The whole bus in one thread, history after history (see history.ts). `MSALT_SIM_SEEDS` says how many, `MSALT_SIM_SEED` runs
 * that one alone and prints what happened in it.
 */
import { afterAll, describe, expect, it, vi } from "vitest";
import { bugs } from "./bugs.ts";
import { Fixtures } from "./fixtures.ts";
import { describeOutcome, runHistory } from "./history.ts";

vi.mock("../../src/transport/channel.ts", async () => (await import("./stand-ins.ts")).transport);
vi.mock("../../src/store/sqlite.ts", async () => (await import("./stand-ins.ts")).sqlite);
vi.mock("../../src/minion/enrol.ts", async () => (await import("./stand-ins.ts")).enrolment);
vi.mock("../../src/lib/child.ts", async () => (await import("./stand-ins.ts")).child);
vi.mock("@msgpack/msgpack", async (real) => (await import("./stand-ins.ts")).withoutDice(await real()));
vi.mock("../../src/crypto/primitives.ts", async (real) => (await import("./stand-ins.ts")).cached(await real()));
vi.mock("../../src/crypto/keys.ts", async (real) => (await import("./stand-ins.ts")).cachedKeys(await real()));

const one = process.env["MSALT_SIM_SEED"];
const seeds = Number(process.env["MSALT_SIM_SEEDS"] ?? 500);
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
