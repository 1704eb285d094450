/** The table as a person reads it. */
import { type Line, type Spread, roundTo3 } from "./row.ts";

export interface Head {
  readonly date: string;
  readonly node: string;
  /** Of the code that was measured. */
  readonly commit: string;
  readonly machine: string;
}

const titles = ["row", "figure", "msalt", "beside it", "budget", "", "load"];

export function asText({ date, node, commit, machine }: Head, lines: readonly Line[]): string {
  const cells = lines.map((line, n) => [
    lines[n - 1]?.row === line.row ? "" : line.row,
    `${line.figure}, ${line.unit}`,
    spread(line.contenders["msalt"]),
    Object.entries(line.contenders)
      .filter(([name, taken]) => name !== "msalt" && !("missing" in taken))
      .map(([name, taken]) => `${name} ${spread(taken)}`)
      .join("; "),
    budget(line.budget),
    line.ok === undefined ? "" : line.ok ? "ok" : "missed",
    lines[n - 1]?.row === line.row ? "" : line.load.map((each) => each.toFixed(1)).join("→"),
  ]);
  const widths = titles.map((title, column) => Math.max(title.length, ...cells.map((row) => row[column]?.length ?? 0)));
  const text = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  const table = [titles, widths.map((width) => "-".repeat(width)), ...cells].map(text);
  const notes = [...new Set(lines.flatMap(missing))];
  const top = [
    `msalt ${commit}, ${date}, Node ${node}, ${machine}`,
    "minimum / median / maximum of interleaved samples; the budget is for the median; load average before → after the row",
  ];
  return `${[...top, "", ...table, ...(notes.length > 0 ? ["", ...notes] : [])].join("\n")}\n`;
}

function spread(taken: Spread | { readonly missing: string } | undefined): string {
  if (taken === undefined || "missing" in taken) return "–";
  const { min, median, max, samples } = taken;
  return samples === 1 ? roundTo3(median) : [min, median, max].map(roundTo3).join(" / ");
}

function budget(of: Line["budget"]): string {
  if (of === undefined) return "";
  return "atMost" in of ? `≤ ${of.atMost}` : `≥ ${of.atLeast}`;
}

function missing({ row, contenders }: Line): string[] {
  return Object.entries(contenders).flatMap(([name, taken]) =>
    "missing" in taken ? `${row}, ${name}: ${taken.missing.split("\n")[0]}` : [],
  );
}
