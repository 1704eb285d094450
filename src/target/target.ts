import type { MinionId } from "../wire/ids.ts";
export function resolveTarget(tgt: string, type: string, accepted: readonly MinionId[]): { minions: MinionId[]; missing: string[] } {
  if (type === "list") { const names = tgt.split(/[,\s]+/).filter(Boolean); return { minions: accepted.filter((a) => names.includes(a)), missing: names.filter((n) => !accepted.includes(n as MinionId)) }; }
  const re = type === "pcre" ? new RegExp("^(?:" + tgt + ")") : new RegExp("^" + tgt.replaceAll("*", ".*").replaceAll("?", ".") + "$");
  return { minions: accepted.filter((a) => re.test(a)), missing: [] };
}
