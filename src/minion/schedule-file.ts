import { readFileSync, renameSync } from "node:fs";
import * as z from "zod";
import { scheduledJob } from "../config/schedule.ts";
import { MsaltError, messageOf } from "../errors.ts";
import { replaceFile } from "../lib/replace-file.ts";
import type { Log } from "../log/log.ts";

const maxBytes = 1_048_576;

const change = z.strictObject({
  /** Of all jobs; left out: as the configuration says. */
  enabled: z.boolean().optional(),
  /** Added and changed ones whole; null: taken away. */
  jobs: z.record(z.string(), z.union([scheduledJob, z.null()])),
  /** Turned on or off, whoever else describes the job. */
  switched: z.record(z.string(), z.boolean()),
});

/** What was changed of the schedule while the minion ran; it lies over the configuration. */
export type ScheduleChange = Readonly<z.infer<typeof change>>;

const noChange: ScheduleChange = { jobs: {}, switched: {} };

/** A file that cannot be understood is put aside: a minion without these jobs can still be told them again. */
export function loadSchedule(file: string, log: Pick<Log, "error">): ScheduleChange {
  try {
    return change.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch (failure) {
    if ((failure as NodeJS.ErrnoException).code === "ENOENT") return noChange;
    const aside = `${file}.damaged`;
    log.error("cannot read the schedule, going on without it", { file, aside, failure: messageOf(failure) });
    renameSync(file, aside);
    return noChange;
  }
}

/** Old or new, never a part of it. */
export async function saveSchedule(file: string, schedule: ScheduleChange): Promise<void> {
  const text = `${JSON.stringify(schedule, undefined, 2)}\n`;
  if (Buffer.byteLength(text) > maxBytes)
    throw new MsaltError("ERR_FUNCTION_ARGS", `the schedule would be larger than ${maxBytes} bytes`);
  await replaceFile(file, text);
}
