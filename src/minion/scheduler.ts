/**
 * Jobs that the minion runs by itself, with or without a master: those of the configuration, and over them what
 * `schedule.add` and its kin have changed. A run that a crash or a stop of the minion ends is not made up for.
 */
import { join } from "node:path";
import type { ZodError } from "zod";
import type { MinionConfig } from "../config/minion.ts";
import { type ScheduledJob, jobName, scheduledJob } from "../config/schedule.ts";
import { MsaltError, messageOf } from "../errors.ts";
import type { Log } from "../log/log.ts";
import type { Host, Schedule } from "../modules/declare.ts";
import type { FunctionCall, FunctionResult } from "../modules/run.ts";
import { toArg } from "../wire/args.ts";
import { encode, requestScan } from "../wire/codec.ts";
import { limits } from "../wire/limits.ts";
import { prescan } from "../wire/prescan.ts";
import { type ScheduleChange, loadSchedule, saveSchedule } from "./schedule-file.ts";
import { type Clocks, type Timing, timingOf } from "./timing.ts";

/** Timers look again at least so often: the machine's clock may have been set. */
const lookMs = 30_000;
/** Of what a failed run gave, in the log. */
const loggedBytes = 1000;

export interface SchedulerOptions {
  readonly config: Pick<MinionConfig, "schedule" | "dataDir">;
  readonly log: Log;
  readonly clocks: Clocks;
  /** Why a function would not be run here; undefined when it would. */
  readonly refusal: (call: FunctionCall) => string | undefined;
  /** Undefined when `atMost` runs of that name go on. */
  readonly run: (name: string, call: FunctionCall, atMost: number) => Promise<FunctionResult | undefined>;
  readonly fire: Host["fire"];
}

interface Armed {
  readonly job: ScheduledJob;
  /** What the job was when it was armed. */
  readonly written: string;
  readonly timing: Timing;
  timer: NodeJS.Timeout | undefined;
}

export class Scheduler implements Schedule {
  readonly #options: SchedulerOptions;
  readonly #file: string;
  readonly #armed = new Map<string, Armed>();
  #changed: ScheduleChange;
  #turn: Promise<unknown> = Promise.resolve();
  #started = false;

