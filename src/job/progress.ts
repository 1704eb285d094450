import { isTerminal } from "./state.ts";
import { type Job, type Target, type TargetState, targetStates } from "./types.ts";

export type StateCounts = Readonly<Record<TargetState, number>>;

/** How many targets of the job are in each state; a target without a row is waiting. */
export function countStates(job: Pick<Job, "minions">, targets: readonly Pick<Target, "state">[]): StateCounts {
  const counts = Object.fromEntries(targetStates.map((state) => [state, 0])) as Record<TargetState, number>;
  for (const { state } of targets) counts[state] += 1;
  counts.waiting += job.minions.length - targets.length;
  return counts;
}

/** True when no target can change any more but by a late result. */
export function isDone(counts: StateCounts): boolean {
  return targetStates.every((state) => isTerminal(state) || counts[state] === 0);
}
