import * as z from "zod";
import { MsaltError } from "../errors.ts";
import { type AnyFunction, declare } from "./declare.ts";
import { fact } from "./facts.ts";
import { lookUp } from "./lookup.ts";

const key = z.string().min(1).describe("name, nested as a:b");
const delimiter = z.string().min(1).default(":");

function named(pillar: Readonly<Record<string, unknown>>, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(keys.map((each) => [each, lookUp(pillar, each, "")]));
}

const items = declare({
  name: "pillar.items",
  summary: "Give the pillar as it is on the master now, or the named parts of the loaded one.",
  examples: ["msalt '*' pillar.items", "msalt '*' pillar.items role users:admin"],
  params: z.strictObject({ keys: z.array(key) }),
  rest: "keys",
  effects: "none",
  run: async ({ keys }, host) => (keys.length === 0 ? host.fetchPillar() : named(host.pillar, keys)),
});

const item = declare({
  name: "pillar.item",
  summary: "Give the named parts of the loaded pillar.",
  examples: ["msalt '*' pillar.item role users:admin"],
  params: z.strictObject({ keys: z.array(key).min(1) }),
  rest: "keys",
  effects: "none",
  run: async ({ keys }, { pillar }) => named(pillar, keys),
});

const get = fact(
  "pillar.get",
  "Give one value of the loaded pillar, or the default where there is none.",
  z.strictObject({ key, default: z.unknown().default(""), delimiter }),
  async ({ key: path, default: fallback, delimiter: mark }, { pillar }) => lookUp(pillar, path, fallback, mark),
  "users:admin",
);

const keys = fact(
  "pillar.keys",
  "List the names in one map of the loaded pillar.",
  z.strictObject({ key, delimiter }),
  async ({ key: path, delimiter: mark }, { pillar }) => {
    const found = lookUp(pillar, path, undefined, mark);
    if (found === undefined) throw new MsaltError("ERR_FUNCTION_ARGS", `Pillar key not found: ${path}`);
    if (typeof found !== "object" || found === null || Array.isArray(found))
      throw new MsaltError("ERR_FUNCTION_ARGS", `Pillar value in key ${path} is not a dict`);
    return Object.keys(found);
  },
  "users",
);

const ls = fact(
  "pillar.ls",
  "List the names at the top of the loaded pillar.",
  z.strictObject({}),
  async (_args, { pillar }) => Object.keys(pillar),
);

const raw = fact(
  "pillar.raw",
  "Give the loaded pillar, or what is under one name at its top.",
  z.strictObject({ key: z.string().optional() }),
  async ({ key: name = "" }, { pillar }) => {
    if (name === "") return pillar;
    return Object.hasOwn(pillar, name) ? pillar[name] : {};
  },
);

const refresh = fact(
  "saltutil.refresh_pillar",
  "Load the pillar from the master anew.",
  z.strictObject({}),
  async (_args, host) => {
    await host.refreshPillar();
    return true;
  },
);

export const pillarFunctions: readonly AnyFunction[] = [items, item, get, keys, ls, raw, refresh];
