import type { OpenJob } from "../../job/open-job.ts";
import { isTerminal, type TargetEvent } from "../../job/state.ts";
import type { Stop, Target } from "../../job/types.ts";
import { failpoint } from "../../lib/failpoint.ts";
import type { Jid, MinionId } from "../../wire/ids.ts";

/** The jobs that have not ended, in memory, and which minion has something left in which of them. */
export class OpenJobs {
  readonly #jobs = new Map<Jid, OpenJob>();
  /** Jobs in which a minion's target is not terminal. */
  readonly #byMinion = new Map<MinionId, Set<Jid>>();

  get(jid: Jid): OpenJob | undefined {
    return this.#jobs.get(jid);
  }

  all(): Iterable<OpenJob> {
    return this.#jobs.values();
  }

  /** False when this is not how the job stands any more. */
  isCurrent(open: OpenJob): boolean {
    return this.#jobs.get(open.job.jid) === open;
  }

  /** Jids of a minion's jobs, as they are now. */
  jidsOf(id: MinionId): ReadonlySet<Jid> {
    return new Set(this.#byMinion.get(id));
  }

  /** Jobs in which this minion has something left, oldest first; of these jids only, where they are given. */
  *of(id: MinionId, only?: ReadonlySet<Jid>): Iterable<OpenJob> {
    for (const jid of this.#byMinion.get(id) ?? []) {
      const open = this.#jobs.get(jid);
      if (open !== undefined && only?.has(jid) !== false) yield open;
    }
  }

  add(open: OpenJob): void {
    this.#jobs.set(open.job.jid, open);
    for (const target of open.targets.values()) this.#track(open.job.jid, target);
  }

  delete(jid: Jid): void {
    this.#jobs.delete(jid);
  }

  clear(): void {
    this.#jobs.clear();
    this.#byMinion.clear();
  }

  /** Moves one target; undefined when the event changes nothing. The caller writes what it gets. */
  apply(open: OpenJob, id: MinionId, event: TargetEvent): Target | undefined {
    failpoint("state.move");
    const next = open.apply(id, event);
    if (next !== undefined) this.#track(open.job.jid, next);
    return next;
  }

  /** From now on no target of this job begins; those that never will. */
  halt(open: OpenJob, stop: Stop): Target[] {
    const skipped = open.halt(stop);
    for (const target of skipped) this.#track(open.job.jid, target);
    return skipped;
  }

  #track(jid: Jid, { id, state }: Target): void {
    const jids = this.#byMinion.get(id) ?? new Set<Jid>();
    if (isTerminal(state)) jids.delete(jid);
    else jids.add(jid);
    if (jids.size > 0) this.#byMinion.set(id, jids);
    else this.#byMinion.delete(id);
  }
}
