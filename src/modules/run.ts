import { MsaltError } from "../errors.ts";
import type { RunState } from "../wire/loads.ts";
import { bindArguments } from "./bind.ts";
import { type AnyFunction, type Host, Outcome } from "./declare.ts";
import { docOf } from "./docs.ts";

export interface FunctionCall {
  readonly fun: string;
  /** As Salt shows them: positional values, then at most one map marked `__kwarg__`. */
  readonly arg: readonly unknown[];
  /** The words as typed, when they came from a command line. */
  readonly words?: readonly string[] | undefined;
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
  if (fn === undefined) return failed(`'${fun}' is not available.${hint(functions, fun)}`);
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

/** The module is there, or its name is near: say so. */
function hint(functions: ReadonlyMap<string, AnyFunction>, fun: string): string {
  const near = [...functions.keys()].filter((name) => distance(name, fun) <= 2);
  return near.length === 0 ? "" : ` Did you mean ${near.slice(0, 3).join(" or ")}?`;
}

/** Edits that make one name of the other; 99 when their lengths are too far apart to matter. */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return 99;
  let row = Array.from({ length: b.length + 1 }, (_, n) => n);
  for (const [i, left] of a.split("").entries()) {
    const next = [i + 1];
    for (const [j, right] of b.split("").entries()) {
      next.push(Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, (row[j] ?? 0) + (left === right ? 0 : 1)));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
