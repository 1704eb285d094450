import { safeText } from "../lib/safe-text.ts";

export type ValueMap = Readonly<Record<string, unknown>>;

export function isMap(value: unknown): value is ValueMap {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

/** Without the fields that are `undefined`, as they would be had they travelled. */
export function entriesOf(map: ValueMap): [string, unknown][] {
  return Object.entries(map).filter(([, value]) => value !== undefined);
}

export function sortedEntries(map: ValueMap): [string, unknown][] {
  return entriesOf(map).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

const twoTo64 = 2 ** 64;

/** As Python writes it. JavaScript does not tell 1.0 from 1: whole numbers that fit 64 bits print as integers. */
export function numberText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Object.is(value, -0)) return "-0.0";
  const size = Math.abs(value);
  if (Number.isInteger(value) ? size < twoTo64 : size >= 1e-4) return String(value);
  return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
}

const breaks = /\r\n|[\n\r\v\f\u001c-\u001e\u0085\u2028\u2029]/;

/** The lines of a text as Python's `splitlines` sees them, each safe to print. */
export function safeLines(text: string): string[] {
  const lines = text.split(breaks).map(safeText);
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

/** What Python's `str` gives: texts as they are (made safe), all else as `repr`. */
export function plainText(value: unknown): string {
  return typeof value === "string" ? value.split(breaks).map(safeText).join("\n") : repr(value);
}

/** The value as Python's `repr` writes it. Controls and bidi marks come out as escapes, so it is safe to print. */
export function repr(value: unknown): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return numberText(value);
  if (typeof value === "bigint") return String(value);
  if (value instanceof Uint8Array) return bytesRepr(value);
  if (Array.isArray(value)) return `[${value.map(repr).join(", ")}]`;
  if (!isMap(value)) return textRepr(typeof value === "string" ? value : typeof value);
  const entries = entriesOf(value).map(([key, entry]) => `${textRepr(key)}: ${repr(entry)}`);
  return `{${entries.join(", ")}}`;
}

const short: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\" };

/** Bytes as the UTF-8 text that they are, or else as `repr`. */
export function bytesText(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return repr(bytes);
  }
}

function quoteFor(text: string): string {
  return text.includes("'") && !text.includes('"') ? '"' : "'";
}

function textRepr(text: string): string {
  const quote = quoteFor(text);
  const inside = text.replace(/[\p{C}\p{Z}\\'"]/gu, (found) => {
    if (found === " ") return found;
    if (found === "'" || found === '"') return found === quote ? `\\${found}` : found;
    return short[found] ?? escapeCode(found.codePointAt(0) ?? 0);
  });
  return quote + inside + quote;
}

function bytesRepr(bytes: Uint8Array): string {
  const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  const quote = quoteFor(text);
  const inside = text.replace(/[^ -~]|[\\'"]/g, (found) => {
    if (found === "'" || found === '"') return found === quote ? `\\${found}` : found;
    return short[found] ?? escapeCode(found.charCodeAt(0));
  });
  return `b${quote}${inside}${quote}`;
}

/** A character as `\xNN`, `\uNNNN` or `\UNNNNNNNN`, as in Python and YAML. */
export function escapeCode(code: number, upperCase = false): string {
  const hex = upperCase ? code.toString(16).toUpperCase() : code.toString(16);
  if (code < 0x100) return `\\x${hex.padStart(2, "0")}`;
  return code < 0x10000 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}
