/** The record of a simulated master: keeps what is committed, and holds each commit against rules of its own. */
import type { Job, Stop, Target, TargetState } from "../../../src/job/types.ts";
import type { Write } from "../../../src/store/job-store.ts";
import type { MinionId } from "../../../src/wire/ids.ts";

export interface Budget {
  readonly failCount?: number | undefined;
  readonly failPercent?: number | undefined;
}

export function require(holds: boolean, rule: string): void {
  if (!holds) throw new Error(rule);
}

/** DESIGN §6, and what a late result may do. Nobody hears from a skipped target again. */
const byRun = ["succeeded", "failed", "timed_out", "killed", "lost"] as const;
const arrows: Readonly<Record<TargetState, readonly TargetState[]>> = {
  waiting: ["sent", "running", ...byRun, "skipped", "expired"],
  sent: ["running", ...byRun, "expired"],
  running: byRun,
  succeeded: [],
  failed: [],
  timed_out: [],
  killed: [],
  lost: byRun,
  expired: byRun,
  skipped: [],
};
const failing: readonly TargetState[] = ["failed", "timed_out", "killed", "lost", "expired"];
const live: readonly TargetState[] = ["waiting", "sent", "running"];
export const isLive = ({ state }: Target): boolean => live.includes(state);
const hasResult = ({ retcode }: Target): boolean => retcode !== undefined;

export class HistoryRecord {
  job: Job | undefined;
  stop: Stop | undefined;
  ended: number | undefined;
  readonly rows = new Map<MinionId, Target>();
  readonly #budget: Budget;
  readonly #began: (id: MinionId) => boolean;

  /** @param began whether this minion has ever begun to run the job */
  constructor(budget: Budget, began: (id: MinionId) => boolean) {
    this.#budget = budget;
    this.#began = began;
  }

  /** A target without a row waits, or was sent a job that is no batch. */
  row(id: MinionId): Target {
    return this.rows.get(id) ?? { id, state: "waiting" };
  }

  /** One transaction: the rules hold after the whole of it. */
  commit(writes: readonly Write[]): void {
    const before = { stop: this.stop, ended: this.ended };
    for (const write of writes) this.#apply(write);
    if (this.job !== undefined) this.#checkAll(this.job, before.stop);
  }

  #apply(write: Write): void {
    if (write.kind === "job") {
      require(this.job === undefined, "I2: a job is accepted once");
      this.job = write.job;
    } else if (write.kind === "target") {
      this.#checkMove(this.row(write.target.id), write.target);
      this.rows.set(write.target.id, write.target);
    } else if (write.kind === "stop") {
      this.stop = write.stop;
    } else if (write.kind === "end") {
      require(this.ended === undefined, "I5: a job ends once");
      this.ended = write.at;
    } else {
      require(write.kind !== "conflict", "I3: a run has one result");
    }
  }

  #checkMove(from: Target, to: Target): void {
    const arrow = `${from.state} -> ${to.state}`;
    require(this.job?.minions.includes(to.id) === true, "I1: only targets have rows");
    require(from.state === to.state || arrows[from.state].includes(to.state), `I4: ${arrow}`);
    require(from.turn === undefined || from.turn === to.turn, "I4: a turn stays");
    if (hasResult(from)) {
      const same = from.state === to.state && from.retcode === to.retcode && from.ret === to.ret;
      require(same, "I3: the first result stays");
    } else if (hasResult(to)) {
      require((to.late === true) === !isLive(from), "I4: late is what comes for a target that was given up");
    } else if (!isLive(to)) {
      require(to.reason !== undefined && to.ended !== undefined, "I4: who is given up has a reason and a time");
    }
    if (to.state === "skipped" || to.unreachable === true)
      require(!this.#began(to.id), `I1: ${to.unreachable === true ? "unreachable" : "skipped"}, and it ran`);
    if (to.state === "expired") this.#checkExpiry(from, to);
  }

  #checkExpiry(from: Target, to: Target): void {
    const deadline = this.deadline(to);
    require(deadline !== undefined && (to.ended ?? 0) > deadline, "I4: expired before its time");
    if (this.job?.options.parallel !== undefined)
      require((to.unreachable === true) === (from.state === "waiting"), "I4: unreachable is who was never sent to");
  }

  /** Until when it may begin; undefined before its turn. */
  deadline({ turn }: Target): number | undefined {
    if (this.job === undefined) return undefined;
    const ttl = this.job.notAfter - this.job.created;
    if (this.job.options.parallel === undefined) return this.job.created + ttl;
    return turn === undefined ? undefined : turn + ttl;
  }

  #checkAll(job: Job, stopBefore: Stop | undefined): void {
    const targets = job.minions.map((id) => this.row(id));
    const over = targets.every((target) => !isLive(target));
    require(over === (this.ended !== undefined), "I5: a job ends with its last target");
    const failed = targets.filter(({ state }) => failing.includes(state)).length;
    const allowed = this.#allowed(targets.length);
    if (failed > allowed) require(this.stop !== undefined, "budget: spent, and the job goes on");
    if (this.stop === undefined) return;
    const bySpending = this.stop.reason.includes("more than the");
    if (stopBefore === undefined && bySpending) {
      require(failed > allowed, "budget: stopped, and it was not spent");
      require(this.stop.reason.startsWith(`${failed} of ${targets.length} `), "budget: the reason counts the failures");
      require((this.stop.signal !== undefined) === (job.options.failKill === true), "budget: kills only when asked");
    }
    const mayBegin = job.options.parallel !== undefined && targets.some(({ state }) => state === "waiting");
    require(!mayBegin, "stop: a target still waits");
  }

  #allowed(targets: number): number {
    const { failCount, failPercent } = this.#budget;
    if (failCount === -1 || (failCount === undefined && failPercent === undefined)) return Infinity;
    const byRate = Number((BigInt(failPercent ?? 0) * BigInt(targets)) / 100n);
    return byRate > (failCount ?? 0) ? byRate : (failCount ?? 0);
  }
}