  /** @throws MsaltError `ERR_CONFIG_INVALID` for a job of the configuration that cannot run. */
  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#file = join(options.config.dataDir, "schedule.json");
    const problems = this.#configured().flatMap(([name, job]) => {
      const problem = this.#problem(job);
      return problem === undefined ? [] : [`schedule.${name}: ${problem}`];
    });
    if (problems.length > 0)
      throw new MsaltError("ERR_CONFIG_INVALID", problems.join("\n  "), { hint: "docs/configuration.md, schedule" });
    this.#changed = loadSchedule(this.#file, options.log);
  }

  /** From now on jobs run; intervals begin now. */
  start(): void {
    this.#started = true;
    this.#arm();
  }

  /** No further run begins by itself. Those that go on are the executor's to end. */
  stop(): void {
    this.#started = false;
    this.#arm();
  }

  get enabled(): boolean {
    return this.#changed.enabled ?? this.#options.config.schedule.enabled ?? true;
  }

  jobs(): ReadonlyMap<string, ScheduledJob> {
    const jobs = new Map(this.#configured());
    for (const [name, job] of Object.entries(this.#changed.jobs)) {
      if (job === null) jobs.delete(name);
      else jobs.set(name, job);
    }
    const { switched } = this.#changed;
    return new Map(
      [...jobs].map(([name, job]) => [name, { ...job, enabled: own(switched, name) ?? job.enabled ?? true }]),
    );
  }

  check(name: string, fields: Readonly<Record<string, unknown>>): void {
    this.#checked(name, fields);
  }

  async put(name: string, fields: Readonly<Record<string, unknown>>): Promise<void> {
    const job = this.#checked(name, fields);
    await this.#change(({ jobs, switched, ...rest }) => ({
      ...rest,
      jobs: { ...jobs, [name]: job },
      switched: without(switched, [name]),
    }));
  }

  async remove(names: readonly string[]): Promise<void> {
    const configured = new Set(this.#configured().map(([name]) => name));
    const gone = Object.fromEntries(names.filter((name) => configured.has(name)).map((name) => [name, null]));
    await this.#change(({ jobs, switched, ...rest }) => ({
      ...rest,
      jobs: { ...without(jobs, names), ...gone },
      switched: without(switched, names),
    }));
  }

  async enable(on: boolean, name?: string): Promise<void> {
    await this.#change((changed) =>
      name === undefined ? { ...changed, enabled: on } : { ...changed, switched: { ...changed.switched, [name]: on } },
    );
  }

  run(name: string): void {
    const job = this.jobs().get(name);
    if (job !== undefined) this.#begin(name, job);
  }

  nextTime(name: string): Date | undefined {
    const wait = this.#armed.get(name)?.timing.wait();
    return wait === undefined ? undefined : new Date(this.#options.clocks.wall() + Math.max(0, wait));
  }

  #configured(): [string, ScheduledJob][] {
    const { enabled: _enabled, ...jobs } = this.#options.config.schedule;
    return Object.entries(jobs);
  }

  #checked(name: string, fields: Readonly<Record<string, unknown>>): ScheduledJob {
    const bad = (what: string): MsaltError => new MsaltError("ERR_FUNCTION_ARGS", what);
    const named = jobName.safeParse(name);
    if (!named.success) throw bad(`the name of a job ${lineOf(named.error)}`);
    const job = scheduledJob.safeParse(fields);
    const problem = job.success ? this.#problem(job.data) : lineOf(job.error);
    if (!job.success || problem !== undefined) throw bad(`job ${name}: ${problem}`);
    return job.data;
  }

  /** Why a job that is written as it should be cannot run. */
  #problem(job: ScheduledJob): string | undefined {
    try {
      timingOf(job, this.#options.clocks);
    } catch (failure) {
      return messageOf(failure);
    }
    return this.#options.refusal(callOf(job));
  }

  /** One change after the other, each on disk before it counts. */
  #change(edit: (changed: ScheduleChange) => ScheduleChange): Promise<void> {
    const work = async (): Promise<void> => {
      const changed = edit(this.#changed);
      await saveSchedule(this.#file, changed);
      this.#changed = changed;
      this.#arm();
    };
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  /** Sets timers for what should run and has none, and takes those of what should not. Others go on as they are. */
  #arm(): void {
    const due = this.#started && this.enabled ? [...this.jobs()].filter(([, job]) => job.enabled === true) : [];
    const wanted = new Map(due);
    for (const [name, { written, timer }] of this.#armed) {
      const job = wanted.get(name);
      if (job !== undefined && JSON.stringify(job) === written) continue;
      clearTimeout(timer);
      this.#armed.delete(name);
    }
    for (const [name, job] of wanted) {
      if (this.#armed.has(name)) continue;
      const problem = this.#problem(job);
      if (problem !== undefined) {
        this.#options.log.error("a scheduled job cannot run", { name, problem });
        continue;
      }
      const armed = {
        job,
        written: JSON.stringify(job),
        timing: timingOf(job, this.#options.clocks),
        timer: undefined,
      };
      this.#armed.set(name, armed);
      this.#tick(name, armed);
    }
  }

  #tick(name: string, armed: Armed): void {
    if (armed.timing.wait() <= 0) {
      armed.timing.advance();
      this.#begin(name, armed.job);
    }
    const wait = Math.ceil(Math.min(lookMs, Math.max(0, armed.timing.wait())));
    armed.timer = setTimeout(() => this.#tick(name, armed), wait);
  }

  #begin(name: string, job: ScheduledJob): void {
    this.#run(name, job).catch((failure: unknown) =>
      this.#options.log.error("a scheduled job went wrong", { name, failure: messageOf(failure) }),
    );
  }

  async #run(name: string, job: ScheduledJob): Promise<void> {
    const { log, run, fire } = this.#options;
    const call = callOf(job);
    const result = await run(name, call, job.maxrunning ?? 1);
    if (result === undefined) return log.info("a scheduled job is left out: it still runs", { name });
    const { value, retcode, success } = result;
    const ended = { fun: call.fun, retcode, success };
    if (success) log.info("a scheduled job has ended", { name, ...ended });
    else log.warn("a scheduled job has failed", { name, ...ended, result: textOf(value, loggedBytes) });
    if (job.return_job === false) return;
    try {
      await fire(`schedule/${name}`, { ...ended, return: sendable(value) });
    } catch (failure) {
      log.warn("cannot send the result of a scheduled job", { name, failure: messageOf(failure) });
    }
  }
}

function callOf({ function: fun, args = [], kwargs = {} }: ScheduledJob): FunctionCall {
  return { fun, arg: toArg(args, kwargs) };
}

/** The value as it is where an event can carry it, else the beginning of its text. */
function sendable(value: unknown): unknown {
  try {
    const bytes = encode({ return: { value } });
    prescan(bytes, requestScan);
    if (bytes.length <= limits.eventBytes) return value;
  } catch {
    // Too deep or too broad for an event.
  }
  return textOf(value, limits.eventBytes - 3);
}

function textOf(value: unknown, maxBytes: number): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? String(value));
  // A character that the cut left unfinished is left out.
  return new TextDecoder().decode(Buffer.from(text).subarray(0, maxBytes), { stream: true });
}

function own<T>(map: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(map, name) ? map[name] : undefined;
}

function without<T>(map: Readonly<Record<string, T>>, names: readonly string[]): Record<string, T> {
  return Object.fromEntries(Object.entries(map).filter(([name]) => !names.includes(name)));
}

function lineOf({ issues }: ZodError): string {
  return issues.map(({ path, message }) => [...path, message].join(path.length === 0 ? "" : ": ")).join("; ");
}
