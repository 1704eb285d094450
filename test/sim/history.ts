/** One history: a seed gives the machines, what is asked of them and what befalls them; then all is mended, and must come to its end. */
import { isTerminal } from "../../src/job/state.ts";
import { Ledger } from "../../src/minion/ledger.ts";
import type { LocalLoad } from "../../src/wire/local.ts";
import type { Bug } from "./bugs.ts";
import { Faults } from "./faults.ts";
import { type Fixtures, mostMinions } from "./fixtures.ts";
import { Tool, observe } from "./tool.ts";
import { Violation } from "./watch.ts";
import { World } from "./world.ts";

export interface Outcome {
  readonly seed: number;
  readonly violation: string | undefined;
  readonly trace: readonly string[];
  /** Timers that fired. */
  readonly events: number;
}

const longestRunMs = 20_000;
/** Beyond a job's own time: what is not named in heartbeats any more is given up after a minute of them. */
const graceMs = 120_000;
/** Longer than any batch of a history may take once nothing is broken any more. */
const patienceMs = 1_800_000;
/** What a process may leave to be done later when nothing is to be done. */
const idleTimers = 40;

export async function runHistory(seed: number, fixtures: Fixtures, bug?: Bug): Promise<Outcome> {
  const count = seed % 20 === 0 ? 3 + ((seed / 20) % (mostMinions - 2)) : 3 + (seed % 3);
  const world = new World(seed, fixtures, count);
  const unplant = bug?.plant(world);
  let violation: string | undefined;
  try {
    await new History(world).run();
  } catch (failure) {
    violation = failure instanceof Violation ? failure.message : `the history broke: ${(failure as Error).stack}`;
  } finally {
    unplant?.();
    world.dispose();
  }
  return { seed, violation, trace: world.trace, events: world.clock.fired };
}

class History {
  readonly #world: World;
  readonly #faults: Faults;
  readonly #tools: Tool[] = [];

  constructor(world: World) {
    this.#world = world;
    this.#faults = new Faults(world);
  }

  async run(): Promise<void> {
    const { watch } = this.#world;
    this.#world.startMaster();
    watch.isHeard = observe(this.#world);
    for (const minion of this.#world.minions) {
      // Some come later.
      if (this.#world.random() < 0.9) this.#world.startMinion(minion);
    }
    await this.#pass(this.#world.between(10, 2000));
    await this.#break();
    this.#world.note("all is mended");
    await this.#faults.mend();
    await this.#heal();
    await this.#settle();
  }

  async #break(): Promise<void> {
    const world = this.#world;
    const acts = 5 + Math.floor(world.random() * 10);
    for (let n = 0; n < acts; n += 1) {
      const roll = world.random();
      if (n === 0 || roll < 0.35) await this.#publish();
      else if (roll < 0.4) this.#killJob();
      else if (roll < 0.43) world.pick(this.#tools).kill();
      else await this.#faults.next();
      await this.#pass(world.between(0, world.pick([50, 1000, 5000])));
    }
  }

  async #publish(): Promise<void> {
    const world = this.#world;
    const tool = new Tool(world);
    this.#tools.push(tool);
    tool.publish(this.#load());
    if (world.random() < 0.8) return;
    // What is lost by a crash is lost at the beginning of a run.
    await this.#pass(world.between(1, world.pick([5, 150])));
    await this.#faults.crash();
  }

  #load(): LocalLoad<"publish"> {
    const { random, minions, pick } = this.#world;
    const some = minions.filter(() => random() < 0.5).map(({ id }) => id);
    const isBatch = random() < 0.35;
    const hasBudget = random() < 0.3;
    return {
      ...(some.length > 0 && random() < 0.3 ? { tgt: some.join(","), tgtType: "list" } : { tgt: "*", tgtType: "glob" }),
      fun: random() < 0.8 ? "sim.act" : "sim.look",
      arg: [Math.floor(random() * random() * pick([10, 500, longestRunMs])), random() < 0.15 ? 1 : 0],
      user: "root",
      waitMs: pick([500, 3000, 10_000]),
      ...(random() < 0.9 && { ttlMs: pick([2000, 10_000, 40_000]) }),
      ...(random() < 0.15 && { timeoutMs: pick([100, 3000]) }),
      ...(random() < 0.1 && { subset: pick([1, 2]) }),
      ...(isBatch && { parallel: pick<number | { percent: number }>([1, 2, { percent: 50 }]) }),
      ...(isBatch && random() < 0.3 && { batchWaitMs: pick([500, 5000]) }),
      ...(hasBudget && { failCount: pick([0, 1, 2]), failRate: pick([0, 0.5]) }),
      ...(hasBudget && random() < 0.3 && { failKill: true }),
    };
  }

  #killJob(): void {
    const jids = [...this.#world.records.jobs.keys()];
    if (jids.length === 0) return;
    const tool = new Tool(this.#world);
    this.#tools.push(tool);
    tool.killJob(this.#world.pick(jids));
  }

  async #pass(ms: number): Promise<void> {
    await this.#world.clock.pass(ms);
    this.#world.watch.check();
  }

  /** Until nothing is left to be done; each job within its time (I5). */
  async #heal(): Promise<void> {
    const { clock, watch } = this.#world;
    const healed = clock.now;
    while (!this.#isQuiet()) {
      await this.#pass(5000);
      if (clock.now > healed + patienceMs) watch.fail(`I5: this does not end: ${this.#open().join(", ")}`);
      const late = this.#overdue(healed);
      if (late.length > 0) watch.fail(`I5: late: ${late.join(", ")}`);
      const tool = this.#tools.find(({ end }) => end === undefined);
      if (clock.now > healed + patienceMs / 2 && tool !== undefined)
        watch.fail(`I6: ${tool.process.name} does not end`);
      watch.check();
    }
    await this.#pass(20_000);
  }

  #isQuiet(): boolean {
    const { records } = this.#world;
    const ended = [...records.jobs.values()].every(({ ended }) => ended !== undefined);
    return ended && this.#tools.every(({ end }) => end !== undefined);
  }

