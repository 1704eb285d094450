import { MsaltError } from "../errors.ts";
import { compileGlob } from "../lib/glob.ts";
import { compileRegex } from "../lib/regex.ts";

type Test = (text: string) => boolean;

/**
 * Names of users, and what a blacklist forbids, as Salt reads them: the text itself, a glob, or a regular expression over the
 * whole text. It may begin with `^(?!…)`, as in Salt's own example of a blacklist: whatever does not begin so.
 * @throws MsaltError `ERR_TARGET_INVALID` for a regular expression that Python knows and this one does not.
 */
export function compileExpression(expression: string): Test {
  const glob = compileGlob(expression);
  const regex = regexOf(expression);
  return (text) => text === expression || glob(text) || regex(text);
}

/** A test for the whole text. @throws MsaltError `ERR_TARGET_INVALID`. */
export function compileWhole(pattern: string): Test {
  // By itself first: `a)|(.*` is no expression, and must not become one.
  compileRegex(pattern);
  return compileRegex(`(?:${pattern})$`);
}

function regexOf(expression: string): Test {
  const excluded = excludedAhead(expression);
  try {
    if (excluded === undefined) return compileWhole(expression);
    const begins = compileRegex(excluded.pattern);
    const whole = compileWhole(excluded.rest);
    return (text) => !begins(text) && whole(text);
  } catch (failure) {
    // Many a glob, such as *, is no regular expression; what only another engine understands would forbid less than it says.
    if (failure instanceof MsaltError && failure.details["unsupported"] === true) throw failure;
    return () => false;
  }
}

/** The two parts of `^(?!pattern)rest`. */
function excludedAhead(expression: string): { pattern: string; rest: string } | undefined {
  const [head = ""] = /^\^?\(\?!/.exec(expression) ?? [];
  if (head === "") return undefined;
  let depth = 1;
  let inClass = false;
  for (let at = head.length; at < expression.length; at += 1) {
    const character = expression[at];
    if (character === "\\") at += 1;
    else if (inClass) inClass = character !== "]";
    else if (character === "[") inClass = true;
    else if (character === "(") depth += 1;
    else if (character === ")") depth -= 1;
    if (depth === 0) return { pattern: expression.slice(head.length, at), rest: expression.slice(at + 1) };
  }
  return undefined;
}
