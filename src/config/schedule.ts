/** Jobs that a minion runs by itself, as Salt writes them: in its configuration, and in what `schedule.add` keeps. */
import * as z from "zod";
import { flag, text, wait } from "./values.ts";

const amountMessage = "must be a number above 0";
const amount = z.number(amountMessage).positive(amountMessage).max(1e9, "must be at most 1000000000");
const maxrunningMessage = "must be a whole number, 1 to 64";

const seconds = { seconds: 1, minutes: 60, hours: 3600, days: 86_400 } as const;
type Unit = keyof typeof seconds;
const units = Object.keys(seconds) as Unit[];

const fields = {
  function: z.string("must be the name of a function").regex(/^\w+\.\w+$/, "must be one function, such as test.ping"),
  args: z.array(z.unknown(), "must be a list").optional(),
  kwargs: z.record(z.string(), z.unknown(), "must be a map").optional(),
  seconds: amount.optional(),
  minutes: amount.optional(),
  hours: amount.optional(),
  days: amount.optional(),
  cron: text.optional(),
  splay: wait.optional(),
  maxrunning: z.int(maxrunningMessage).min(1, maxrunningMessage).max(64, maxrunningMessage).optional(),
  enabled: flag.optional(),
  return_job: flag.optional(),
  // What Salt writes into every job.
  name: text.optional(),
  jid_include: flag.optional(),
};

export type ScheduledJob = z.infer<z.ZodObject<typeof fields>>;

export const scheduledJob = z
  .strictObject(fields, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? `has no ${issue.keys.join(", ")}; it may have ${Object.keys(fields).join(", ")}`
        : "must be a map that describes a job",
  })
  .superRefine((job, context) => {
    const ms = intervalMs(job);
    const problem =
      ms !== undefined && job.cron !== undefined
        ? 'unable to use "seconds", "minutes", "hours", or "days" with "cron"'
        : ms === undefined && job.cron === undefined
          ? "must say when it runs: seconds, minutes, hours, days or cron"
          : ms !== undefined && ms > 0 && ms < 1000
            ? "must not run more often than once a second"
            : undefined;
    if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
  });

/** From one run to the next, all units together; undefined for a job with a cron line. */
export function intervalMs(job: Readonly<Partial<Record<Unit, number | undefined>>>): number | undefined {
  const given = units.filter((unit) => job[unit] !== undefined);
  return given.length === 0
    ? undefined
    : given.reduce((total, unit) => total + (job[unit] ?? 0) * seconds[unit] * 1000, 0);
}

/** It becomes a part of an event's tag. */
export const jobName = z
  .string()
  .regex(/^[\w.@:+-]{1,64}$/, "must be 1 to 64 letters, digits and . _ @ : + -")
  .refine((name) => !["enabled", "__proto__", ".."].includes(name), "is no name for a job");

/** The key `schedule` of a minion's configuration. `enabled: false` beside the jobs: none of them runs. */
export const schedule = z
  .object({ enabled: flag.optional() }, "must be a map of jobs")
  .catchall(scheduledJob)
  .superRefine((jobs, context) => {
    for (const name of Object.keys(jobs)) {
      const wrong = name === "enabled" ? undefined : jobName.safeParse(name).error?.issues[0];
      if (wrong !== undefined) context.addIssue({ code: "custom", path: [name], message: `its name ${wrong.message}` });
    }
  });
