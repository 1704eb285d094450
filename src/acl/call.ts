import { MsaltError } from "../errors.ts";
import { type CallArguments, type Word, type Words, parseWords, splitArg, toArg } from "../wire/args.ts";

/** One function that somebody wants to run. */
export interface Call {
  readonly fun: string;
  /**
   * What its arguments may turn out to be: a parameter of type text takes the word as typed, any other what Salt's guessing
   * makes of it. A condition on an argument must hold for all of them.
   */
  readonly readings: readonly CallArguments[];
  /** It would run on minions that are not those of the job. */
  readonly anywhere?: true;
}

interface Order {
  readonly fun: string;
  readonly arg: readonly unknown[];
  readonly words?: Words | undefined;
}

/**
 * The functions of an order, each with its arguments, and the `arg` that its words stand for: what is judged is what minions
 * run and what the record shows.
 * @throws MsaltError `ERR_WIRE_INVALID` when a compound command has not one list of arguments for each function.
 */
export function callsOf({ fun, arg, words }: Order): { calls: Call[]; arg: unknown[] } {
  const funs = fun.split(",");
  if (funs.length === 1) {
    const call = callOf(fun, arg, words);
    return { calls: [call], arg: call.arg };
  }
  if (arg.length !== funs.length || (words !== undefined && words.length !== funs.length)) throw unfit(fun);
  const calls = funs.map((name, n) => {
    const own = arg[n];
    const typed = words?.[n];
    if (!Array.isArray(own) || (words !== undefined && !Array.isArray(typed))) throw unfit(fun);
    return callOf(name, own, Array.isArray(typed) ? typed : undefined);
  });
  return { calls, arg: calls.map((call) => call.arg) };
}

function callOf(fun: string, arg: readonly unknown[], words: Words | undefined): Call & { arg: unknown[] } {
  if (words === undefined) return { fun, readings: [splitArg(arg)], arg: [...arg] };
  if (!isPlain(words)) throw unfit(fun);
  const guessed = parseWords(words);
  return { fun, readings: [guessed, parseWords(words, () => true)], arg: toArg(guessed.arg, guessed.kwarg) };
}

function isPlain(words: Words): words is Word[] {
  return !words.some((each) => Array.isArray(each));
}

function unfit(fun: string): MsaltError {
  return new MsaltError("ERR_WIRE_INVALID", `the arguments do not fit ${fun}: one list of them for each function`);
}
