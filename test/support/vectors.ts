import { readFileSync } from "node:fs";
import { join } from "node:path";

const folder = join(import.meta.dirname, "../vectors");

/** The lines of a golden file; every `{"$float":…}`, `{"$int":…}` and so on is made what it stands for. */
export function readVectors<T>(file: string): T[] {
  const lines = readFileSync(join(folder, file), "utf8").trimEnd().split("\n");
  return lines.map((line) => revive(JSON.parse(line)) as T);
}

function revive(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(revive);
  const [[tag, content] = ["", undefined], ...others] = Object.entries(value as Record<string, unknown>);
  if (others.length === 0) {
    if (tag === "$int") return BigInt(String(content));
    if (tag === "$float") return Number(String(content).replace("inf", "Infinity").replace("nan", "NaN"));
    if (tag === "$bytes") return new Uint8Array(Buffer.from(String(content), "base64"));
    if (tag === "$set") return new Set(revive(content) as unknown[]);
    if (tag === "$map") return new Map(revive(content) as [unknown, unknown][]);
  }
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, revive(member)]));
}

interface Fleet {
  readonly minions: Readonly<Record<string, { readonly grains: unknown; readonly pillar: unknown }>>;
  readonly nodegroups: Readonly<Record<string, string | string[]>>;
}

/** The invented machines that target vectors speak of. */
export function readFleet(): Fleet {
  return revive(JSON.parse(readFileSync(join(folder, "fleet.json"), "utf8"))) as Fleet;
}

/** `<file> <n>` of each golden case that docs/salt-differences.md lists. */
export function readDifferences(): ReadonlySet<string> {
  const text = readFileSync(join(folder, "../../docs/salt-differences.md"), "utf8");
  const rows = [...text.matchAll(/^\| ([a-z-]+) \| ([\d, ]+) \|/gm)];
  return new Set(rows.flatMap(([, file, numbers]) => (numbers ?? "").split(", ").map((n) => `${file} ${n}`)));
}
