import * as z from "zod";
import { type AnyFunction, declare } from "./declare.ts";
import { lookUp } from "./lookup.ts";

const get = declare({
  name: "config.get",
  summary: "Give a setting from the minion's configuration, else the grain of that name, else the default.",
  examples: ["msalt '*' config.get master"],
  params: z.strictObject({
    key: z.string().min(1).describe("name, nested as a:b"),
    default: z.unknown().default(""),
    delimiter: z.string().min(1).default(":"),
  }),
  effects: "none",
  run: async ({ key, default: fallback, delimiter }, { config, grains }) =>
    lookUp(config, key, lookUp(grains, key, fallback, delimiter), delimiter),
});

export const configFunctions: readonly AnyFunction[] = [get];