  #open(): string[] {
    return [...this.#world.records.jobs.values()].flatMap(({ job, targets, ended }) => {
      const open = job.minions.filter((id) => !isTerminal(targets.get(id)?.state ?? "waiting"));
      if (ended === undefined && open.length === 0) return [`${job.jid} itself`];
      return open.map((id) => `${job.jid} on ${id}: ${targets.get(id)?.state ?? "waiting"}`);
    });
  }

  #overdue(healed: number): string[] {
    const { records, clock } = this.#world;
    return [...records.jobs.values()].flatMap(({ job, targets }) => {
      if (job.options.parallel !== undefined) return [];
      const due = healed + (job.notAfter - job.created) + longestRunMs + graceMs;
      if (clock.now < due) return [];
      return job.minions
        .filter((id) => !isTerminal(targets.get(id)?.state ?? "waiting"))
        .map((id) => `${job.jid} on ${id}: ${targets.get(id)?.state ?? "waiting"}`);
    });
  }

  /** What the minions have written down is what the master has; nobody keeps more than at rest. */
  async #settle(): Promise<void> {
    const { watch, minions, records, clock, slots } = this.#world;
    watch.checkRecords();
    for (const { id, keyId, disk } of minions) {
      if (watch.deleted.has(keyId)) continue;
      const ledger = await Ledger.open("/ledger", { now: () => 0, fs: disk.copy() });
      for (const jid of records.jobs.keys()) {
        const result = ledger.seen(jid) === "done" ? await ledger.result(jid) : undefined;
        if (result === undefined) continue;
        const row = records.target(jid, id);
        const same = row?.state === result.state && row.retcode === result.retcode;
        // A START whose sync failed and could not be cut off again: it did not begin, and would be lost after a crash.
        const never = result.state === "lost" && !watch.executions.has(`${jid}/${id}`);
        if (!same && !never && (row?.conflicts ?? 0) === 0 && !watch.excused.has(`${jid}/${id}`))
          watch.fail(`I3: ${id} has written down ${jid} as ${result.state}, the record has ${row?.state}`);
      }
      await ledger.close();
    }
    for (const process of [...minions, ...slots].flatMap(({ process }) => process ?? [])) {
      const timers = clock.pendingOf(process);
      if (timers > idleTimers) watch.fail(`I9: ${process.name} has ${timers} timers at rest`);
    }
    watch.check();
  }
}

export function describeOutcome({ seed, violation, trace, events }: Outcome): string {
  return [`seed ${seed}: ${violation ?? "no violation"} (${events} events)`, ...trace].join("\n");
}
