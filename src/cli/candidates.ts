/** `msalt-run __complete <what> [prefix]`: what a shell offers behind what was typed. Never an error: a shell shows none. */
import { LocalClient } from "../client/local.ts";
import { loadMasterConfig } from "../config/load.ts";
import { withDeadline } from "../lib/deadline.ts";
import { builtins } from "../modules/registry.ts";
import { runners } from "../runners/registry.ts";
import type { SharedOptions } from "./tool.ts";

/** Somebody waits at a prompt: a master that does not answer by then offers nothing. */
const patienceMs = 1000;
const newestJobs = 200;

const local = {
  functions: () => [...builtins.keys()].toSorted(),
  runners: () => [...runners.keys(), "completion"].toSorted(),
} as const;

const asked = {
  minions: async (client) => (await client.call("minion.list", {})).minions.map(({ id }) => id).toSorted(),
  /** Keys that wait to be accepted. */
  keys: async (client) => (await client.call("key.list", {})).pending.map(({ id }) => id).toSorted(),
  jobs: async (client) => (await client.call("job.list", { limit: newestJobs })).jobs.map(({ job }) => job.jid),
} as const satisfies Record<string, (client: LocalClient) => Promise<readonly string[]>>;

/** Names of what can be asked for, as the scripts write them. */
export type Candidates = keyof typeof local | keyof typeof asked;

/** Those that begin with the prefix; none when the master is away, says no or takes too long. */
export async function candidates(
  [what = "", prefix = ""]: readonly string[],
  shared: SharedOptions,
): Promise<readonly string[]> {
  const all = Object.hasOwn(local, what)
    ? local[what as keyof typeof local]()
    : Object.hasOwn(asked, what)
      ? await withDeadline(ask(asked[what as keyof typeof asked], shared), patienceMs, () => [])
      : [];
  return all.filter((word) => word.startsWith(prefix));
}

async function ask(
  list: (client: LocalClient) => Promise<readonly string[]>,
  shared: SharedOptions,
): Promise<readonly string[]> {
  let client: LocalClient | undefined;
  try {
    client = await LocalClient.connect(loadMasterConfig(shared).sockDir);
    return await list(client);
  } catch {
    return [];
  } finally {
    client?.close();
  }
}
