import { safeLine } from "../lib/safe-text.ts";
import { paint } from "./colors.ts";
import { bytesText, entriesOf, isMap, plainText, sortedEntries, type ValueMap } from "./values.ts";

/** Where a cell goes on in the next line. */
const maxWidth = 50;
/** Characters in a table. One long cell widens every row, so that a small value could fill the memory. */
const maxArea = 2 ** 26;

/**
 * Every list as a table with a line between its rows, every key above it with `----------`. As in Salt, values that are
 * neither lists nor maps have no place in it, nor have lists that mix kinds.
 *
 * @returns `undefined` when a list's items cannot be rows, or the table would be too large
 */
export function table(value: unknown, color: boolean): string | undefined {
  const lines: string[] = [];
  return show(value, 0, color, lines) ? lines.join("\n") : undefined;
}

/** @returns whether it could be shown */
function show(value: unknown, indent: number, color: boolean, lines: string[]): boolean {
  if (Array.isArray(value)) return showRows(value, indent + 4, color, lines);
  if (!isMap(value)) return true;
  return sortedEntries(value).every(([key, entry]) => {
    const margin = " ".repeat(indent);
    lines.push(`${margin}${paint(color, "darkGray", safeLine(key))}:`);
    lines.push(margin + paint(color, "darkGray", "----------"));
    return show(entry, Array.isArray(entry) ? indent : indent + 4, color, lines);
  });
}

function showRows(list: readonly unknown[], indent: number, color: boolean, lines: string[]): boolean {
  if (new Set(list.map(kindOf)).size !== 1) return true;
  const rows = list.every(isMap) ? rowsOfMaps(list) : list.map(cellsOf);
  if (rows === undefined || !rows.every((row) => row !== undefined)) return false;
  const columns = longest(rows);
  if (columns === 0) return false;

  const blocks = rows.map((row) => row.map((cell) => wrap(cell).split("\n")));
  const widths = widthsOf(blocks, columns);
  const total = widths.reduce((sum, width) => sum + width, 0) + 3 * (columns - 1) + 4;
  if (blocks.reduce((height, block) => height + longest(block) + 1, 1) * total > maxArea) return false;
  const margin = " ".repeat(indent);
  const rule = margin + paint(color, "lightGray", "-".repeat(total));
  lines.push(rule);
  for (const block of blocks) {
    const height = longest(block);
    for (let line = 0; line < height; line += 1) {
      const cells = widths.map((width, column) => center(block[column]?.[line] ?? "", width));
      lines.push(margin + paint(color, "white", `| ${cells.join(" | ")} |`));
    }
    lines.push(rule);
  }
  return true;
}

function widthsOf(blocks: readonly (readonly (readonly string[])[])[], columns: number): number[] {
  const widths = Array.from({ length: columns }, () => 0);
  for (const block of blocks) {
    for (const [column, cell] of block.entries()) {
      widths[column] = cell.reduce((width, line) => Math.max(width, sizeOf(line)), widths[column] ?? 0);
    }
  }
  return widths;
}

function kindOf(value: unknown): string {
  if (value instanceof Uint8Array) return "string";
  if (Array.isArray(value)) return "list";
  return value === null ? "null" : typeof value;
}

/**
 * A row of labels and one for each map. A map without one of the keys has an empty cell there.
 *
 * @returns `undefined` when that would be far more cells than there are values
 */
function rowsOfMaps(maps: readonly ValueMap[]): string[][] | undefined {
  const keys = [...new Set(maps.flatMap((map) => entriesOf(map).map(([key]) => key)))].toSorted();
  if (keys.length * maps.length * 3 > maxArea) return undefined;
  const rows = maps.map((map) => {
    const cells = new Map(entriesOf(map));
    return keys.map((key) => (cells.has(key) ? textOf(cells.get(key)) : ""));
  });
  return [keys.map(labelOf), ...rows];
}

/** The cells of a row that has no labels, or `undefined` for what is no row. */
function cellsOf(row: unknown): string[] | undefined {
  if (isText(row)) return [textOf(row)];
  return Array.isArray(row) && row.length > 0 && row.every(isText) ? row.map(textOf) : undefined;
}

function isText(value: unknown): boolean {
  return typeof value === "string" || value instanceof Uint8Array;
}

function textOf(value: unknown): string {
  return plainText(value instanceof Uint8Array ? bytesText(value) : value);
}

/** `last_move` as `Last Move`. */
function labelOf(key: string): string {
  return safeLine(key)
    .replaceAll("_", " ")
    .replace(/\p{Cased}+/gu, (word) => {
      const [first = "", ...rest] = word;
      return first.toUpperCase() + rest.join("").toLowerCase();
    });
}

/** Broken at spaces; a word that is too long stays whole. */
function wrap(text: string): string {
  const [start = "", ...words] = text.split(" ");
  let width = sizeOf(start.slice(start.lastIndexOf("\n") + 1));
  const parts = [start];
  for (const word of words) {
    const [head = ""] = word.split("\n", 1);
    const breaks = width + sizeOf(head) >= maxWidth;
    const last = word.slice(word.lastIndexOf("\n") + 1);
    width = sizeOf(last) + (breaks || word.includes("\n") ? 0 : width + 1);
    parts.push(breaks ? "\n" : " ", word);
  }
  return parts.join("");
}

function longest(lists: readonly (readonly unknown[])[]): number {
  return lists.reduce((length, list) => Math.max(length, list.length), 0);
}

function sizeOf(text: string): number {
  return Array.from(text).length;
}

/** As Python's `str.center` shares out an odd space. */
function center(text: string, width: number): string {
  const spare = width - sizeOf(text);
  const left = Math.floor(spare / 2) + (spare & width & 1);
  return " ".repeat(left) + text + " ".repeat(spare - left);
}
