import * as z from "zod";
import { type AnyFunction, declare, type Host } from "./declare.ts";
import { docOf } from "./docs.ts";
import { parametersOf } from "./shape.ts";

const moduleOf = (name: string): string => name.slice(0, name.indexOf("."));
const wanted = z.array(z.string()).describe("modules or functions; all when none is given");

/** In order of name: whole modules, or functions. */
function select({ functions }: Host, names: readonly string[]): AnyFunction[] {
  return [...functions.values()]
    .filter(({ name }) => names.length === 0 || names.includes(name) || names.includes(moduleOf(name)))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

const doc = declare({
  name: "sys.doc",
  summary: "Give the documentation of functions.",
  examples: ["msalt '*' sys.doc cmd", "msalt '*' sys.doc cmd.run"],
  params: z.strictObject({ names: wanted }),
  rest: "names",
  effects: "none",
  run: async ({ names }, host) => Object.fromEntries(select(host, names).map((fn) => [fn.name, docOf(fn)])),
});

const listFunctions = declare({
  name: "sys.list_functions",
  summary: "List the functions of this minion.",
  examples: ["msalt '*' sys.list_functions", "msalt '*' sys.list_functions cmd"],
  params: z.strictObject({ names: wanted }),
  rest: "names",
  effects: "none",
  run: async ({ names }, host) => select(host, names).map(({ name }) => name),
});

const listModules = declare({
  name: "sys.list_modules",
  summary: "List the execution modules of this minion.",
  examples: ["msalt '*' sys.list_modules"],
  params: z.strictObject({}),
  effects: "none",
  run: async (_args, host) => [...new Set(select(host, []).map(({ name }) => moduleOf(name)))],
});

const argspec = declare({
  name: "sys.argspec",
  summary: "Give the parameters of functions: names, defaults of the optional ones, whether more are taken.",
  examples: ["msalt '*' sys.argspec cmd.run"],
  params: z.strictObject({ names: wanted }),
  rest: "names",
  effects: "none",
  run: async ({ names }, host) => Object.fromEntries(select(host, names).map((fn) => [fn.name, specOf(fn)])),
});

function specOf(fn: AnyFunction): Record<string, unknown> {
  const named = parametersOf(fn).filter(({ variadic }) => variadic === undefined);
  const optional = named.filter(({ required }) => !required);
  return {
    args: named.map(({ name }) => name),
    defaults: optional.length === 0 ? null : optional.map(({ fallback }) => fallback ?? null),
    varargs: fn.rest === undefined ? null : true,
    kwargs: fn.keywords === undefined ? null : true,
  };
}

export const sysFunctions: readonly AnyFunction[] = [doc, listFunctions, listModules, argspec];
