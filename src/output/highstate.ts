import { safeLine } from "../lib/safe-text.ts";
import { type NestedOptions, nested } from "./nested.ts";
import { entriesOf, isMap, repr, safeLines, type ValueMap } from "./values.ts";

const end = "\u001b[0;0m";
const colors = {
  unchanged: "\u001b[0;32m",
  changed: "\u001b[0;36m",
  failed: "\u001b[0;31m",
  pending: "\u001b[0;1;33m",
} as const;

interface Chunk {
  readonly id: string;
  readonly name: string;
  readonly fun: string;
  readonly ret: ValueMap;
  readonly kind: keyof typeof colors;
}

/** Salt's look of state runs, by minion; what is no state run looks as `nested` shows it. */
export function highstate(value: unknown, options: NestedOptions): string {
  if (!isMap(value)) return nested(value, options);
  const paint = (color: keyof typeof colors, text: string): string =>
    options.color ? `${colors[color]}${text}${end}` : text;
  return entriesOf(value)
    .map(([minion, ret]) => {
      const chunks = chunksOf(ret);
      const head = safeLine(minion);
      if (isErrors(ret)) {
        const lines = ret.flatMap((text) => ["----------", ...safeLines(text).map((line) => `    ${line}`)]);
        return [`${head}:`, "    Data failed to compile:", ...lines].map((line) => paint("failed", line)).join("\n");
      }
      if (chunks === undefined) return nested({ [minion]: ret }, options);
      const worst = chunks.some(({ kind }) => kind === "failed") ? "failed" : "changed";
      const lines = chunks.flatMap((chunk) => linesOf(chunk, paint, options));
      return [`${paint(worst, head)}:`, ...lines, "", ...summary(head, chunks, paint)].join("\n");
    })
    .join("\n");
}

function isErrors(value: unknown): value is string[] {
  return Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === "string");
}

/** Keys and values of the form that Salt's states give. */
export function isStateRun(value: unknown): boolean {
  return chunksOf(value) !== undefined;
}

/** In the order in which they ran; undefined when the value is no state run. */
function chunksOf(value: unknown): Chunk[] | undefined {
  if (!isMap(value)) return undefined;
  const chunks: { readonly chunk: Chunk; readonly number: number }[] = [];
  for (const [key, ret] of entriesOf(value)) {
    const [module, id, name, fun, ...more] = key.split("_|-");
    if (module === undefined || id === undefined || name === undefined || fun === undefined || more.length > 0)
      return undefined;
    if (!isMap(ret) || ret["result"] === undefined) return undefined;
    const result = ret["result"];
    const changes = ret["changes"];
    const changed = isMap(changes) && entriesOf(changes).length > 0;
    const kind = result === false ? "failed" : result === null ? "pending" : changed ? "changed" : "unchanged";
    chunks.push({
      chunk: { id, name, fun: `${module}.${fun}`, ret, kind },
      number: Number(ret["__run_num__"] ?? 0),
    });
  }
  return chunks.length === 0 ? undefined : chunks.toSorted((a, b) => a.number - b.number).map(({ chunk }) => chunk);
}

function linesOf(
  { id, name, fun, ret, kind }: Chunk,
  paint: (color: keyof typeof colors, text: string) => string,
  options: NestedOptions,
): string[] {
  const [start, duration, changes] = [ret["start_time"], ret["duration"], ret["changes"]];
  const [first = "", ...more] = safeLines(plain(ret["comment"] ?? ""));
  const rows: [string, string][] = [
    ["ID", safeLine(id)],
    ["Function", safeLine(fun)],
    ...(name === id ? [] : [["Name", safeLine(name)] as [string, string]]),
    ["Result", repr(ret["result"])],
    ["Comment", [first, ...more.map((line) => " ".repeat(14) + line)].join("\n")],
    ...(start === undefined ? [] : [["Started", safeLine(plain(start))] as [string, string]]),
    ...(duration === undefined ? [] : [["Duration", safeLine(durationText(duration))] as [string, string]]),
    ["Changes", "  "],
  ];
  const shown =
    isMap(changes) && entriesOf(changes).length > 0 ? ["----------", ...nested(changes, options).split("\n")] : [];
  return [
    paint(kind, "----------"),
    ...rows.map(([label, text]) => paint(kind, `${label.padStart(12)}: ${text}`)),
    ...shown.map((line) => " ".repeat(14) + line),
  ];
}

function summary(
  minion: string,
  chunks: readonly Chunk[],
  paint: (color: keyof typeof colors, text: string) => string,
): string[] {
  const count = (kind: keyof typeof colors): number => chunks.filter((chunk) => chunk.kind === kind).length;
  const [failed, pending] = [count("failed"), count("pending")];
  const good = chunks.length - failed;
  const changed = count("changed");
  const width = "Succeeded: ".length + Math.max(String(good).length, String(failed).length);
  const line = (label: string, value: number): string =>
    `${label}: ${String(value).padStart(width - label.length - 2)}`;
  const extra = [...(pending > 0 ? [`unchanged=${pending}`] : []), ...(changed > 0 ? [`changed=${changed}`] : [])];
  const total = chunks.reduce((sum, { ret }) => sum + (Number.parseFloat(plain(ret["duration"] ?? 0)) || 0), 0);
  const [time, unit] = total > 999 ? [total / 1000, "s"] : [total, "ms"];
  return [
    paint("changed", `Summary for ${minion}`),
    paint("changed", "-".repeat(width)),
    paint("unchanged", line("Succeeded", good)) + (extra.length === 0 ? "" : ` (${extra.join(", ")})`),
    paint(failed > 0 ? "failed" : "changed", line("Failed", failed)),
    paint("changed", "-".repeat(width)),
    `Total states run: ${String(chunks.length).padStart(width - 7)}`,
    `Total run time: ${time.toFixed(3).padStart(width - 5)} ${unit}`,
  ];
}

function plain(value: unknown): string {
  return typeof value === "string" ? value : repr(value);
}

/** Old states give a number of milliseconds, newer ones the text. */
function durationText(value: unknown): string {
  return typeof value === "number" ? `${value} ms` : plain(value);
}
