import { safeLine } from "../lib/safe-text.ts";
import { entriesOf, isMap, plainText, repr, safeLines } from "./values.ts";

/** `id: line` for every line of a text, `id: value` in Python's spelling for all else. */
export function txt(value: unknown): string {
  if (!isMap(value)) return plainText(value);
  return entriesOf(value)
    .flatMap(([key, entry]) => {
      const lines = typeof entry === "string" ? safeLines(entry) : [repr(entry)];
      return lines.map((line) => `${safeLine(key)}: ${line}`);
    })
    .join("\n");
}

/** The values without their ids, a list one item a line. */
export function newlineValuesOnly(value: unknown): string {
  const values: readonly unknown[] = isMap(value) ? entriesOf(value).map(([, entry]) => entry) : [value];
  return values.flatMap((entry) => (Array.isArray(entry) ? entry.map(plainText) : plainText(entry))).join("\n");
}
