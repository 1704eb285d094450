import type { JobRecord, JobStore, MinionRow, Write } from "./job-store.ts";
import type { Target } from "../job/types.ts";
import type { Jid, MinionId } from "../wire/ids.ts";
export async function openSqliteStore(_file: string): Promise<JobStore> {
  const jobs = new Map<Jid, JobRecord>(); const t = new Map<Jid, Map<MinionId, Target>>(); const m = new Map<MinionId, MinionRow>();
  return {
    async commit(batch: readonly Write[]) {
      for (const w of batch) {
        if (w.kind === "job") { jobs.set(w.job.jid, { job: w.job }); t.set(w.job.jid, new Map()); }
        if (w.kind === "target") t.get(w.jid)?.set(w.target.id, w.target);
        if (w.kind === "end") jobs.set(w.jid, { ...(jobs.get(w.jid) as JobRecord), ended: w.at });
        if (w.kind === "minion") m.set(w.minion.id, w.minion);
      }
    },
    async job(j) { return jobs.get(j); },
    async targets(j) { return [...(t.get(j)?.values() ?? [])].map(({ ret: _, ...x }) => x); },
    async returns(j) { return { targets: [...(t.get(j)?.values() ?? [])], next: undefined }; },
    async return(j, id) { return t.get(j)?.get(id); },
    async openJobs() { return [...jobs.values()].filter((j) => j.ended === undefined); },
    async jobs() { return [...jobs.values()].toReversed(); },
    async minions() { return [...m.values()]; },
    async grains() { return undefined; },
    async lastJid() { return undefined; },
    async purge() { return 0; },
    async close() {},
  };
}
