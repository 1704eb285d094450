/** Equal answers of many minions as one: `--fold`, and `--diff` against what most of them answered. */
import { structuredPatch } from "diff";
import { foldIds } from "../lib/id-range.ts";
import { type OutputterName, type RenderOptions, render } from "../output/render.ts";

interface Group {
  readonly value: unknown;
  readonly ids: Set<string>;
  readonly failed: boolean;
}

export class Folder {
  readonly #groups = new Map<string, Group>();
  readonly #groupOf = new Map<string, Group>();

  /** A later answer of the same minion stands for the earlier one. */
  add(id: string, value: unknown, failed: boolean): void {
    const text = `${failed ? 1 : 0}${render("json", value, { color: false, indent: -1 })}`;
    const group = this.#groups.get(text) ?? { value, ids: new Set(), failed };
    this.#groupOf.get(id)?.ids.delete(id);
    group.ids.add(id);
    this.#groups.set(text, group);
    this.#groupOf.set(id, group);
  }

  /** How many minions gave each of the different answers, most first. */
  get counts(): number[] {
    return this.#sorted().map(({ ids }) => ids.size);
  }

  /** All groups, the largest first. @param compare each with the largest, line by line */
  text(outputter: OutputterName, compare: boolean, options: Omit<RenderOptions, "failed">): string {
    const groups = this.#sorted();
    const named = groups.map((group) => ({ ...group, name: nameOf(group, outputter) }));
    const failed = new Set(named.filter((group) => group.failed).map(({ name }) => name));
    const show = (shown: typeof named): string =>
      render(outputter, Object.fromEntries(shown.map(({ name, value }) => [name, value])), { ...options, failed });
    const [first, ...others] = named;
    // One document, or each group for itself: outputters sort what is in one map.
    const all = (): string => (outputter === "json" ? show(named) : named.map((group) => show([group])).join(""));
    if (!compare || first === undefined || others.length === 0) return all();
    const lines = (value: unknown): string => render("nested", value, { color: false });
    const compared = others.map(({ name, value }) => {
      const { hunks } = structuredPatch("", "", lines(first.value), lines(value), "", "", { context: 3 });
      const changes = hunks.map((hunk) => hunk.lines.map((line) => `    ${line}\n`).join(""));
      return `${name}, where it differs:\n${changes.join("    ...\n")}`;
    });
    return [show([first]), ...compared].join("");
  }

  #sorted(): Group[] {
    return [...this.#groups.values()].filter(({ ids }) => ids.size > 0).toSorted((a, b) => b.ids.size - a.ids.size);
  }
}

/** `web[1-40,42] (41)`; without the count where the name is a key of a document. */
function nameOf({ ids }: Group, outputter: OutputterName): string {
  const folded = foldIds([...ids]);
  return (outputter === "nested" || outputter === "default") && ids.size > 1 ? `${folded} (${ids.size})` : folded;
}
