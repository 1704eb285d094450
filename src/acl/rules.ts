/**
 * What the lists of `publisher_acl` allow: `test.*` (on all minions), `{web*: [test.*, {cmd.run: {args: [^uptime$]}}]}`. Functions
 * are matched whole, conditions on arguments from their beginning, as Salt does. What is no rule allows nothing.
 */
import { compileRegex } from "../lib/regex.ts";
import { textOf } from "../target/data.ts";
import type { CallArguments } from "../wire/args.ts";
import type { MinionId } from "../wire/ids.ts";
import type { Call } from "./call.ts";
import { compileWhole } from "./expression.ts";

type CallTest = (call: Call) => boolean;
type ReadingTest = (reading: CallArguments) => boolean;
type Entries = readonly (readonly [string, unknown])[];

export interface Rule {
  /** A compound expression; undefined: all minions. */
  readonly target: string | undefined;
  readonly allows: CallTest;
}

/** What of a job a list of rules does not allow. */
export interface Refusal {
  readonly fun: string;
  /** Empty: the function is not allowed anywhere. */
  readonly minions: readonly MinionId[];
}

/** @throws MsaltError `ERR_TARGET_INVALID` for a regular expression that is none. */
export function compileRules(rules: readonly unknown[]): Rule[] {
  return rules.flatMap((rule): Rule[] => {
    if (typeof rule === "string") return [{ target: undefined, allows: nameTest(rule) }];
    const [[target, functions] = ["@", undefined], ...others] = entriesOf(rule);
    // `@runner` and its like speak of what external_auth may do.
    if (others.length > 0 || target.startsWith("@")) return [];
    const tests = (Array.isArray(functions) ? (functions as unknown[]) : [functions]).map(compileFunction);
    return [{ target, allows: (call) => tests.some((test) => test(call)) }];
  });
}

/**
 * Every function on every minion, or what is not allowed. Each minion may be allowed by a rule of its own.
 * @param covers which of these minions a rule's target names
 */
export function refusalOf(
  rules: readonly Rule[],
  calls: readonly Call[],
  minions: readonly MinionId[],
  covers: (target: string) => Iterable<MinionId>,
): Refusal | undefined {
  for (const call of calls) {
    const fitting = rules.filter(({ allows }) => allows(call));
    if (fitting.length === 0) return { fun: call.fun, minions: [] };
    if (fitting.some(({ target }) => target === undefined)) continue;
    if (call.anywhere === true) return { fun: call.fun, minions: [] };
    const allowed = new Set(fitting.flatMap(({ target = "" }) => [...covers(target)]));
    const others = minions.filter((id) => !allowed.has(id));
    if (others.length > 0) return { fun: call.fun, minions: others };
  }
  return undefined;
}

function compileFunction(rule: unknown): CallTest {
  if (typeof rule === "string") return nameTest(rule);
  const [[pattern, conditions] = ["", undefined], ...others] = entriesOf(rule);
  if (others.length > 0 || conditions === undefined) return () => false;
  const isMeant = nameTest(pattern);
  const tests = (Array.isArray(conditions) ? (conditions as unknown[]) : [conditions]).map(compileCondition);
  return (call) => isMeant(call) && tests.some((test) => call.readings.every(test));
}

function nameTest(pattern: string): CallTest {
  const matches = compileWhole(pattern);
  return ({ fun }) => matches(fun);
}

/** `null` stands for any value, but one there must be. */
function compileCondition(condition: unknown): ReadingTest {
  if (!isMap(condition)) return () => false;
  const { args = [], kwargs = {} } = condition;
  if (!Array.isArray(args) || !isMap(kwargs)) return () => false;
  const places = (args as unknown[]).map(compileValue);
  const names = Object.entries(kwargs).map(([name, pattern]) => ({ name, test: compileValue(pattern) }));
  return ({ arg, kwarg }) =>
    places.every((test, at) => at < arg.length && test(arg[at])) &&
    names.every(({ name, test }) => Object.hasOwn(kwarg, name) && test(kwarg[name]));
}

function compileValue(pattern: unknown): (value: unknown) => boolean {
  if (pattern === null) return () => true;
  if (typeof pattern !== "string") return () => false;
  const matches = compileRegex(pattern);
  return (value) => matches(textOf(value));
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function entriesOf(value: unknown): Entries {
  return isMap(value) ? Object.entries(value) : [];
}
