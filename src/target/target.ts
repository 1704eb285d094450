/** Target expressions, resolved on the master alone (DESIGN §5.3): who matches is who must answer. */
import { MsaltError } from "../errors.ts";
import { compileGlob } from "../lib/glob.ts";
import { compileRegex } from "../lib/regex.ts";
import type { MinionId } from "../wire/ids.ts";
import { limits } from "../wire/limits.ts";
import type { TargetType } from "../wire/local.ts";

export interface Resolved {
  /** In the order of `accepted`. */
  readonly minions: MinionId[];
  /** Names in a list that are no accepted minion, each once, in the order given. */
  readonly missing: string[];
}

/**
 * The accepted minions that a target names.
 * @throws MsaltError `ERR_TARGET_INVALID` for what is too long, has too many names, or is no expression of its type.
 */
export function resolveTarget(tgt: string, tgtType: TargetType, accepted: readonly MinionId[]): Resolved {
  if (Buffer.byteLength(tgt) > limits.targetBytes) {
    throw new MsaltError("ERR_TARGET_INVALID", `the target is longer than ${limits.targetBytes} bytes`);
  }
  if (tgtType !== "list") {
    const matches = tgtType === "glob" ? compileGlob(tgt) : compileRegex(tgt);
    return { minions: accepted.filter((id) => matches(id)), missing: [] };
  }
  const names = listed(tgt);
  if (names.size > limits.targetTerms) {
    const text = `the target lists ${names.size} minions, at most ${limits.targetTerms} allowed`;
    throw new MsaltError("ERR_TARGET_INVALID", text, { hint: "use a glob or -E in place of a list" });
  }
  const known: ReadonlySet<string> = new Set(accepted);
  return {
    minions: accepted.filter((id) => names.has(id)),
    missing: [...names].filter((name) => !known.has(name)),
  };
}

/** As Salt: with a comma anywhere, blanks mean nothing; without one, they separate. */
function listed(tgt: string): ReadonlySet<string> {
  const names = tgt.includes(",") ? tgt.replaceAll(" ", "").split(",") : tgt.split(/\s+/);
  return new Set(names.filter((name) => name !== ""));
}
