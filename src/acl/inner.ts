/** Functions that run another one which stands in their arguments: whoever may run the outer one must be allowed the inner, too. */
import { type CallArguments, parseWords, splitArg, toArg } from "../wire/args.ts";
import type { Call } from "./call.ts";

type Inner = (given: CallArguments) => Call | undefined;

/** Deeper than anybody would write it; what is beyond has no rule. */
const maxDepth = 8;

/** A parameter by its place or its name. */
function given({ arg, kwarg }: CallArguments, place: number, name: string): unknown {
  return place < arg.length ? arg[place] : kwarg[name];
}

function named(fun: unknown, reading: CallArguments): Call | undefined {
  return fun === undefined
    ? undefined
    : { fun: typeof fun === "string" ? fun : JSON.stringify(fun), readings: [reading] };
}

function without(kwarg: CallArguments["kwarg"], ...names: readonly string[]): CallArguments["kwarg"] {
  return Object.fromEntries(Object.entries(kwarg).filter(([name]) => !names.includes(name)));
}

const scheduled: Inner = ({ kwarg }) => {
  const of = (name: string): unknown => (`job_${name}` in kwarg ? kwarg[`job_${name}`] : kwarg[name]);
  const [args, kwargs] = [of("args"), of("kwargs")];
  // Other arguments for a function that stands in the schedule already, and that nobody here knows.
  const fun = kwarg["function"] ?? (args === undefined && kwargs === undefined ? undefined : "");
  return named(fun, {
    arg: Array.isArray(args) ? (args as unknown[]) : args === undefined || args === null ? [] : [args],
    kwarg: typeof kwargs === "object" && kwargs !== null ? (kwargs as CallArguments["kwarg"]) : {},
  });
};

const innerOf: ReadonlyMap<string, Inner> = new Map<string, Inner>([
  [
    "mine.send",
    (all) => {
      const { mine_function: alias } = all.kwarg;
      const fun = typeof alias === "string" ? alias : given(all, 0, "name");
      return named(fun, { arg: all.arg.slice(1), kwarg: without(all.kwarg, "name", "mine_function") });
    },
  ],
  ["schedule.add", scheduled],
  ["schedule.modify", scheduled],
  [
    "publish.publish",
    (all) => {
      const arg = given(all, 2, "arg") ?? "";
      const reading = typeof arg !== "string" ? splitArg(Array.isArray(arg) ? arg : [arg]) : wordsOf(arg);
      const call = named(given(all, 1, "fun"), reading);
      // On minions of its own choice.
      return call && { ...call, anywhere: true };
    },
  ],
]);

function wordsOf(text: string): CallArguments {
  const { arg, kwarg } = parseWords(text === "" ? [] : text.split(",").map((word) => word.trim()));
  return splitArg(toArg(arg, kwarg));
}

/** The call and all that it would run by itself. */
export function withInner(call: Call, depth = 0): Call[] {
  const inner = innerOf.get(call.fun);
  if (inner === undefined) return [call];
  if (depth >= maxDepth) return [call, { fun: "", readings: [] }];
  const found = call.readings.flatMap((reading) => inner(reading) ?? []);
  // Functions that run one after the other are named together; each must be allowed.
  const each = found.flatMap((one) => one.fun.split(",").map((fun) => ({ ...one, fun })));
  return [call, ...each.flatMap((one) => withInner(one, depth + 1))];
}
