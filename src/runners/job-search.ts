/** Jobs by what they were: Salt's search arguments over the record, page by page, newest first. */
import { MsaltError } from "../errors.ts";
import { compileGlob } from "../lib/glob.ts";
import type { Jid } from "../wire/ids.ts";
import { timeOf } from "../wire/ids.ts";
import type { JobSummary } from "../wire/local.ts";
import { guessWord } from "../wire/yaml-word.ts";
import type { RunnerContext } from "./runner.ts";

export interface Search {
  readonly metadata?: string | undefined;
  readonly function?: string | undefined;
  readonly target?: string | undefined;
  readonly start?: string | undefined;
  readonly end?: string | undefined;
}

const pageJobs = 1000;

/** Matching jobs, newest first. @throws MsaltError `ERR_FUNCTION_ARGS` for a time or metadata that is none. */
export async function* findJobs({ call, now }: RunnerContext, search: Search = {}): AsyncGenerator<JobSummary> {
  const matches = compileSearch(search);
  const start = search.start === undefined ? 0 : parseTime(search.start, now());
  const end = search.end === undefined ? Infinity : parseTime(search.end, now());
  let before: Jid | undefined;
  for (;;) {
    const { jobs } = await call("job.list", { limit: pageJobs, ...(before !== undefined && { before }) });
    for (const line of jobs) {
      const at = timeOf(line.job.jid);
      if (at < start) return;
      if (at <= end && matches(line)) yield line;
    }
    before = jobs.at(-1)?.job.jid;
    if (jobs.length < pageJobs) return;
  }
}

function compileSearch({ metadata, function: fun, target }: Search): (line: JobSummary) => boolean {
  const byFun = fun === undefined ? () => true : compileGlob(fun);
  const byTarget = target === undefined ? () => true : compileGlob(target);
  const wanted = metadata === undefined ? [] : Object.entries(metadataOf(metadata));
  return ({ job }) =>
    byFun(job.fun) &&
    (byTarget(job.tgt) || (job.tgtType === "list" && job.tgt.split(/[\s,]+/).some(byTarget))) &&
    wanted.every(([key, value]) => {
      const own = job.options.metadata?.[key];
      return String(own) === String(value) || (Array.isArray(own) && own.map(String).includes(String(value)));
    });
}

function metadataOf(given: string): Record<string, unknown> {
  const value = guessWord(given);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new MsaltError("ERR_FUNCTION_ARGS", "search_metadata must be a map, such as '{ticket: 123}'");
}

/** `2026-11-21`, `2026-11-21 10:00`, ISO 8601, Salt's `2026, Nov 21 10:00:00.000000`, or `10:00` of today; UTC. */
export function parseTime(text: string, now: number): number {
  const today = new Date(now).toISOString().slice(0, 10);
  const clock = /^\d{1,2}:\d{2}(?::\d{2})?$/.test(text.trim())
    ? `${today} ${text.trim().padStart(5, "0")}`
    : text.trim();
  const spelt = clock.replace(/^(\d{4}), ([A-Z][a-z]{2}) (\d{1,2})/, "$2 $3, $1");
  const zoned = /Z|[+-]\d{2}:?\d{2}$|GMT|UTC/.test(spelt) ? spelt : `${spelt.replace(/(\.\d{3})\d+$/, "$1")} UTC`;
  const time = Date.parse(/^\d{4}-\d{2}-\d{2} UTC$/.test(zoned) ? zoned.slice(0, 10) : zoned);
  if (!Number.isNaN(time)) return time;
  const hint = "2026-11-21, '2026-11-21 10:00', 10:00 and ISO 8601 are understood";
  throw new MsaltError("ERR_FUNCTION_ARGS", `${JSON.stringify(text)} is no time`, { hint });
}
