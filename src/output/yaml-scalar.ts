import { isUnsafe } from "../lib/safe-text.ts";
import { plainKind } from "../lib/yaml11.ts";

export type ScalarStyle = "plain" | "single" | "double";

/** Letters of the escapes that have one. */
export const shortEscapes: Readonly<Record<string, string>> = {
  "\0": "0",
  "\u0007": "a",
  "\b": "b",
  "\t": "t",
  "\n": "n",
  "\v": "v",
  "\f": "f",
  "\r": "r",
  "\u001b": "e",
  '"': '"',
  "\\": "\\",
  "\u0085": "N",
  "\u2028": "L",
  "\u2029": "P",
};

const lineBreak = /[\n\u2028\u2029]/;

/** What PyYAML shows only escaped, and what would act on a terminal. Line breaks have their own rules. */
export function mustEscape(character: string): boolean {
  if (lineBreak.test(character)) return false;
  return !/^[\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd]$/.test(character) || isUnsafe(character);
}

/** The plainest style that reads back as this text; `asKey`: it must stand on one line. */
export function styleOf(text: string, inFlow: boolean, asKey: boolean): ScalarStyle {
  const isMultiline = lineBreak.test(text);
  const needsEscapes = [...text].some(mustEscape);
  if (needsEscapes || (asKey && isMultiline) || / [\n\u2028\u2029]|[\n\u2028\u2029] /.test(text)) return "double";
  const isPlain =
    !isMultiline &&
    !/^ | $|^---|^\.\.\./.test(text) &&
    !/^[,[\]{}#&*!|>'"%@`]|^[-?:](?: |$)|: |:$| #/.test(text) &&
    !(inFlow && /^[?:]|[,?[\]{}:]/.test(text)) &&
    plainKind(text) === undefined;
  return isPlain ? "plain" : "single";
}
