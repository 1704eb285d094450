/** A job that has not ended, and what follows from each thing that happens to it. No clock, no I/O; `at` is ms since 1970. */
import type { MinionId } from "../wire/ids.ts";
import { type LinkState, type Plan, planBatch } from "./batch.ts";
import { allowedFailures, failures, noFailures, recount, spentText, type Tally } from "./budget.ts";
import { advance, isTerminal, type TargetEvent } from "./state.ts";
import type { Job, Stop, Target } from "./types.ts";

const nothing: Plan = { send: [], passed: [] };

export class OpenJob {
  readonly job: Job;
  /** Results left out: they are in the store. */
  readonly targets: Map<MinionId, Target>;
  /** Targets that are not terminal. */
  openCount = 0;
  stop: Stop | undefined;
  /** Number of its last event. */
  sequence = 0;
  #tally: Tally = noFailures;
  readonly #allowed: number | undefined;

  /** @param rows of those targets that the record has rows of */
  constructor(job: Job, rows: readonly Target[], stop?: Stop) {
    this.job = job;
    this.stop = stop;
    this.targets = new Map(job.minions.map((id) => [id, { id, state: "waiting" } satisfies Target as Target]));
    this.#allowed = allowedFailures(job.options, job.minions.length);
    for (const row of rows) this.targets.set(row.id, row);
    for (const target of this.targets.values()) {
      if (!isTerminal(target.state)) this.openCount += 1;
      this.#tally = recount(this.#tally, { id: target.id, state: "waiting" }, target);
    }
  }

  /** Moves one target; the row to write, or undefined when the event changes nothing. */
  apply(id: MinionId, event: TargetEvent): Target | undefined {
    const before = this.targets.get(id);
    const next = before === undefined ? undefined : advance(before, event);
    if (next !== undefined) this.put(next);
    return next;
  }

  /** A row as the record has it now. */
  put(next: Target): void {
    const before = this.targets.get(next.id);
    if (before === undefined) return;
    const { ret: _, ...kept } = next;
    this.targets.set(next.id, kept);
    this.#tally = recount(this.#tally, before, kept);
    if (isTerminal(next.state) && !isTerminal(before.state)) this.openCount -= 1;
  }

  /** The stop that follows when the failure budget is spent; undefined when it is not, or the job is stopped already. */
  spent(at: number): Stop | undefined {
    const { options, minions } = this.job;
    if (this.stop !== undefined || this.#allowed === undefined || failures(this.#tally) <= this.#allowed)
      return undefined;
    const reason = spentText(options, this.#tally, minions.length);
    return { at, reason, ...(options.failKill === true && { signal: termSignal }) };
  }

  /** From now on no target begins; the rows of those that never will. */
  halt(stop: Stop): Target[] {
    this.stop = stop;
    const waiting = [...this.targets.values()].filter(({ state }) => state === "waiting");
    return waiting.flatMap(({ id }) => this.apply(id, { is: "skipped", at: stop.at, reason: stop.reason }) ?? []);
  }

  /** Who may begin now; nobody in a job that is stopped, or that is no batch. */
  plan(now: number, linkOf: (id: MinionId) => LinkState): Plan {
    if (this.stop !== undefined || this.job.options.parallel === undefined) return nothing;
    return planBatch(this.job.options, this.targets.values(), now, linkOf);
  }
}

export const termSignal = 15;
