/** Equal answers of many minions as one group, and how a group differs from the largest. */
import { structuredPatch } from "diff";
import { nested } from "../output/nested.ts";
import type { Target } from "./types.ts";

export interface Group {
  /** Of what it answered; stands for the group while others grow past it. */
  readonly key: string;
  readonly value: unknown;
  readonly failed: boolean;
  readonly ids: string[];
}

const keys = new WeakMap<Target, string>();

function keyOf(target: Target): string {
  let key = keys.get(target);
  if (key === undefined) {
    key = `${target.success === true ? 0 : 1}${JSON.stringify(target.return)}`;
    keys.set(target, key);
  }
  return key;
}

/** The largest first. Targets without an answer are in none. */
export function grouped(targets: Iterable<Target>): Group[] {
  const groups = new Map<string, Group>();
  for (const target of targets) {
    if (target.return === undefined) continue;
    const key = keyOf(target);
    const group = groups.get(key) ?? { key, value: target.return, failed: target.success !== true, ids: [] };
    group.ids.push(target.id);
    groups.set(key, group);
  }
  return [...groups.values()].toSorted((a, b) => b.ids.length - a.ids.length);
}

/** As the command line shows it. */
export function textOf(value: unknown): string {
  return nested(value, { color: false });
}

const maxCompared = 200_000;

/** Lines with ` `, `+` or `-` before them; undefined when it is too much to compare. */
export function difference(from: unknown, to: unknown): string[] | undefined {
  const [a, b] = [`${textOf(from)}\n`, `${textOf(to)}\n`];
  if (a.length + b.length > maxCompared) return undefined;
  // A diff that takes seconds helps nobody: then it is shown whole.
  const patch = structuredPatch("", "", a, b, "", "", { context: 2, timeout: 300 });
  return patch?.hunks.flatMap(({ lines }, n) => (n === 0 ? lines : ["…", ...lines]));
}
