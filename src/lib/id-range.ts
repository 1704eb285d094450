/** Names that differ in one number, written as one: `web[01-40,42]`. */
import { MsaltError } from "../errors.ts";

const maxNames = 100_000;

/** The names as short as can be, in order: `web1, web2, web3, db1` gives `db1,web[1-3]`. Numbers keep their leading zeros. */
export function foldIds(ids: readonly string[]): string {
  const groups = new Map<string, { readonly before: string; readonly after: string; readonly numbers: string[] }>();
  for (const id of ids) {
    const [, before = id, number, after = ""] = /^([^0-9]*)([0-9]{1,15})(.*)$/s.exec(id) ?? [];
    const key = JSON.stringify([before, after, number === undefined]);
    const group = groups.get(key) ?? { before, after, numbers: [] };
    group.numbers.push(number ?? "");
    groups.set(key, group);
  }
  const texts = [...groups.values()].flatMap(({ before, after, numbers }) => {
    // `09` and `10` count on from each other; `9` and `10` too, but not in one row with the others.
    const padded = new Set(numbers.filter((number) => /^0./.test(number)).map((number) => number.length));
    const widths = [0, ...padded];
    const rows = widths.map((width) => numbers.filter(({ length }) => (padded.has(length) ? length : 0) === width));
    return rows
      .filter((row) => row.length > 0)
      .map((row) => `${before}${row.length < 2 ? row.join("") : `[${rangesOf(row)}]`}${after}`);
  });
  return texts.toSorted((a, b) => a.localeCompare(b, "en", { numeric: true })).join(",");
}

function rangesOf(numbers: readonly string[]): string {
  const runs: [string, string][] = [];
  for (const number of numbers.toSorted((a, b) => Number(a) - Number(b))) {
    const last = runs.at(-1);
    if (last !== undefined && Number(last[1]) + 1 === Number(number)) last[1] = number;
    else runs.push([number, number]);
  }
  return runs.map(([from, to]) => (from === to ? from : `${from}-${to}`)).join(",");
}

/** The inverse: `web[1-3,7].x` gives four names; text without brackets is itself. @throws MsaltError `ERR_TARGET_INVALID`. */
export function expandIds(text: string): string[] {
  const [, before = "", ranges, after = ""] = /^([^[]*)\[([^\]]*)\](.*)$/s.exec(text) ?? [];
  if (ranges === undefined) return [text];
  const bad = (why: string): MsaltError =>
    new MsaltError("ERR_TARGET_INVALID", `${JSON.stringify(text)}: ${why}`, {
      hint: "a range looks like web[1-40,42]",
    });
  const names: string[] = [];
  const tails = expandIds(after);
  // A name may have brackets of its own: lab[1].
  if (!/[-,]/.test(ranges)) return tails.map((tail) => `${before}[${ranges}]${tail}`);
  for (const range of ranges.split(",")) {
    const [, from, to = from] = /^\s*(\d{1,15})(?:-(\d{1,15}))?\s*$/.exec(range) ?? [];
    if (from === undefined || to === undefined || Number(from) > Number(to)) {
      throw bad(`${JSON.stringify(range)} is no number and no range of numbers`);
    }
    const width = from.startsWith("0") ? from.length : 0;
    for (let n = Number(from); n <= Number(to); n += 1) {
      for (const tail of tails) names.push(`${before}${String(n).padStart(width, "0")}${tail}`);
      if (names.length > maxNames) throw bad(`it stands for more than ${maxNames} names`);
    }
  }
  return names;
}
