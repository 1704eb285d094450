/** The words of a command line and the `arg` of a job, as Salt reads the one and writes the other. */
import * as z from "zod";
import { guessWord } from "./yaml-word.ts";

const word = z.union([z.string(), z.strictObject({ keep: z.string() })]);
/** As typed; `keep`: a `name=value` whose value is text, whatever it looks like (`--no-parse`). */
export type Word = z.infer<typeof word>;
/** Of one function, or a list for each function of a compound command (`fun` then names them all, separated by commas). */
export const wordsSchema = z.union([z.array(word), z.array(z.array(word))]);
export type Words = z.infer<typeof wordsSchema>;

export interface CallArguments {
  readonly arg: unknown[];
  readonly kwarg: Record<string, unknown>;
}

/** `name=value`: a name like an identifier with dots and dashes, no second `=`, a value of one line. */
const keyword = /^((?!\p{Nd})[\p{L}\p{N}_][\p{L}\p{N}_.-]*)=(?!=)([^\n]*)\n?$/u;
/** Among the keywords of a job, the mark that they are keywords. */
const marker = "__kwarg__";

/**
 * Splits words into positional and named arguments and guesses what each value is, as Salt does (YAML 1.1: `yes` is true,
 * `16:34` is 994). Where `keep` says so of a position or a name, the value stays the text that was typed.
 */
export function parseWords(
  words: readonly Word[],
  keep: (where: number | string) => boolean = () => false,
): CallArguments {
  const arg: unknown[] = [];
  const kwarg = new Map<string, unknown>();
  for (const word of words) {
    const text = typeof word === "string" ? word : word.keep;
    const [, name, value = ""] = keyword.exec(text) ?? [];
    if (name === undefined) arg.push(keep(arg.length) ? text : guessWord(text));
    else if (name !== marker) kwarg.set(name, text !== word || keep(name) ? value : guessWord(value));
  }
  return { arg, kwarg: Object.fromEntries(kwarg) };
}

/** The `arg` of a job: keywords travel as a last map with the mark `__kwarg__`. */
export function toArg(arg: readonly unknown[], kwarg: Readonly<Record<string, unknown>>): unknown[] {
  return Object.keys(kwarg).length === 0 ? [...arg] : [...arg, { ...kwarg, [marker]: true }];
}

/** The inverse of `toArg`. */
export function splitArg(arg: readonly unknown[]): CallArguments {
  const last = arg.at(-1);
  if (typeof last !== "object" || last === null || !(marker in last) || last[marker] !== true) {
    return { arg: [...arg], kwarg: {} };
  }
  const { [marker]: _mark, ...kwarg } = last;
  return { arg: arg.slice(0, -1), kwarg };
}
