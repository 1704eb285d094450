/** When a job is due: intervals by a clock that only rises, cron lines by the machine's. */
import { Cron } from "croner";
import { type ScheduledJob, intervalMs } from "../config/schedule.ts";
import { MsaltError, messageOf } from "../errors.ts";

/** A clock that is put back by less runs nothing twice; after more, what it says now counts. */
const putBackMs = 3_600_000;

export interface Clocks {
  /** Milliseconds, such as `performance.now`. */
  readonly monotonic: () => number;
  /** Milliseconds since 1970, as the machine believes. */
  readonly wall: () => number;
  /** 0 to 1. */
  readonly random: () => number;
}

export interface Timing {
  /** Milliseconds until the job is due; 0 or less: it is. */
  wait(): number;
  /** The job has had its turn. What was missed meanwhile is left out. */
  advance(): void;
}

/** @throws MsaltError `ERR_FUNCTION_ARGS` for a cron line that is none. */
export function timingOf(job: ScheduledJob, clocks: Clocks): Timing {
  const ms = intervalMs(job);
  const timing = ms === undefined ? byCron(job.cron ?? "", clocks) : byInterval(ms, clocks);
  if (job.splay === undefined) return timing;
  const splayMs = job.splay * 1000;
  let off = clocks.random() * splayMs;
  return {
    wait: () => timing.wait() + off,
    advance: () => {
      timing.advance();
      off = clocks.random() * splayMs;
    },
  };
}

function byInterval(ms: number, { monotonic }: Clocks): Timing {
  let due = monotonic() + ms;
  return {
    wait: () => due - monotonic(),
    advance: () => {
      due += ms * (1 + Math.floor(Math.max(0, monotonic() - due) / ms));
    },
  };
}

function byCron(line: string, { wall }: Clocks): Timing {
  const cron = parseCron(line);
  const after = (time: number): number => cron.nextRun(new Date(time))?.getTime() ?? Number.POSITIVE_INFINITY;
  let done = wall();
  let next = after(done);
  if (next === Number.POSITIVE_INFINITY)
    throw new MsaltError("ERR_FUNCTION_ARGS", `cron: no such day ever comes: ${JSON.stringify(line)}`);
  return {
    wait: () => {
      const now = wall();
      if (now < done - putBackMs) done = now;
      if (now < next) next = after(Math.max(done, now));
      return next - now;
    },
    advance: () => {
      done = Math.max(next, wall());
      next = after(done);
    },
  };
}

function parseCron(line: string): Cron {
  try {
    return new Cron(line, { mode: "5-part" });
  } catch (cause) {
    const why = messageOf(cause).replace(/^CronPattern: /, "");
    throw new MsaltError("ERR_FUNCTION_ARGS", `cron: not a cron line of five fields: ${why}`, {}, { cause });
  }
}
