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

/** Whether a text has anything that PyYAML shows only escaped, or that is not fit for a terminal. */
export function needsEscapes(text: string): boolean {
  return /[^\n\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd]/.test(text) || isUnsafe(text);
}

/** The plainest style that reads back as this text; a key must stay on one line. */
export function styleOf(text: string, place: { readonly inFlow: boolean; readonly isKey: boolean }): ScalarStyle {
  if (needsEscapes(text) || (place.isKey && text.includes("\n")) || / \n|\n /.test(text)) return "double";
  const isPlain =
    !/\n|^ | $|^---|^\.\.\./.test(text) &&
    !/^[,[\]{}#&*!|>'"%@`]|^[-?:](?: |$)|: |:$| #/.test(text) &&
    !(place.inFlow && /^[?:]|[,?[\]{}:]/.test(text)) &&
    plainKind(text) === undefined;
  return isPlain ? "plain" : "single";
}
