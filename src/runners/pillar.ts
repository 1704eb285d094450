import { MsaltError } from "../errors.ts";
import { isMinionId } from "../wire/ids.ts";
import type { Runner } from "./runner.ts";

export const pillar: readonly Runner[] = [
  {
    name: "pillar.show_pillar",
    summary: "Show the pillar of one accepted minion, as its files are now.",
    params: ["minion"],
    run: async ({ arg }, { call }) => {
      const id = String(arg[0]);
      if (!isMinionId(id)) throw new MsaltError("ERR_FUNCTION_ARGS", `not a minion id: ${JSON.stringify(id)}`);
      return (await call("minion.pillar", { id })).pillar;
    },
  },
];
