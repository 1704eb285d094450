import * as z from "zod";
import { type AnyFunction, declare } from "./declare.ts";
import { lookUp } from "./lookup.ts";

const get = declare({
  name: "config.get",
  summary:
    "Give a setting from the minion's configuration, else the grain of that name, else the pillar's value, else the default.",
  examples: ["msalt '*' config.get master"],
  params: z.strictObject({
    key: z.string().min(1).describe("name, nested as a:b"),
    default: z.unknown().default(""),
    delimiter: z.string().min(1).default(":"),
  }),
  effects: "none",
  run: async ({ key, default: fallback, delimiter }, { config, grains, pillar }) =>
    lookUp(config, key, lookUp(grains, key, lookUp(pillar, key, fallback, delimiter), delimiter), delimiter),
});

const option = declare({
  name: "config.option",
  summary: "Show a value of the configuration, else of the grains, else of the pillar, else the default.",
  examples: ["msalt '*' config.option cachedir"],
  params: z.strictObject({ value: z.string().min(1).describe("name"), default: z.unknown().default("") }),
  effects: "none",
  run: async ({ value, default: fallback }, { config, grains, pillar }) =>
    config[value] ?? grains[value] ?? pillar[value] ?? fallback,
});

const items = declare({
  name: "config.items",
  summary: "Show the whole configuration of the minion, without secrets.",
  params: z.strictObject({}),
  effects: "none",
  run: async (_args, { config }) => config,
});

export const configFunctions: readonly AnyFunction[] = [get, option, items];
