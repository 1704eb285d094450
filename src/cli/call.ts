/** From the words of a command line to what is published: one function or several (`f1,f2 <args1> , <args2>`). */
import { MsaltError } from "../errors.ts";
import { type Word, type Words, parseWords, toArg } from "../wire/args.ts";

export interface CallFlags {
  readonly argsSeparator?: string;
  /** Names of keywords whose values stay text, separated by commas; true (commander's word for an absent `--no-…`) when none. */
  readonly parse?: boolean | string;
}

export interface Call {
  readonly fun: string;
  readonly arg: unknown[];
  readonly words: Words;
}

/** @throws MsaltError `ERR_USAGE` when a compound command has more or fewer lists of arguments than functions. */
export function callOf(fun: string, words: readonly string[], flags: CallFlags): Call {
  const names = typeof flags.parse === "string" ? flags.parse : (process.env["MSALT_NO_PARSE"] ?? "");
  const kept = new Set(names.split(",").filter((name) => name !== ""));
  const mark = (word: string): Word =>
    kept.has(word.slice(0, Math.max(0, word.indexOf("=")))) ? { keep: word } : word;
  const argOf = (list: readonly Word[]): unknown[] => {
    const { arg, kwarg } = parseWords(list);
    return toArg(arg, kwarg);
  };
  const funs = fun.split(",").map((name) => name.trim());
  if (funs.length === 1) {
    const list = words.map(mark);
    return { fun, arg: argOf(list), words: list };
  }
  const lists = listsOf(words, flags.argsSeparator ?? ",").map((list) => list.map(mark));
  if (lists.length !== funs.length || funs.includes("")) {
    throw new MsaltError(
      "ERR_USAGE",
      lists.length > funs.length
        ? "Cannot execute compound command with more arguments than commands."
        : "Cannot execute compound command without defining all arguments.",
      { hint: "one list of arguments for each function, also an empty one: msalt '*' test.ping,cmd.run , uptime" },
    );
  }
  return { fun: funs.join(","), arg: lists.map(argOf), words: lists };
}

/** The separator may stand alone or inside a word (`x,y`), as in Salt. */
function listsOf(words: readonly string[], separator: string): string[][] {
  const lists: string[][] = [[]];
  for (const word of words) {
    for (const [n, part] of word.split(separator).entries()) {
      if (n > 0) lists.push([]);
      if (part !== "" || word === "") lists.at(-1)?.push(part);
    }
  }
  return lists;
}
