/** `mine`: chosen results of each minion, kept on the master, for the others to read. Names, parameters and returns are Salt's. */
import * as z from "zod";
import { MsaltError } from "../errors.ts";
import { type AnyFunction, type Host, Outcome, declare } from "./declare.ts";
import { runFunction } from "./run.ts";

const targetTypes = ["glob", "list", "pcre", "grain", "grain_pcre", "ipcidr", "nodegroup", "compound"] as const;

/** Name in the mine → function and its arguments. */
type MineFunctions = ReadonlyMap<string, { readonly fun: string; readonly arg: readonly unknown[] }>;

/**
 * `mine_functions` as Salt writes it: a list of names, or a map of names to arguments, of which one may be
 * `{mine_function: name}`: then the key is an alias.
 */
function mineFunctions(configured: unknown): MineFunctions {
  if (Array.isArray(configured))
    return new Map(configured.map((name) => [String(name), { fun: String(name), arg: [] }]));
  if (typeof configured !== "object" || configured === null) return new Map();
  return new Map(
    Object.entries(configured).map(([name, given]) => {
      const list: unknown[] = Array.isArray(given) ? given : given === null ? [] : [given];
      const isAlias = (each: unknown): each is { mine_function: unknown } =>
        typeof each === "object" && each !== null && "mine_function" in each;
      const alias = list.find(isAlias);
      const own = alias === undefined ? [] : Object.entries(alias).filter(([key]) => key !== "mine_function");
      const keywords = own.length === 0 ? [] : [{ ...Object.fromEntries(own), __kwarg__: true }];
      const maps = list
        .filter((each) => !isAlias(each))
        .map((each) => (isMap(each) ? { ...each, __kwarg__: true } : each));
      const fun = typeof alias?.mine_function === "string" ? alias.mine_function : name;
      return [name, { fun, arg: [...maps, ...keywords] }] as const;
    }),
  );
}

const isMap = (value: unknown): value is object => typeof value === "object" && value !== null && !Array.isArray(value);

/** Runs them all; `failed`: the texts of those that gave no value. */
async function gatherMine(
  all: MineFunctions,
  host: Host,
): Promise<{ values: Record<string, unknown>; failed: Record<string, unknown> }> {
  const values: Record<string, unknown> = {};
  const failed: Record<string, unknown> = {};
  for (const [name, { fun, arg }] of all) {
    const result = await runFunction(host.functions, { fun, arg }, host);
    (result.success ? values : failed)[name] = result.value;
  }
  return { values, failed };
}

const send = declare({
  name: "mine.send",
  summary: "Run a function and keep its value in the mine, under its name or, with mine_function, under another.",
  examples: ["mine.send network.ip_addrs", "mine.send disks mine_function=disk.usage"],
  params: z.strictObject({
    name: z.string().describe("function, or the alias"),
    args: z.array(z.unknown()).describe("for the function"),
    kwargs: z
      .record(z.string(), z.unknown())
      .describe("for the function; mine_function: which one, when the name is an alias"),
  }),
  rest: "args",
  keywords: "kwargs",
  effects: "some",
  run: async ({ name, args, kwargs: { mine_function, ...kwargs } }, host) => {
    const arg = Object.keys(kwargs).length === 0 ? args : [...args, { ...kwargs, __kwarg__: true }];
    const result = await runFunction(
      host.functions,
      { fun: typeof mine_function === "string" ? mine_function : name, arg },
      host,
    );
    if (!result.success) throw new MsaltError("ERR_COMMAND", `nothing is kept: ${String(result.value)}`);
    await host.mine.change({ set: { [name]: result.value } });
    return true;
  },
});

const update = declare({
  name: "mine.update",
  summary: "Run mine_functions of the configuration and keep their values; what fails is named.",
  params: z.strictObject({ clear: z.boolean().default(false).describe("forget everything else") }),
  effects: "some",
  run: async ({ clear }, host) => {
    const { values, failed } = await gatherMine(mineFunctions(host.config["mine_functions"]), host);
    await host.mine.change({ set: values, clear });
    return Object.keys(failed).length === 0 ? true : new Outcome({ failed }, 1);
  },
});

const get = declare({
  name: "mine.get",
  summary: "Show what minions keep in the mine under a name.",
  examples: ["mine.get '*' network.ip_addrs", "mine.get os:Debian disks tgt_type=grain"],
  params: z.strictObject({
    tgt: z.string(),
    fun: z.string().describe("name, or several with commas"),
    tgt_type: z.enum(targetTypes).default("glob"),
    exclude_minion: z.boolean().default(false).describe("without this minion"),
  }),
  effects: "none",
  run: async ({ tgt, fun, tgt_type, exclude_minion: others }, host) => {
    const names = fun.split(",").map((name) => name.trim());
    const data = await host.mine.get(tgt, tgt_type, names);
    const of = (name: string): Record<string, unknown> =>
      Object.fromEntries(
        Object.entries(data)
          .filter(([id, values]) => name in values && !(others && id === host.id))
          .map(([id, values]) => [id, values[name]]),
      );
    return names.length === 1 ? of(names[0] ?? "") : Object.fromEntries(names.map((name) => [name, of(name)]));
  },
});

const remove = declare({
  name: "mine.delete",
  summary: "Forget one value of this minion.",
  params: z.strictObject({ fun: z.string() }),
  effects: "some",
  run: async ({ fun }, host) => {
    await host.mine.change({ remove: [fun] });
    return true;
  },
});

const flush = declare({
  name: "mine.flush",
  summary: "Forget all values of this minion.",
  params: z.strictObject({}),
  effects: "some",
  run: async (_args, host) => {
    await host.mine.change({ clear: true });
    return true;
  },
});

const valid = declare({
  name: "mine.valid",
  summary: "Show which functions of the configuration are run for the mine.",
  params: z.strictObject({}),
  effects: "none",
  run: async (_args, host) => {
    const all = mineFunctions(host.config["mine_functions"]);
    return Object.fromEntries(
      [...all].filter(([, { fun }]) => host.functions.has(fun)).map(([name, { fun, arg }]) => [name, { [fun]: arg }]),
    );
  },
});

export const mineModule: readonly AnyFunction[] = [send, update, get, remove, flush, valid];
