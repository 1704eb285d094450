import { safeLine } from "../lib/safe-text.ts";
import { entriesOf, isMap, plainText, repr, safeLines } from "./values.ts";

const maxWidth = 50;

/** Rows under a line of labels where the value is a list of maps or a map of maps; anything else as text, indented. */
export function table(value: unknown): string {
  return linesOf(value, 0).join("\n");
}

function linesOf(value: unknown, indent: number): string[] {
  const blank = " ".repeat(indent);
  const rows = rowsOf(value);
  if (rows !== undefined) return drawn(rows).map((line) => blank + line);
  if (isMap(value)) {
    return entriesOf(value).flatMap(([key, each]) => [`${blank}${safeLine(key)}:`, ...linesOf(each, indent + 4)]);
  }
  if (Array.isArray(value)) return value.flatMap((each) => linesOf(each, indent));
  return safeLines(plainText(value)).map((line) => blank + line);
}

interface Rows {
  readonly labels: string[];
  readonly cells: string[][];
}

/** Undefined for what is no table: each row a map, and no value in it a map itself. */
function rowsOf(value: unknown): Rows | undefined {
  const named = isMap(value) ? entriesOf(value) : undefined;
  const rows = named?.map(([, row]) => row) ?? (Array.isArray(value) ? value : []);
  const isFlat = (row: unknown): boolean => isMap(row) && entriesOf(row).every(([, cell]) => !isMap(cell));
  if (rows.length === 0 || !rows.every(isFlat)) return undefined;
  const maps = rows.map((row) => new Map(isMap(row) ? entriesOf(row) : []));
  const labels = [...new Set(maps.flatMap((row) => [...row.keys()]))].toSorted();
  const cells = maps.map((row) => labels.map((label) => cellOf(row.get(label))));
  if (named === undefined) return { labels, cells };
  return { labels: ["", ...labels], cells: cells.map((row, n) => [named[n]?.[0] ?? "", ...row]) };
}

function cellOf(value: unknown): string {
  if (value === undefined) return "";
  return typeof value === "string" ? value : Array.isArray(value) ? value.map(plainText).join(", ") : repr(value);
}

function drawn({ labels, cells }: Rows): string[] {
  const all = [labels, ...cells].map((row) => row.map((cell) => wrapped(safeLine(cell))));
  const widths = labels.map((_, n) =>
    Math.max(...all.map((row) => Math.max(...(row[n] ?? [""]).map((part) => part.length)))),
  );
  const rule = "-".repeat(widths.reduce((sum, width) => sum + width + 3, 1));
  const lines = all.map((row) => {
    const height = Math.max(...row.map((cell) => cell.length));
    return Array.from({ length: height }, (_, line) => {
      const parts = row.map((cell, n) => (cell[line] ?? "").padEnd(widths[n] ?? 0));
      return `| ${parts.join(" | ")} |`;
    });
  });
  return [rule, ...lines.flatMap((row) => [...row, rule])];
}

function wrapped(text: string): string[] {
  const parts = text.match(new RegExp(`.{1,${maxWidth}}`, "gsu")) ?? [];
  return parts.length === 0 ? [""] : [...parts];
}
