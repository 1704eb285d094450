/** How far a job is, in numbers and in one line. Pure. */
import { failures, noFailures, recount, type Tally } from "./budget.ts";
import { isTerminal } from "./state.ts";
import type { Target } from "./types.ts";

export interface Counts extends Tally {
  readonly total: number;
  /** Terminal, however they ended. */
  readonly done: number;
  readonly skipped: number;
  /** Sent or running. */
  readonly running: number;
  readonly waiting: number;
}

export function countsOf(targets: Iterable<Target>): Counts {
  let tally = noFailures;
  const counts = { total: 0, done: 0, skipped: 0, running: 0, waiting: 0 };
  for (const target of targets) {
    const { id, state } = target;
    counts.total += 1;
    if (state === "waiting") counts.waiting += 1;
    else if (!isTerminal(state)) counts.running += 1;
    else counts.done += 1;
    if (state === "skipped") counts.skipped += 1;
    tally = recount(tally, { id, state: "waiting" }, target);
  }
  return { ...counts, ...tally };
}

/** `812/1000 done · 3 failed · 40 running · 145 waiting · eta 2m 10s`; what is 0 is left out. */
export function statusText(counts: Counts, elapsedMs: number): string {
  const { total, done, skipped, running, waiting } = counts;
  const parts: [number, string][] = [
    [failures(counts), "failed"],
    [skipped, "skipped"],
    [running, "running"],
    [waiting, "waiting"],
  ];
  const shown = parts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  const worked = done - skipped;
  const left = total - done;
  const eta = worked > 0 && left > 0 ? [`eta ${duration((elapsedMs / worked) * left)}`] : [];
  return [`${done}/${total} done`, ...shown, ...eta].join(" · ");
}

function duration(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  if (hours > 0) return `${hours}h ${minutes}m`;
  return minutes > 0 ? `${minutes}m ${seconds % 60}s` : `${seconds}s`;
}
