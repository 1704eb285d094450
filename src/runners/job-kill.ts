/** Ends a job everywhere and tells what became of each run. */
import { MsaltError } from "../errors.ts";
import { isTerminal } from "../job/state.ts";
import { asJid } from "../wire/ids.ts";
import type { LocalReplies, TargetView } from "../wire/local.ts";
import type { Runner, RunnerContext } from "./runner.ts";

/** TERM, 2 s, KILL, and the way back. */
const answerMs = 15_000;
const firstPauseMs = 50;
const lastPauseMs = 1000;

/** Of Linux, where minions run; any other by its number. */
const signals: Readonly<Record<string, number>> = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ABRT: 6,
  KILL: 9,
  USR1: 10,
  USR2: 12,
  TERM: 15,
};

function signalOf(text: string): number {
  const number = signals[text.toUpperCase().replace(/^SIG/, "")] ?? Number(text);
  if (Number.isInteger(number) && number >= 1 && number <= 64) return number;
  const hint = `a number from 1 to 64, or ${Object.keys(signals).join(", ")}`;
  throw new MsaltError("ERR_FUNCTION_ARGS", `no signal ${JSON.stringify(text)}`, { hint });
}

export const kill: Runner = {
  name: "jobs.kill",
  summary: "End a job everywhere: what runs gets the signal (default TERM), then KILL; what waits never starts.",
  params: ["jid", "signal?"],
  run: async ({ arg: [first, signal] }, context) => {
    const jid = asJid(String(first));
    const { call, returns, user } = context;
    const { skipped, told } = await call("job.kill", {
      jid,
      user,
      ...(typeof signal === "string" && { signal: signalOf(signal) }),
    });
    if (skipped === 0 && told.length === 0) throw new MsaltError("ERR_JOB_ENDED", `job ${jid} had ended before`);
    const record = await ended(context, jid, new Set(told));
    const outputs = new Map<string, unknown>();
    for await (const { id, value } of returns(jid)) outputs.set(id, value);
    const targets = record.targets.filter(({ id }) => told.includes(id));
    const minions = targets.map((target) => [target.id, reportOf(target, outputs.get(target.id))] as const);
    const never = record.targets.filter(({ state }) => state === "skipped").map(({ id }) => id);
    return { jid, minions: Object.fromEntries(minions), ...(never.length > 0 && { skipped: never }) };
  },
};

/** The record once all of them are terminal, or after a while. */
async function ended(
  { call, now, sleep }: RunnerContext,
  jid: ReturnType<typeof asJid>,
  ids: ReadonlySet<string>,
): Promise<LocalReplies["job.record"]> {
  const until = now() + answerMs;
  for (let pause = firstPauseMs; ; pause = Math.min(2 * pause, lastPauseMs)) {
    const record = await call("job.record", { jid });
    const open = record.targets.filter(({ id, state }) => ids.has(id) && !isTerminal(state));
    // A minion that is not there hears of it when it comes back.
    if (open.every(({ link }) => link?.connected !== true) || now() > until) return record;
    await sleep(pause);
  }
}

function reportOf({ state, kill: report, retcode, link }: TargetView, output: unknown): Record<string, unknown> {
  if (!isTerminal(state)) {
    const why = link?.connected === true ? "it has not answered yet" : "not connected: it is told when it comes back";
    return { state, note: why };
  }
  return {
    state,
    ...(report !== undefined && {
      signal: report.signal ?? "none",
      survivors: report.survivors,
      wait: `${(report.waitMs / 1000).toFixed(1)} s`,
    }),
    ...(retcode !== undefined && { retcode }),
    ...(output !== undefined && { output }),
  };
}
