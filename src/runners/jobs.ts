import { MsaltError } from "../errors.ts";
import { isTerminal } from "../job/state.ts";
import { asJid, type Jid } from "../wire/ids.ts";
import type { JobSummary } from "../wire/local.ts";
import { kill } from "./job-kill.ts";
import { findJobs } from "./job-search.ts";
import { type Runner, type RunnerContext, jobFields } from "./runner.ts";

/** What was typed, where it was. */
const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

const jidOf = ([first]: readonly unknown[]): Jid => asJid(String(first));

const lookup: Omit<Runner, "name"> = {
  summary: "Show every answer of a job, and of each minion without one what the record knows.",
  params: ["jid"],
  run: async ({ arg }, { call, returns }) => {
    const jid = jidOf(arg);
    const { job, targets } = await call("job.record", { jid });
    const found: Record<string, unknown> = {};
    for await (const { id, value } of returns(jid)) found[id] = value;
    for (const { id, state, reason, link } of targets) {
      if (id in found) continue;
      const since =
        link?.since === undefined ? "never connected" : `not connected since ${new Date(link.since).toISOString()}`;
      const known =
        reason === undefined || state === "lost" || state === "expired" ? (reason ?? state) : `${state}: ${reason}`;
      const why = link?.connected === true || isTerminal(state) ? known : `${state}; ${since}`;
      found[id] = `Minion did not return. [${why}]`;
    }
    for (const id of job.missing) found[id] = "Minion did not return. [No minion of this name has an accepted key]";
    return found;
  },
};

/** A job under its jid: what was run on whom, and every answer. */
async function printed(jid: Jid, { call, returns }: RunnerContext): Promise<Record<string, unknown>> {
  const { job, stop } = await call("job.record", { jid });
  const result: Record<string, unknown> = {};
  for await (const { id, target, value } of returns(jid)) {
    const { retcode, success, state, kill: killed } = target;
    result[id] = { retcode, return: value, state, success, ...(killed !== undefined && { killed }) };
  }
  const minions = { Minions: job.minions, Result: result };
  return { [jid]: { ...jobFields(job), ...minions, ...(stop !== undefined && { Stopped: stop.reason }) } };
}

const print: Omit<Runner, "name"> = {
  summary: "Show a job: what was run on whom, and every answer with its return code.",
  params: ["jid"],
  run: ({ arg }, context) => printed(jidOf(arg), context),
};

function listOf(newestFirst: readonly JobSummary[]): Record<string, unknown> {
  return Object.fromEntries(
    newestFirst
      .toReversed()
      .map(({ job, stop }) => [job.jid, { ...jobFields(job), ...(stop !== undefined && { Stopped: stop.reason }) }]),
  );
}

export const jobs: readonly Runner[] = [
  { name: "jobs.lookup", ...lookup },
  { name: "jobs.lookup_jid", ...lookup },
  {
    name: "jobs.list_jobs",
    summary: "List the jobs in the record, newest last; searches take globs, times such as 2026-11-21 or 10:00.",
    params: [],
    keywords: ["search_metadata", "search_function", "search_target", "start_time", "end_time"],
    run: async ({ kwarg }, context) => {
      const found: JobSummary[] = [];
      const search = {
        metadata: text(kwarg["search_metadata"]),
        function: text(kwarg["search_function"]),
        target: text(kwarg["search_target"]),
        start: text(kwarg["start_time"]),
        end: text(kwarg["end_time"]),
      };
      for await (const line of findJobs(context, search)) found.push(line);
      return listOf(found);
    },
  },
  {
    name: "jobs.list_jobs_filter",
    summary: "List the newest jobs, so many of them.",
    params: ["count"],
    run: async ({ arg }, context) => {
      const count = Number(arg[0]);
      if (!Number.isInteger(count) || count < 1) {
        throw new MsaltError("ERR_FUNCTION_ARGS", `jobs.list_jobs_filter: ${String(arg[0])} is no number of jobs`);
      }
      const found: JobSummary[] = [];
      for await (const line of findJobs(context)) {
        found.push(line);
        if (found.length === count) break;
      }
      return listOf(found);
    },
  },
  {
    name: "jobs.last_run",
    summary: "Show the newest job that matches, with its answers.",
    params: [],
    keywords: ["function", "target", "metadata"],
    run: async ({ kwarg: { function: fun, target, metadata } }, context) => {
      for await (const { job } of findJobs(context, {
        function: text(fun),
        target: text(target),
        metadata: text(metadata),
      }))
        return printed(job.jid, context);
      return false;
    },
  },
  {
    name: "jobs.active",
    summary: "List the jobs that have not ended, with who has answered and who is running.",
    params: [],
    run: async (_args, { call }) => {
      const { jobs: found } = await call("job.active", {});
      return Object.fromEntries(
        found.map(({ job, targets }) => [
          job.jid,
          {
            ...jobFields(job),
            Returned: targets.filter(({ state }) => isTerminal(state)).map(({ id }) => id),
            Running: targets.filter(({ state }) => state === "running").map(({ id }) => id),
            Waiting: targets.filter(({ state }) => state === "waiting" || state === "sent").map(({ id }) => id),
          },
        ]),
      );
    },
  },
  { name: "jobs.print_job", ...print },
  { name: "jobs.list_job", ...print },
  kill,
  {
    name: "jobs.follow",
    summary: "Show what a job prints from the beginning and as it comes, and its answers; ends when the job does.",
    params: ["jid"],
    run: () => Promise.reject(new MsaltError("ERR_USAGE", "jobs.follow needs a terminal: run it with msalt-run")),
  },
  {
    name: "jobs.exit_success",
    summary: "Say of each target of a job whether it succeeded.",
    params: ["jid"],
    run: async ({ arg }, { call }) => {
      const { job, targets } = await call("job.record", { jid: jidOf(arg) });
      const good = targets.map(({ id, state }) => [id, state === "succeeded"] as const);
      return Object.fromEntries([...good, ...job.missing.map((id) => [id, false] as const)]);
    },
  },
];
