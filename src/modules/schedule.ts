/** `schedule`: jobs that the minion runs by itself. Names, parameters and returns are Salt's. */
import * as z from "zod";
import { MsaltError } from "../errors.ts";
import { yaml } from "../output/yaml.ts";
import { type AnyFunction, declare, type Host } from "./declare.ts";

type Job = Readonly<Record<string, unknown>>;

const name = z.string().min(1).describe("of the job");
const test = z.boolean().default(false).describe("only say what would be done");
const fields = z
  .record(z.string(), z.unknown())
  .describe(
    "function, job_args, job_kwargs, seconds, minutes, hours, days, cron, splay, maxrunning, enabled, return_job",
  );
const timings = ["seconds", "minutes", "hours", "days", "cron"];

interface Verdict {
  readonly comment: string | readonly string[];
  readonly result: boolean;
  readonly changes: Readonly<Record<string, unknown>>;
}

const no = (comment: string): Verdict => ({ comment, result: false, changes: {} });
const would = (comment: string | readonly string[]): Verdict => ({ comment, result: true, changes: {} });
const noJob = (job: string): Verdict => no(`Job ${job} does not exist.`);

/** As a schedule has it: `schedule.add` calls the arguments of the function otherwise. */
function asWritten({ job_args: args, job_kwargs: kwargs, ...rest }: Job): Job {
  return { ...rest, ...(args !== undefined && { args }), ...(kwargs !== undefined && { kwargs }) };
}

/** What a job says of the times at which it runs is replaced as a whole. */
function modified(before: Job, change: Job): Job {
  const retimed = timings.some((key) => key in change);
  const kept = Object.entries(before).filter(([key]) => !retimed || !timings.includes(key));
  const after = Object.entries({ ...Object.fromEntries(kept), ...change });
  return Object.fromEntries(after.filter(([, value]) => value !== null && value !== undefined));
}

/** A job that cannot be is an answer, in one line, as in Salt. */
async function orNo(work: () => Promise<Verdict>): Promise<Verdict> {
  try {
    return await work();
  } catch (failure) {
    if (failure instanceof MsaltError && failure.code === "ERR_FUNCTION_ARGS") return no(failure.message);
    throw failure;
  }
}

function changing<P extends z.ZodObject>(
  name: string,
  summary: string,
  example: string,
  params: P,
  run: (args: z.infer<P>, host: Host) => Promise<unknown>,
  keywords?: keyof z.infer<P> & string,
): AnyFunction {
  return declare({
    name: `schedule.${name}`,
    summary,
    examples: [`msalt '*' schedule.${name} ${example}`.trimEnd()],
    params,
    effects: "some",
    run,
    ...(keywords !== undefined && { keywords }),
  });
}

function looking<P extends z.ZodObject>(
  name: string,
  summary: string,
  example: string,
  params: P,
  run: (args: z.infer<P>, host: Host) => Promise<unknown>,
): AnyFunction {
  const examples = [`msalt '*' schedule.${name} ${example}`.trimEnd()];
  return declare({ name: `schedule.${name}`, summary, examples, params, effects: "none", run });
}

/** With `enabled` beside the jobs when none of them runs, as in Salt. */
function listed({ schedule }: Host, choose: (name: string, job: Job) => boolean): Job {
  const jobs = Object.fromEntries([...schedule.jobs()].filter(([each, job]) => choose(each, job)));
  return schedule.enabled ? jobs : { ...jobs, enabled: false };
}

const isShown = (each: string): boolean => !each.startsWith("__");

const add = changing(
  "add",
  "Add a job to the schedule.",
  "job1 function=cmd.run job_args=\"['uptime']\" seconds=3600",
  z.strictObject({ name, test, fields }),
  async ({ name, test, fields }, { schedule }) =>
    orNo(async () => {
      if (schedule.jobs().has(name)) return no(`Job ${name} already exists in schedule.`);
      const job = { maxrunning: 1, name, enabled: true, jid_include: true, ...asWritten(fields) };
      schedule.check(name, job);
      if (test) return would(`Job: ${name} would be added to schedule.`);
      await schedule.put(name, job);
      return { comment: `Added job: ${name} to schedule.`, result: true, changes: { [name]: "added" } };
    }),
  "fields",
);

const modify = changing(
  "modify",
  "Change a job of the schedule; what is not named stays, None takes it away.",
  "job1 seconds=600",
  z.strictObject({ name, test, fields }),
  async ({ name, test, fields }, { schedule }) =>
    orNo(async () => {
      const before = schedule.jobs().get(name);
      if (before === undefined) return no(`Job ${name} does not exist in schedule.`);
      const after = modified(before, asWritten(fields));
      schedule.check(name, after);
      if (isSame(before, after)) return would(`Job ${name} in correct state`);
      const changes = { [name]: { old: before, new: after } };
      if (test) return { comment: `Job: ${name} would be modified in schedule.`, result: true, changes };
      await schedule.put(name, after);
      return { comment: `Modified job: ${name} in schedule.`, result: true, changes };
    }),
  "fields",
);

