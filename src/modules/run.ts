import { MsaltError, messageOf } from "../errors.ts";
import { nearest } from "../lib/near.ts";
import type { Word, Words } from "../wire/args.ts";
import type { RunState } from "../wire/loads.ts";
import type { RunOrder } from "../wire/publication.ts";
import { bindArguments } from "./bind.ts";
import { type AnyFunction, type Host, Outcome } from "./declare.ts";
import { docOf } from "./docs.ts";

export interface FunctionCall {
  readonly fun: string;
  /** As Salt shows them: positional values, then at most one map marked `__kwarg__`. */
  readonly arg: readonly unknown[];
  /** The words as typed, when they came from a command line. */
  readonly words?: readonly Word[] | undefined;
}

/** The functions that an order names, each with its own arguments; one but for compound commands (`f1,f2`). */
export function callsOf({ fun, arg, words }: Pick<RunOrder, "fun" | "arg" | "words">): FunctionCall[] {
  const funs = fun.split(",");
  const isPlain = (list: Words): list is Word[] => !list.some((each) => Array.isArray(each));
  if (funs.length === 1) return [{ fun, arg, ...(words !== undefined && isPlain(words) && { words }) }];
  return funs.map((name, n) => {
    const [own, typed] = [arg[n], words?.[n]];
    return { fun: name, arg: Array.isArray(own) ? own : [], ...(Array.isArray(typed) && { words: typed }) };
  });
}

/**
 * Runs them one after the other; a compound command's value is a map by function, and its retcode the first that is not 0.
 * A run that is killed or out of time begins no more of them.
 */
export async function runCalls(
  functions: ReadonlyMap<string, AnyFunction>,
  calls: readonly FunctionCall[],
  host: Host,
): Promise<FunctionResult> {
  const [only, ...more] = calls;
  if (only !== undefined && more.length === 0) return runFunction(functions, only, host);
  const values: Record<string, unknown> = {};
  const results: FunctionResult[] = [];
  for (const call of calls) {
    if (host.signal.aborted) break;
    const result = await runFunction(functions, call, host);
    results.push(result);
    // Named twice, both answers are there.
    values[call.fun in values ? `${call.fun} (${results.length})` : call.fun] = result.value;
  }
  const bad = results.find(({ success }) => !success);
  const { retcode, success, state } = bad ?? { retcode: 0, success: true, state: "succeeded" };
  return { value: values, retcode, success, state };
}

export interface FunctionResult {
  readonly value: unknown;
  /** 0 to 255. */
  readonly retcode: number;
  readonly success: boolean;
  readonly state: RunState;
  /** Outputter that the function asks for. */
  readonly out?: string;
}

/** Runs one function to its verdict. Never rejects: whatever goes wrong is a failed result with a text, as in Salt. */
export async function runFunction(
  functions: ReadonlyMap<string, AnyFunction>,
  { fun, arg, words }: FunctionCall,
  host: Host,
): Promise<FunctionResult> {
  const fn = functions.get(fun);
  if (fn === undefined) return failed(notAvailable(functions, fun));
  let args: Record<string, unknown>;
  try {
    args = bindArguments(fn, arg, words);
  } catch (failure) {
    return failed(failure instanceof MsaltError ? `${failure.message}\n\n${docOf(fn)}` : exceptionText(failure));
  }
  let outcome: Outcome;
  try {
    // The declaration's own schema has just checked them.
    const value = await (fn.run as (args: Record<string, unknown>, host: Host) => Promise<unknown>)(args, host);
    outcome = value instanceof Outcome ? value : new Outcome(value, saysFalse(value) ? 1 : 0);
  } catch (failure) {
    // What the operator may have caused is told in one line; anything else shows where it came from.
    const text = failure instanceof MsaltError ? `ERROR: ${failure.message}` : exceptionText(failure);
    outcome = new Outcome(text, 1);
  }
  const ended = host.signal.aborted ? (host.signal.reason === "timeout" ? "timed_out" : "killed") : undefined;
  const state = outcome.state ?? ended;
  const retcode = exitStatus(outcome.retcode);
  const counted = retcode === 0 && state !== undefined && state !== "succeeded" ? 1 : retcode;
  return {
    value: outcome.value ?? null,
    retcode: counted,
    success: counted === 0,
    state: state ?? (counted === 0 ? "succeeded" : "failed"),
    ...(fn.out !== undefined && { out: fn.out }),
  };
}

/** Why there would be no such call: no such function, or not with these arguments. */
export function refusalOf(
  functions: ReadonlyMap<string, AnyFunction>,
  { fun, arg, words }: FunctionCall,
): string | undefined {
  const fn = functions.get(fun);
  if (fn === undefined) return notAvailable(functions, fun);
  try {
    bindArguments(fn, arg, words);
  } catch (failure) {
    return messageOf(failure);
  }
  return undefined;
}

function notAvailable(functions: ReadonlyMap<string, AnyFunction>, fun: string): string {
  const near = nearest(fun, functions.keys());
  return `'${fun}' is not available.${near.length === 0 ? "" : ` Did you mean ${near.join(" or ")}?`}`;
}

function failed(text: string): FunctionResult {
  return { value: text, retcode: 1, success: false, state: "failed" };
}

/** Salt's rule for functions that give a dict and no retcode. */
function saysFalse(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return ("result" in value && value.result === false) || ("success" in value && value.success === false);
}

/** What does not fit an exit status must not become 0 by being cut to one. */
function exitStatus(code: number): number {
  return Number.isInteger(code) && code >= 0 && code <= 255 ? code : 255;
}

function exceptionText(failure: unknown): string {
  if (!(failure instanceof Error)) return `The minion function caused an exception: ${String(failure)}`;
  const frames = (failure.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
  return [`The minion function caused an exception: ${failure.name}: ${failure.message}`, ...frames.slice(0, 5)].join(
    "\n",
  );
}
