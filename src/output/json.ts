import { entriesOf, isMap, numberText, repr } from "./values.ts";

/** DEL, C1 and bidi controls: legal in JSON, but not for a terminal. `JSON.stringify` escapes the C0 controls itself. */
const terminalControls = /[\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const separators = /[\u2028\u2029]/g;

/** One JSON document in Salt's layout. A negative indent puts it on one line. */
export function json(value: unknown, indent: number): string {
  return write(value, indent < 0 ? undefined : " ".repeat(indent), "");
}

/** One JSON document on a line that no reader, whatever it takes for a line break, can split. */
export function jsonLine(value: unknown): string {
  return json(value, -1).replace(separators, escape);
}

function write(value: unknown, step: string | undefined, indent: string): string {
  if (typeof value === "string") return text(value);
  if (typeof value === "boolean" || typeof value === "bigint") return String(value);
  // JSON has no infinity.
  if (typeof value === "number") return Number.isFinite(value) ? numberText(value) : "null";
  if (value instanceof Uint8Array) return text(repr(value));
  const deeper = step === undefined ? "" : indent + step;
  if (Array.isArray(value)) {
    const items = value.map((item) => write(item, step, deeper));
    return enclose("[", items, "]", step, indent);
  }
  if (!isMap(value)) return "null";
  const entries = entriesOf(value).map(([key, entry]) => `${text(key)}: ${write(entry, step, deeper)}`);
  return enclose("{", entries, "}", step, indent);
}

function enclose(
  open: string,
  parts: readonly string[],
  close: string,
  step: string | undefined,
  indent: string,
): string {
  if (parts.length === 0) return open + close;
  if (step === undefined) return open + parts.join(", ") + close;
  const line = `\n${indent}${step}`;
  return `${open}${line}${parts.join(`,${line}`)}\n${indent}${close}`;
}

function text(value: string): string {
  return JSON.stringify(value).replace(terminalControls, escape);
}

function escape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
