/** Named targets of the master's configuration (`nodegroups`), spelt out as words of a compound expression. */
import { MsaltError } from "../errors.ts";

/** What the configuration may hold: an expression as text, or its words as a list. */
export type Nodegroups = Readonly<Record<string, string | readonly (string | number)[]>>;

export const operators: ReadonlySet<string> = new Set(["and", "or", "not", "(", ")"]);

/**
 * The words of a group, those of the groups inside it in brackets. Names alone, without any operator or `X@`, are a list, or
 * one regular expression where they hold one's characters.
 * @throws MsaltError `ERR_TARGET_INVALID` for a group that is not there or contains itself
 */
export function expandNodegroup(name: string, groups: Nodegroups, outer: readonly string[] = []): string[] {
  const group = Object.hasOwn(groups, name) ? groups[name] : undefined;
  if (group === undefined) {
    const known = Object.keys(groups).join(", ");
    throw new MsaltError("ERR_TARGET_INVALID", `no nodegroup ${JSON.stringify(name)}`, {
      hint: known === "" ? "the master's configuration has no nodegroups" : `there are ${known}`,
    });
  }
  if (typeof group !== "string" && !Array.isArray(group)) {
    throw new MsaltError("ERR_TARGET_INVALID", `nodegroup ${JSON.stringify(name)} is neither text nor a list of words`);
  }
  if (outer.includes(name)) {
    const circle = [...outer.slice(outer.indexOf(name)), name].join(" -> ");
    throw new MsaltError("ERR_TARGET_INVALID", `nodegroup ${JSON.stringify(name)} contains itself: ${circle}`);
  }
  const words =
    typeof group === "string" ? group.split(/\s+/).filter(Boolean) : group.map((word: unknown) => String(word));
  const isPlain = words.every((word) => !operators.has(word) && !word.includes("*") && !/^[A-Z]@/.test(word));
  if (isPlain) {
    const names = words.join(",");
    return [/[([{\\?}\])]/.test(names) ? `E@${names}` : `L@${names}`];
  }
  const expanded = words.flatMap((word) =>
    word.length > 2 && word.startsWith("N@") ? expandNodegroup(word.slice(2), groups, [...outer, name]) : [word],
  );
  return expanded.length > 1 ? ["(", ...expanded, ")"] : expanded;
}
