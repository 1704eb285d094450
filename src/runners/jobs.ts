import { isTerminal } from "../job/state.ts";
import { asJid, type Jid } from "../wire/ids.ts";
import { type Runner, jobFields } from "./runner.ts";

const listed = 1000;

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
      const why = link?.connected === true || isTerminal(state) ? (reason ?? state) : `${state}; ${since}`;
      found[id] = `Minion did not return. [${why}]`;
    }
    for (const id of job.missing) found[id] = "Minion did not return. [No minion of this name has an accepted key]";
    return found;
  },
};

export const jobs: readonly Runner[] = [
  { name: "jobs.lookup", ...lookup },
  { name: "jobs.lookup_jid", ...lookup },
  {
    name: "jobs.list_jobs",
    summary: "List the jobs in the record, newest last.",
    params: [],
    run: async (_args, { call }) => {
      const { jobs: found } = await call("job.list", { limit: listed });
      return Object.fromEntries(found.toReversed().map(({ job }) => [job.jid, jobFields(job)]));
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
  {
    name: "jobs.print_job",
    summary: "Show a job: what was run on whom, and every answer with its return code.",
    params: ["jid"],
    run: async ({ arg }, { call, returns }) => {
      const jid = jidOf(arg);
      const { job, stop } = await call("job.record", { jid });
      const result: Record<string, unknown> = {};
      for await (const { id, target, value } of returns(jid)) {
        result[id] = { retcode: target.retcode, return: value, success: target.success };
      }
      const minions = { Minions: job.minions, Result: result };
      return { [jid]: { ...jobFields(job), ...minions, ...(stop !== undefined && { Stopped: stop.reason }) } };
    },
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
