import type { Job, Target, TargetState } from "./types.ts";

/** How many targets of a job are in each state; those without a row of their own are `waiting`. */
export function countStates(job: Job, targets: readonly Target[]): Partial<Record<TargetState, number>> {
  const counts: Partial<Record<TargetState, number>> = {};
  const unwritten = job.minions.length - targets.length;
  if (unwritten > 0) counts.waiting = unwritten;
  for (const { state } of targets) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}
