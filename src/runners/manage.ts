import type { Runner } from "./runner.ts";

export const manage: readonly Runner[] = [
  {
    name: "manage.status",
    summary: "Show which accepted minions are connected and which are not.",
    params: [],
    run: async (_args, { call }) => {
      const { minions } = await call("minion.list", {});
      const ids = (connected: boolean): string[] =>
        minions.filter((each) => each.connected === connected).map(({ id }) => id);
      return { down: ids(false), up: ids(true) };
    },
  },
  {
    name: "manage.up",
    summary: "List the connected minions.",
    params: [],
    run: async (_args, { call }) => {
      const { minions } = await call("minion.list", {});
      return minions.filter(({ connected }) => connected).map(({ id }) => id);
    },
  },
  {
    name: "manage.down",
    summary: "List the accepted minions that are not connected.",
    params: [],
    run: async (_args, { call }) => {
      const { minions } = await call("minion.list", {});
      return minions.filter(({ connected }) => !connected).map(({ id }) => id);
    },
  },
];
