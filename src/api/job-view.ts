/** Jobs and targets as the API shows them. */
import * as z from "zod";
import { countsOf } from "../job/progress.ts";
import type { Job, Stop, Target } from "../job/types.ts";
import { targetStates } from "../job/types.ts";
import { decode, resultScan } from "../wire/codec.ts";
import { splitArg } from "../wire/args.ts";
import type { JobSummary, JobView, TargetView } from "../wire/local.ts";
import { iso, time, timed } from "./fields.ts";

const options = z.object({
  timeout: z.number().optional(),
  parallel: z.int().optional(),
  batch_wait: z.number().optional(),
  fail_count: z.int().optional(),
  fail_rate: z.number().optional(),
  fail_kill: z.literal(true).optional(),
});

const stopShape = z.object({ at: time, reason: z.string() });

const common = {
  jid: z.string(),
  user: z.string(),
  fun: z.string(),
  arg: z.array(z.unknown()),
  kwarg: z.record(z.string(), z.unknown()),
  tgt: z.string(),
  tgt_type: z.string(),
  created: time,
  not_after: time,
  ended: time.optional(),
  stop: stopShape.optional(),
  options,
  metadata: z.record(z.string(), z.unknown()).optional(),
  missing: z.array(z.string()),
};

export const jobShape = z.object({ ...common, targets: z.int() });

const counts = z.object({
  total: z.int(),
  done: z.int(),
  running: z.int(),
  waiting: z.int(),
  skipped: z.int(),
  succeeded: z.int(),
  failed: z.int(),
});

const targetShape = z.object({
  id: z.string(),
  state: z.enum(targetStates),
  reason: z.string().optional(),
  started: time.optional(),
  ended: time.optional(),
  retcode: z.int().optional(),
  success: z.boolean().optional(),
  late: z.literal(true).optional(),
  connected: z.boolean().optional(),
});

export const recordShape = z.object({ ...common, counts, targets: z.array(targetShape) });

type Facts = Readonly<Record<string, unknown>>;

const seconds = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms / 1000);

function defined(values: Facts): Facts {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

function viewOf(job: Omit<Job, "minions">, { ended, stop }: { ended?: number; stop?: Stop }): Facts {
  const { options: given } = job;
  const { arg, kwarg } = job.fun.includes(",") ? { arg: job.arg, kwarg: {} } : splitArg(job.arg);
  return {
    jid: job.jid,
    user: job.user,
    fun: job.fun,
    arg,
    kwarg,
    tgt: job.tgt,
    tgt_type: job.tgtType,
    created: iso(job.created),
    not_after: iso(job.notAfter),
    ...timed("ended", ended),
    ...(stop !== undefined && { stop: { at: iso(stop.at), reason: stop.reason } }),
    options: defined({
      timeout: seconds(given.timeoutMs),
      parallel: given.parallel,
      batch_wait: seconds(given.batchWaitMs),
      fail_count: given.failCount,
      fail_rate: given.failRate,
      fail_kill: given.failKill,
    }),
    ...(given.metadata !== undefined && { metadata: given.metadata }),
    missing: job.missing,
  };
}

export function summaryOf({ job, targets, ...rest }: JobSummary): Facts {
  return { ...viewOf(job, rest), targets };
}

export function countedOf(view: JobView, targets: readonly Target[]): Facts {
  const { total, done, running, waiting, skipped } = countsOf(targets);
  const succeeded = targets.filter(({ state }) => state === "succeeded").length;
  const failed = done - succeeded - skipped;
  return {
    ...viewOf(view.job, view),
    counts: { total, done, running, waiting, skipped, succeeded, failed },
    targets: view.job.minions.length,
  };
}

export function recordOf(view: JobView, targets: readonly TargetView[]): Facts {
  return { ...countedOf(view, targets), targets: targets.map(targetOf) };
}

export function targetOf(target: TargetView): Facts {
  const { id, state, reason, started, ended, retcode, success, late, link } = target;
  const times = { ...timed("started", started), ...timed("ended", ended) };
  return { id, state, ...defined({ reason, ...times, retcode, success, late, connected: link?.connected }) };
}

/** The stored result of a target, decoded; what it has none of says so. */
export function valueOf({ ret }: Target): unknown {
  if (ret === undefined) return undefined;
  try {
    return decode(ret, resultScan);
  } catch {
    return "The stored result cannot be read.";
  }
}
