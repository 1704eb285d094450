import type { Job, Stop, Target } from "../../src/job/types.ts";
import { MsaltError } from "../../src/errors.ts";
import type { Conflict, JobRecord, JobStore, MinionRow, Write } from "../../src/store/job-store.ts";
import type { Jid, MinionId } from "../../src/wire/ids.ts";
import type { Clock } from "./clock.ts";

interface Row {
  readonly job: Job;
  ended?: number;
  stop?: Stop;
  readonly targets: Map<MinionId, Target>;
  readonly conflicts: Map<MinionId, Conflict[]>;
}

type Verdict = "written" | "fails" | "is full";

/** The record in memory: it outlives the process that has it open. A commit takes a while, is whole or not at all, and can fail. */
export class JobRecords {
  readonly jobs = new Map<Jid, Row>();
  readonly minions = new Map<MinionId, MinionRow>();
  readonly grains = new Map<MinionId, Readonly<Record<string, unknown>>>();
  readonly mines = new Map<MinionId, Readonly<Record<string, unknown>>>();
  lastJid: Jid | undefined;
  /** How the next commit goes, and how long it takes. */
  outcome: () => { verdict: Verdict; ms: number } = () => ({ verdict: "written", ms: 0 });
  /** Sees each write before it is made. */
  onWrite: (write: Write, before: Target | undefined) => void = () => undefined;
  /** All of a commit is written. */
  onCommitted: (batch: readonly Write[]) => void = () => undefined;
  /** Plants a fault: it answers before anything is written. */
  isHasty = false;
  /** Plants a fault: it gives no results. */
  isBlind = false;

  open(clock: Clock): JobStore {
    return {
      commit: async (batch) => {
        if (batch.length === 0) return;
        const { verdict, ms } = this.outcome();
        const passes = new Promise<void>((resolve) => clock.schedule(ms, resolve));
        if (this.isHasty) {
          void passes.then(() => this.#apply(batch));
          return;
        }
        await passes;
        if (verdict === "is full") throw new MsaltError("ERR_DISK_FULL", "no room on the simulated disk");
        if (verdict === "fails") throw new MsaltError("ERR_STORE", "the simulated disk fails");
        this.#apply(batch);
      },
      job: async (jid) => recordOf(this.jobs.get(jid)),
      targets: async (jid) => this.#targets(jid).map(withoutResult),
      returns: async (jid, after = -1) => {
        const all = this.isBlind ? [] : this.#targets(jid);
        const end = after + 1 + 3;
        return { targets: all.slice(after + 1, end), next: end < all.length ? end - 1 : undefined };
      },
      return: async (jid, id) => (this.isBlind ? undefined : this.target(jid, id)),
      conflicts: async (jid, id) => this.jobs.get(jid)?.conflicts.get(id) ?? [],
      openJobs: async () =>
        [...this.jobs.values()].filter(({ ended }) => ended === undefined).flatMap((row) => recordOf(row) ?? []),
      jobs: async () => [],
      minions: async () => [...this.minions.values()],
      grains: async (id) => this.grains.get(id),
      mine: async (id) => this.mines.get(id),
      lastJid: async () => this.lastJid,
      purge: async () => 0,
      close: async () => undefined,
    };
  }

  target(jid: Jid, id: MinionId): Target | undefined {
    return this.jobs.get(jid)?.targets.get(id);
  }

  #targets(jid: Jid): Target[] {
    const row = this.jobs.get(jid);
    return row === undefined ? [] : row.job.minions.flatMap((id) => row.targets.get(id) ?? []);
  }

  #row(jid: Jid): Row {
    const row = this.jobs.get(jid);
    if (row === undefined) throw new MsaltError("ERR_STORE", `no job ${jid} in the record`);
    return row;
  }

  #apply(batch: readonly Write[]): void {
    for (const write of batch) {
      this.onWrite(write, write.kind === "target" ? this.target(write.jid, write.target.id) : undefined);
      this.#write(write);
    }
    this.onCommitted(batch);
  }

  #write(write: Write): void {
    switch (write.kind) {
      case "job": {
        const { jid } = write.job;
        this.jobs.set(jid, { job: write.job, targets: new Map(), conflicts: new Map() });
        if (this.lastJid === undefined || jid > this.lastJid) this.lastJid = jid;
        return;
      }
      case "target": {
        const { targets } = this.#row(write.jid);
        // As in the file: a result stays when the row around it is replaced.
        const ret = write.target.ret ?? targets.get(write.target.id)?.ret;
        targets.set(write.target.id, { ...write.target, ...(ret !== undefined && { ret }) });
        return;
      }
      case "conflict": {
        const { conflicts } = this.#row(write.jid);
        conflicts.set(write.id, [...(conflicts.get(write.id) ?? []), { at: write.at, ret: write.ret }]);
        return;
      }
      case "stop":
        this.#row(write.jid).stop = write.stop;
        return;
      case "end":
        this.#row(write.jid).ended = write.at;
        return;
      case "minion":
        this.minions.set(write.minion.id, write.minion);
        return;
      case "grains":
        this.grains.set(write.id, write.grains);
        return;
      case "mine":
        this.mines.set(write.id, write.mine);
        return;
      case "forget":
        for (const map of [this.minions, this.grains, this.mines]) map.delete(write.id);
    }
  }
}

function withoutResult(target: Target): Target {
  const { ret: _, ...rest } = target;
  return rest;
}

function recordOf(row: Row | undefined): JobRecord | undefined {
  if (row === undefined) return undefined;
  const { job, ended, stop } = row;
  return { job, ...(ended !== undefined && { ended }), ...(stop !== undefined && { stop }) };
}
