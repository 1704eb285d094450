import type { Runner, RunnerContext } from "./runner.ts";

async function ids({ call }: RunnerContext, connected: boolean): Promise<string[]> {
  const { minions } = await call("minion.list", {});
  return minions.filter((each) => each.connected === connected).map(({ id }) => id);
}

/** Salt has a name for each way to find out; here there is one: an authenticated link that answers. */
const up = ["up", "present", "alived", "joined", "allowed"];
const down = ["down", "not_present", "not_alived", "not_joined", "not_allowed"];

export const manage: readonly Runner[] = [
  {
    name: "manage.status",
    summary: "Show which accepted minions are connected and which are not.",
    params: [],
    run: async (_args, context) => ({ down: await ids(context, false), up: await ids(context, true) }),
  },
  ...up.map((name) => ({
    name: `manage.${name}`,
    summary: "List the connected minions.",
    params: [],
    run: (_args: unknown, context: RunnerContext) => ids(context, true),
  })),
  ...down.map((name) => ({
    name: `manage.${name}`,
    summary: "List the accepted minions that are not connected.",
    params: [],
    run: (_args: unknown, context: RunnerContext) => ids(context, false),
  })),
];
