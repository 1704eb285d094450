import type { Job, Target, TargetState } from "./types.ts";
export function countStates(job: Job, targets: readonly Target[]): Partial<Record<TargetState, number>> {
  const n: Partial<Record<TargetState, number>> = { waiting: job.minions.length - targets.length };
  for (const t of targets) n[t.state] = (n[t.state] ?? 0) + 1;
  return n;
}
