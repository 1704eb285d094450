import { hasResult } from "./state.ts";
import type { Job, Target } from "./types.ts";

/**
 * The exit code of a job, from the record alone (DESIGN §8, P8): 0 all good, 1 some failed or did not return, 2 nothing matched
 * or nothing came back. Names without an accepted key did not return either.
 */
export function exitOf(job: Pick<Job, "minions" | "missing">, targets: readonly Target[]): 0 | 1 | 2 {
  const results = targets.filter((target) => hasResult(target));
  if (results.length === 0) return 2;
  const all = results.length === job.minions.length + job.missing.length;
  return all && results.every(({ state, retcode }) => state === "succeeded" && retcode === 0) ? 0 : 1;
}
