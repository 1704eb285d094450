/** Compound expressions (`-C`): `G@os:Debian and not ( web1 or E@db\d )`. `not` binds closer than `and`, `and` closer than `or`. */
import { MsaltError } from "../errors.ts";
import { operators } from "./nodegroups.ts";

/** Letter, delimiter and pattern of a word such as `G|@os|Debian`; no letter: a glob. */
export interface Word {
  readonly engine: string | undefined;
  readonly delimiter: string | undefined;
  readonly pattern: string;
}

export function parseWord(word: string): Word {
  const [, engine, delimiter, pattern] = /^(?:([GPIJLNSERMT])((?<=[GPIJ]).)?@)(.+)$/su.exec(word) ?? [];
  return pattern === undefined
    ? { engine: undefined, delimiter: undefined, pattern: word }
    : { engine, delimiter, pattern };
}

type Test<T> = (candidate: T) => boolean;

/**
 * A test put together from those of its words. `negated` tells `compile` whether the word stands below a `not`.
 * @throws MsaltError `ERR_TARGET_INVALID` saying where the expression is broken
 */
export function compileCompound<T>(
  words: readonly string[],
  compile: (word: string, negated: boolean) => Test<T>,
): Test<T> {
  let at = 0;
  const broken = (expected: string): MsaltError => {
    const here = words.map((word, index) => (index === at ? `>>${word}<<` : word)).join(" ");
    const where = at < words.length ? `in ${here}` : `at the end of ${words.join(" ")}`;
    return new MsaltError("ERR_TARGET_INVALID", `broken target: expected ${expected} ${where}`);
  };
  const any = (negated: boolean): Test<T> => {
    const parts = [all(negated)];
    while (words[at] === "or") {
      at += 1;
      parts.push(all(negated));
    }
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : (candidate) => parts.some((test) => test(candidate));
  };
  const all = (negated: boolean): Test<T> => {
    const parts = [one(negated)];
    // A `not` behind an operand means `and not`.
    while (words[at] === "and" || words[at] === "not") {
      if (words[at] === "and") at += 1;
      parts.push(one(negated));
    }
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : (candidate) => parts.every((test) => test(candidate));
  };
  const one = (negated: boolean): Test<T> => {
    const word = words[at];
    if (word === "not") {
      at += 1;
      if (words[at] === "not") throw broken("a target after not");
      const test = one(!negated);
      return (candidate) => !test(candidate);
    }
    if (word === "(") {
      at += 1;
      const test = any(negated);
      if (words[at] !== ")") throw broken("and, or, or a closing bracket");
      at += 1;
      return test;
    }
    if (word === undefined || operators.has(word)) throw broken("a target");
    at += 1;
    return compile(word, negated);
  };
  const test = any(false);
  if (at < words.length) throw broken("and or or");
  return test;
}