function isSame(before: Job, after: Job): boolean {
  const written = (job: Job): string => JSON.stringify(Object.entries(job).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return written(before) === written(after);
}

const remove = changing(
  "delete",
  "Delete a job from the schedule.",
  "job1",
  z.strictObject({ name, test }),
  async ({ name, test }, { schedule }) => {
    if (test) return would(`Job: ${name} would be deleted from schedule.`);
    if (!schedule.jobs().has(name)) return noJob(name);
    await schedule.remove([name]);
    return { comment: `Deleted Job ${name} from schedule.`, result: true, changes: { [name]: "removed" } };
  },
);

const purge = changing(
  "purge",
  "Delete all jobs from the schedule.",
  "",
  z.strictObject({ test }),
  async ({ test }, { schedule }) => {
    const names = [...schedule.jobs().keys()].filter(isShown);
    if (test) return would(names.map((each) => `Job: ${each} would be deleted from schedule.`));
    await schedule.remove(names);
    return {
      comment: names.map((each) => `Deleted job: ${each} from schedule.`),
      result: true,
      changes: Object.fromEntries(names.map((each) => [each, "removed"])),
    };
  },
);

/** Of one job, and of the whole schedule. */
function switching(on: boolean): AnyFunction[] {
  const [verb, done] = on ? ["enable", "enabled"] : ["disable", "disabled"];
  const said = on ? "Enabled" : "Disabled";
  return [
    changing(
      `${verb}_job`,
      on ? "Let a job of the schedule run again." : "Keep a job of the schedule from running.",
      "job1",
      z.strictObject({ name, test }),
      async ({ name, test }, { schedule }) => {
        if (test) return would(`Job: ${name} would be ${done} in schedule.`);
        if (!schedule.jobs().has(name)) return noJob(name);
        await schedule.enable(on, name);
        return { comment: `${said} Job ${name} in schedule.`, result: true, changes: { [name]: done } };
      },
    ),
    changing(
      verb ?? "",
      on ? "Let the jobs of the schedule run again." : "Keep all jobs of the schedule from running.",
      "",
      z.strictObject({ test }),
      async ({ test }, { schedule }) => {
        if (test) return would(`Schedule would be ${done}.`);
        await schedule.enable(on);
        return { comment: `${said} schedule on minion.`, result: true, changes: { schedule: done } };
      },
    ),
  ];
}

const runJob = changing(
  "run_job",
  "Run a job of the schedule now.",
  "job1",
  z.strictObject({ name, force: z.boolean().default(false).describe("also when it is disabled") }),
  async ({ name, force }, { schedule }) => {
    const job = schedule.jobs().get(name);
    if (job === undefined) return { comment: `Job ${name} does not exist.`, result: false };
    if (job["enabled"] === false && !force) return { comment: `Job ${name} is disabled.`, result: true };
    schedule.run(name);
    return { comment: `Scheduling Job ${name} on minion.`, result: true };
  },
);

const list = looking(
  "list",
  "Give the jobs of the schedule, as YAML text or, with return_yaml=False, as a map.",
  "return_yaml=False",
  z.strictObject({
    show_all: z.boolean().default(false).describe("also those whose name begins with __"),
    show_disabled: z.boolean().default(true),
    return_yaml: z.boolean().default(true),
  }),
  async (args, host) => {
    const jobs = listed(
      host,
      (each, job) => (args.show_all || isShown(each)) && (args.show_disabled || job["enabled"] !== false),
    );
    if (Object.keys(jobs).length === 0) return { schedule: {} };
    return args.return_yaml ? `${yaml({ schedule: jobs }, 2)}\n` : jobs;
  },
);

const isEnabled = looking(
  "is_enabled",
  "Give a job of the schedule, {} when there is none; without a name, whether the schedule runs.",
  "job1",
  z.strictObject({ name: name.optional() }),
  async ({ name }, { schedule }) => (name === undefined ? schedule.enabled : (schedule.jobs().get(name) ?? {})),
);

const nextFireTime = looking(
  "show_next_fire_time",
  "Give the time at which a job runs next, in the minion's time zone; null when it will not.",
  "job1",
  z.strictObject({ name }),
  async ({ name }, { schedule }) => {
    if (!schedule.jobs().has(name)) return { comment: `Job ${name} does not exist.`, result: false };
    const time = schedule.nextTime(name);
    return { result: true, next_fire_time: time === undefined ? null : localTime(time) };
  },
);

function localTime(time: Date): string {
  const local = new Date(time.getTime() - time.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19);
}

export const scheduleFunctions: readonly AnyFunction[] = [
  list,
  isEnabled,
  nextFireTime,
  add,
  modify,
  remove,
  purge,
  ...switching(true),
  ...switching(false),
  runJob,
];
