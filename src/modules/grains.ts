import * as z from "zod";
import { type AnyFunction, declare } from "./declare.ts";
import { lookUp } from "./lookup.ts";

const key = z.string().min(1);

const items = declare({
  name: "grains.items",
  summary: "Give all grains of this minion.",
  examples: ["msalt '*' grains.items"],
  params: z.strictObject({}),
  effects: "none",
  run: async (_args, { grains }) => grains,
});

const item = declare({
  name: "grains.item",
  summary: "Give the named grains of this minion.",
  examples: ["msalt '*' grains.item os osrelease"],
  params: z.strictObject({ names: z.array(key).min(1).describe("grain names, nested ones as a:b") }),
  rest: "names",
  effects: "none",
  run: async ({ names }, { grains }) => Object.fromEntries(names.map((name) => [name, lookUp(grains, name, "")])),
});

const get = declare({
  name: "grains.get",
  summary: "Give the value of one grain, or the default where there is none.",
  examples: ["msalt '*' grains.get os", "msalt '*' grains.get dns:nameservers"],
  params: z.strictObject({
    key: key.describe("grain name, nested as a:b"),
    default: z.unknown().default(""),
    delimiter: z.string().min(1).default(":"),
  }),
  effects: "none",
  run: async ({ key, default: fallback, delimiter }, { grains }) => lookUp(grains, key, fallback, delimiter),
});

const ls = declare({
  name: "grains.ls",
  summary: "List the names of all grains.",
  examples: ["msalt '*' grains.ls"],
  params: z.strictObject({}),
  effects: "none",
  run: async (_args, { grains }) => Object.keys(grains).toSorted(),
});

const setval = declare({
  name: "grains.setval",
  summary: "Set a grain in this minion's grains file.",
  examples: ["msalt '*' grains.setval role web", "msalt '*' grains.setval roles '[web, db]'"],
  params: z.strictObject({ key, val: z.unknown() }),
  effects: "some",
  run: async ({ key, val }, host) => {
    await host.setGrains({ [key]: val });
    return { [key]: val };
  },
});

const delval = declare({
  name: "grains.delval",
  summary: "Empty a grain in this minion's grains file, or with destructive=True take it out.",
  examples: ["msalt '*' grains.delval role"],
  params: z.strictObject({ key, destructive: z.boolean().default(false) }),
  effects: "some",
  run: async ({ key, destructive }, host) => {
    await host.setGrains({ [key]: destructive ? undefined : null });
    return { changes: { [key]: null }, comment: "", result: true };
  },
});

export const grainsFunctions: readonly AnyFunction[] = [items, item, get, ls, setval, delval];
