/** A task is a job of `cmd.script_source`; what mschedule's users know of one is read off its record. */
import * as z from "zod";
import { isTerminal } from "../job/state.ts";
import type { Job, Stop, Target } from "../job/types.ts";
import { splitArg } from "../wire/args.ts";
import type { Jid } from "../wire/ids.ts";
import type { JobSummary, JobView, TargetView } from "../wire/local.ts";
import { iso, time, timed } from "./fields.ts";

export const taskFunction = "cmd.script_source";
const states = ["WAITING", "RUNNING", "SUCCEED", "FAILED"] as const;
type TaskState = (typeof states)[number];
export const taskState = z.enum(states);

const savedShape = z.object({ name: z.string(), version: z.int() });
export type Saved = z.infer<typeof savedShape>;

const taskTargetShape = z.object({
  state: taskState,
  reason: z.string().optional(),
  code: z.int().optional(),
  output: z.string().optional(),
  started: time.optional(),
  ended: time.optional(),
});

export const taskLineShape = z.object({
  task_id: z.string(),
  name: z.string().optional(),
  user: z.string(),
  state: taskState,
  reason: z.string().optional(),
  created: time,
  ended: time.optional(),
  timeout: z.number(),
  parallel: z.int(),
  fail_rate: z.number(),
  fail_count: z.int(),
  saved: savedShape.optional(),
});

export const taskShape = taskLineShape.extend({
  script: z.string(),
  targets: z.record(z.string(), taskTargetShape),
});

interface Told {
  readonly name?: string;
  readonly saved?: Saved;
}

function toldOf({ options }: Pick<Job, "options">): Told {
  const parsed = z
    .object({ name: z.string().optional(), saved: savedShape.optional() })
    .safeParse(options.metadata?.["task"]);
  const { name, saved } = parsed.data ?? {};
  return { ...(name !== undefined && { name }), ...(saved !== undefined && { saved }) };
}

function scriptOf({ arg }: Pick<Job, "arg">): string {
  const { arg: places, kwarg } = splitArg(arg);
  const script = places[0] ?? kwarg["script"];
  return typeof script === "string" ? script : "";
}

/** @param begun some target has been sent it, or runs, or has run */
function stateOf({ ended, stop }: { ended?: number; stop?: Stop }, begun: boolean): TaskState {
  // Stopped is failed from then on, also while what runs goes on.
  if (stop !== undefined) return "FAILED";
  if (ended !== undefined) return "SUCCEED";
  return begun ? "RUNNING" : "WAITING";
}

function lineOf(
  job: Omit<Job, "minions">,
  rest: { ended?: number; stop?: Stop },
  begun: boolean,
): z.infer<typeof taskLineShape> {
  const { jid, user, created, options } = job;
  return {
    task_id: jid,
    ...toldOf(job),
    user,
    state: stateOf(rest, begun),
    ...(rest.stop !== undefined && { reason: rest.stop.reason }),
    created: iso(created),
    ...timed("ended", rest.ended),
    timeout: (options.timeoutMs ?? 0) / 1000,
    parallel: options.parallel ?? 0,
    fail_rate: options.failRate ?? 0,
    fail_count: options.failCount ?? -1,
  };
}

/** Of an open task a list does not know whether a target has begun; `open` does. */
export function taskLineOf(
  { job, ...rest }: JobSummary,
  open: ReadonlyMap<Jid, readonly Target[]>,
): z.infer<typeof taskLineShape> {
  return lineOf(job, rest, (open.get(job.jid) ?? []).some(hasBegun));
}

function hasBegun({ state }: Target): boolean {
  return state === "running" || (isTerminal(state) && state !== "skipped" && state !== "expired");
}

function targetState({ state }: Target): TaskState {
  if (state === "succeeded") return "SUCCEED";
  if (isTerminal(state)) return "FAILED";
  return state === "running" ? "RUNNING" : "WAITING";
}

const reasonOf: Partial<Record<Target["state"], string>> = {
  timed_out: "its time was up",
  killed: "it was killed",
  lost: "the minion restarted while it ran",
  expired: "not started in time",
  skipped: "the task was stopped before its turn",
};

/** @param output what it printed, as it is to be shown */
function taskTargetOf(target: Target, output: string | undefined): z.infer<typeof taskTargetShape> {
  const { state, retcode, started, ended } = target;
  const failed = state === "failed" ? `exit code ${retcode ?? 1}` : reasonOf[state];
  const reason = target.reason ?? failed;
  return {
    state: targetState(target),
    ...(reason !== undefined && { reason }),
    ...(retcode !== undefined && { code: retcode }),
    ...(output !== undefined && { output }),
    ...timed("started", started),
    ...timed("ended", ended),
  };
}

export function taskOf(
  view: JobView,
  targets: readonly TargetView[],
  outputs: ReadonlyMap<string, string>,
): z.infer<typeof taskShape> {
  const { job } = view;
  const shown = targets.map((target) => [target.id, taskTargetOf(target, outputs.get(target.id))] as const);
  const missing = job.missing.map((id) => [id, { state: "FAILED", reason: "no minion of this id" } as const] as const);
  return {
    ...lineOf(job, view, targets.some(hasBegun)),
    script: scriptOf(job),
    targets: Object.fromEntries([...shown, ...missing]),
  };
}
