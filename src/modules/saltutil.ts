import { constants } from "node:os";
import * as z from "zod";
import { MsaltError } from "../errors.ts";
import { isJid } from "../wire/ids.ts";
import { type AnyFunction, declare, type Host, Outcome, type RunningJob } from "./declare.ts";

const jid = z.string().describe("job id");

/** With Salt's fields; `ret` is the returner, of which there is none. */
function shown(job: RunningJob): Record<string, unknown> {
  return { ...job, ret: "" };
}

const running = declare({
  name: "saltutil.running",
  summary: "List the jobs that run on this minion now.",
  examples: ["msalt '*' saltutil.running"],
  params: z.strictObject({}),
  effects: "none",
  run: async (_args, host) => host.running().map(shown),
});

const findJob = declare({
  name: "saltutil.find_job",
  summary: "Give a job if it runs on this minion now.",
  examples: ["msalt '*' saltutil.find_job 20260101000000000000"],
  params: z.strictObject({ jid }),
  effects: "none",
  run: async ({ jid }, host) => {
    const job = host.running().find((each) => each.jid === jid);
    return job === undefined ? {} : shown(job);
  },
});

const signals = constants.signals as Readonly<Record<string, number>>;

/** @throws MsaltError `ERR_FUNCTION_ARGS`. */
function signalNamed(text: string): NodeJS.Signals {
  const plain = text.toUpperCase();
  const name = Object.keys(signals).find((each) => [each, each.slice(3), String(signals[each])].includes(plain));
  if (name === undefined)
    throw new MsaltError("ERR_FUNCTION_ARGS", `no signal ${text}; give a number or a name such as TERM`);
  return name as NodeJS.Signals;
}

function send(host: Host, jid: string, signal: NodeJS.Signals): string {
  const pids = isJid(jid) ? host.signalJob(jid, signal) : [];
  return pids.map((pid) => `Signal ${signals[signal]} sent to job ${jid} at pid ${pid}`).join("\n");
}

const signalJob = declare({
  name: "saltutil.signal_job",
  summary: "Send a signal to the processes of a running job.",
  examples: ["msalt '*' saltutil.signal_job 20260101000000000000 15"],
  params: z.strictObject({ jid, sig: z.string().describe("number or name") }),
  effects: "some",
  run: async ({ jid, sig }, host) => send(host, jid, signalNamed(sig)),
});

const termJob = declare({
  name: "saltutil.term_job",
  summary: "Send TERM to the processes of a running job.",
  examples: ["msalt '*' saltutil.term_job 20260101000000000000"],
  params: z.strictObject({ jid }),
  effects: "some",
  run: async ({ jid }, host) => send(host, jid, "SIGTERM"),
});

const killJob = declare({
  name: "saltutil.kill_job",
  summary: "Send KILL to the processes of a running job; the job still returns what it had printed.",
  examples: ["msalt '*' saltutil.kill_job 20260101000000000000"],
  params: z.strictObject({ jid }),
  effects: "some",
  run: async ({ jid }, host) => send(host, jid, "SIGKILL"),
});

function sendAll(host: Host, signal: NodeJS.Signals): string[] {
  return host.running().map(({ jid }) => send(host, jid, signal));
}

const signalAllJobs = declare({
  name: "saltutil.signal_all_jobs",
  summary: "Send a signal to the processes of every other running job.",
  examples: ["msalt '*' saltutil.signal_all_jobs 15"],
  params: z.strictObject({ sig: z.string().describe("number or name") }),
  effects: "some",
  run: async ({ sig }, host) => sendAll(host, signalNamed(sig)),
});

const termAllJobs = declare({
  name: "saltutil.term_all_jobs",
  summary: "Send TERM to the processes of every other running job.",
  examples: ["msalt '*' saltutil.term_all_jobs"],
  params: z.strictObject({}),
  effects: "some",
  run: async (_args, host) => sendAll(host, "SIGTERM"),
});

const killAllJobs = declare({
  name: "saltutil.kill_all_jobs",
  summary: "Send KILL to the processes of every other running job; each still returns what it had printed.",
  examples: ["msalt '*' saltutil.kill_all_jobs"],
  params: z.strictObject({}),
  effects: "some",
  run: async (_args, host) => sendAll(host, "SIGKILL"),
});

const syncModules = declare({
  name: "saltutil.sync_modules",
  summary: "Fetch the modules of your own below salt://_modules and load them; the names of those that changed.",
  examples: ["msalt '*' saltutil.sync_modules"],
  params: z.strictObject({}),
  effects: "some",
  run: async (_args, host) => {
    const { changed, problems } = await host.syncModules();
    return problems.length === 0 ? changed : new Outcome({ changed, problems }, 1);
  },
});

const syncAll = declare({
  name: "saltutil.sync_all",
  summary: "Fetch everything of your own that minions can have: modules.",
  params: z.strictObject({}),
  effects: "some",
  run: async (_args, host) => {
    const { changed, problems } = await host.syncModules();
    return problems.length === 0 ? { modules: changed } : new Outcome({ modules: changed, problems }, 1);
  },
});

export const saltutilFunctions: readonly AnyFunction[] = [
  syncModules,
  syncAll,
  running,
  findJob,
  signalJob,
  termJob,
  killJob,
  signalAllJobs,
  termAllJobs,
  killAllJobs,
];
