import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type OutputterName, isOutputter, render } from "../../../src/output/render.ts";

type Row = Record<string, string> & { n: number; ret: unknown };

const rows = readFileSync(join(import.meta.dirname, "../../vectors/nested-output.jsonl"), "utf8")
  .trim()
  .split("\n")
  .map((line): Row => JSON.parse(line));

const float = "a whole-numbered float cannot be told from an integer";
const bigInteger = "integers beyond 2^53 arrive rounded";
const keyOrder = "JavaScript puts whole-number keys first";
const keyType = "keys arrive as text";
const infinity = "JSON has no infinity";
const controls = "control characters are not printed";
const separator = "U+2028 is escaped or becomes a newline";
const splitLines = "what Python takes for a line break becomes one";
const lostBytes = "Salt prints nothing for bytes that are not UTF-8";

/** Where msalt's text is not Salt's, and why. */
const differs: Record<number, { why: string; columns: string[] }> = {
  7: { why: bigInteger, columns: ["nested", "json", "yaml", "txt", "raw", "newline_values_only"] },
  9: { why: float, columns: ["nested", "json", "yaml", "txt", "raw", "newline_values_only"] },
  11: { why: infinity, columns: ["json"] },
  23: { why: splitLines, columns: ["newline_values_only"] },
  24: { why: splitLines, columns: ["newline_values_only"] },
  25: { why: controls, columns: ["txt", "newline_values_only"] },
  26: { why: controls, columns: ["nested", "txt", "newline_values_only"] },
  28: { why: separator, columns: ["yaml", "yaml_indent_-1", "yaml_indent_4", "newline_values_only"] },
  72: { why: keyOrder, columns: ["json", "txt", "raw", "newline_values_only"] },
  77: { why: keyType, columns: ["yaml", "txt", "raw", "newline_values_only"] },
  78: { why: keyType, columns: ["yaml", "txt", "raw", "newline_values_only"] },
  79: { why: keyType, columns: ["json", "yaml", "txt", "raw", "newline_values_only"] },
  92: { why: lostBytes, columns: ["nested"] },
};

const floats: Record<string, number> = { inf: Infinity, "-inf": -Infinity, nan: NaN };

function revive(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revive);
  if (typeof value !== "object" || value === null) return value;
  const [first] = Object.entries(value);
  const [tag, content] = first ?? [];
  if (tag === "$int") return Number(content);
  if (tag === "$float") return floats[String(content)] ?? Number(content);
  if (tag === "$bytes") return new Uint8Array(Buffer.from(String(content), "base64"));
  if (tag === "$map" && Array.isArray(content)) {
    const names: Record<string, string> = { true: "True", null: "None" };
    return Object.fromEntries(content.map(([key, entry]) => [names[String(key)] ?? String(key), revive(entry)]));
  }
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, revive(entry)]));
}

const cases = rows.flatMap((row) =>
  Object.keys(row).flatMap((column) => {
    const [, name = "", indent] = /^(.+?)(?:_indent_(-?\d+))?$/.exec(column) ?? [];
    return isOutputter(name) ? [{ row, column, name, indent: indent === undefined ? undefined : Number(indent) }] : [];
  }),
);
const text = (name: OutputterName, row: Row, indent: number | undefined): string =>
  render(name, revive(row.ret), { color: false, indent });

it("covers every outputter that Salt has", () => {
  expect(new Set(cases.map(({ column }) => column)).size).toBe(10);
  expect(cases.length).toBeGreaterThan(600);
});

describe("as Salt prints it", () => {
  const same = cases.filter(({ row, column }) => differs[row.n]?.columns.includes(column) !== true);
  it.each(same)("$row.n $column", ({ row, column, name, indent }) => {
    expect(text(name, row, indent)).toBe(row[column]);
  });
});

describe("not as Salt prints it", () => {
  const other = cases.flatMap((entry) => {
    const why = differs[entry.row.n];
    return why?.columns.includes(entry.column) === true ? [{ ...entry, why: why.why }] : [];
  });
  it.each(other)("$row.n $column: $why", ({ row, column, name, indent }) => {
    expect(text(name, row, indent)).not.toBe(row[column]);
  });
});
