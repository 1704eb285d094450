import { RE2JS, RE2JSException } from "re2js";
import { MsaltError, messageOf } from "../errors.ts";

const maxPatternLength = 4096;
/** A match costs at most so many steps per character. */
const maxProgramSize = 5000;
/** Some ten milliseconds. */
const maxSteps = 2_000_000;
/** What Python knows by these names is wider than ASCII, which is all that RE2 knows by them. */
const unicodeClasses: Readonly<Record<string, string>> = {
  "\\d": "\\p{Nd}",
  "\\w": "\\p{L}\\p{N}_",
  "\\s": "\\t-\\r\\x1c-\\x20\\x85\\p{Z}",
};
const unsupported: readonly (readonly [RegExp, string])[] = [
  [/^\(\?(?:[=!]|<[=!])/, "look-around such as (?!…) is not supported"],
  [/^(?:\\[1-9]|\(\?P=)/, "back-references such as \\1 are not supported"],
  [/^\(\?>/, "atomic groups (?>…) are not supported"],
  [/^\(\?\(/, "conditional groups (?(1)…) are not supported"],
  [/^[*+?}]\+/, "possessive repeats such as a++ are not supported"],
];
const codePoint = /^\\[uU]([\da-fA-F]+)$/;
const outsideClass =
  /\\u[\da-fA-F]{4}|\\U[\da-fA-F]{8}|\\[^]|\{,\d+\}|\(\?#[^)]*\)|\(\?(?:[=!>(]|<[=!]|P=)|\[\^?\]?|[*+?}]\+|[^]/uy;
const insideClass = /\\u[\da-fA-F]{4}|\\U[\da-fA-F]{8}|\\[^]|[^]/uy;
const blankOrComment = /\s+|#[^\n]*/uy;

/**
 * A test for Python's regular expressions as `re.match` applies them: anchored at the start of the text, not at its end.
 * Takes time linear in the text whatever the pattern, hence no look-around and no back-references. A text that is too long for so
 * large a pattern does not match: it is a minion's own, and must not hold up who looks for others.
 * @throws MsaltError `ERR_TARGET_INVALID` that says what is wrong, or not supported (`details.unsupported`).
 */
export function compileRegex(pattern: string, { ignoreCase = false } = {}): (text: string) => boolean {
  const shown = JSON.stringify(pattern.length > 100 ? `${pattern.slice(0, 100)}…` : pattern);
  const refuse = (why: string, cause?: unknown, details: MsaltError["details"] = {}): MsaltError =>
    new MsaltError("ERR_TARGET_INVALID", `bad regular expression ${shown}: ${why}`, details, { cause });

  if (pattern.length > maxPatternLength) throw refuse(`at most ${maxPatternLength} characters are allowed`);
  try {
    const regex = RE2JS.compile(translate(pattern, refuse), ignoreCase ? RE2JS.CASE_INSENSITIVE : 0);
    const size = regex.programSize();
    if (size > maxProgramSize) throw refuse("its repeats are too many");
    return (text) => text.length * size <= maxSteps && regex.matcher(text).lookingAt();
  } catch (failure) {
    if (!(failure instanceof RE2JSException)) throw failure;
    throw refuse(messageOf(failure).replace("error parsing regexp: ", ""), failure);
  }
}

/** RE2's spelling of a pattern in Python's. */
function translate(
  pattern: string,
  refuse: (why: string, cause: unknown, details: MsaltError["details"]) => MsaltError,
): string {
  const [head = ""] = /^(?:\(\?[aimsux]+\))*/.exec(pattern) ?? [];
  const verbose = head.includes("x");
  const unicode = !head.includes("a");
  const kept = head.replaceAll(/[^ims]/g, "");
  let translated = kept === "" ? "" : `(?${kept})`;
  let inClass = false;
  let at = head.length;
  const take = (what: RegExp): string => {
    what.lastIndex = at;
    const [token = ""] = what.exec(pattern) ?? [];
    at += token.length;
    return token;
  };
  while (at < pattern.length) {
    if (verbose && !inClass && take(blankOrComment) !== "") continue;
    const token = take(inClass ? insideClass : outsideClass);
    const problem = inClass ? undefined : unsupported.find(([what]) => what.test(token));
    if (problem !== undefined) throw refuse(problem[1], undefined, { unsupported: true });
    if (token === "\\Z") translated += "\\z";
    else if (codePoint.test(token)) translated += token.replace(codePoint, "\\x{$1}");
    else if (!inClass && token.startsWith("{,")) translated += token.replace("{", "{0");
    else if (unicode && token.toLowerCase() in unicodeClasses) translated += wideClass(token, inClass);
    else if (inClass) translated += token === "[" ? "\\[" : token;
    else if (!token.startsWith("(?#")) translated += token;
    inClass = inClass ? token !== "]" : token.startsWith("[");
  }
  return translated;
}

/** Inside brackets RE2 cannot say "none of several": there `\W` and `\S` keep their ASCII meaning. */
function wideClass(token: string, inClass: boolean): string {
  const members = unicodeClasses[token.toLowerCase()] ?? token;
  if (token === "\\D") return "\\P{Nd}";
  if (token !== token.toLowerCase()) return inClass ? token : `[^${members}]`;
  return inClass ? members : `[${members}]`;
}
