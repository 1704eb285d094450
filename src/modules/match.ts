/** `match`: whether this minion is one that a target names. Names, parameters and returns are Salt's. */
import * as z from "zod";
import { MsaltError } from "../errors.ts";
import { resolveTarget } from "../target/target.ts";
import { isMinionId, type MinionId } from "../wire/ids.ts";
import type { TargetType } from "../wire/local.ts";
import { type AnyFunction, type Host } from "./declare.ts";
import { fact } from "./facts.ts";

const tgt = z.string();
const delimiter = z.string().min(1).default(":");
const minionId = z
  .string()
  .refine(isMinionId, "must be the name of a minion")
  .optional()
  .describe("another name than this minion's own");

interface Asked {
  readonly tgt: string;
  readonly delimiter?: string;
  readonly minion_id?: string | undefined;
}

const matches =
  (type: TargetType) =>
  async ({ tgt: expression, delimiter: between, minion_id: other }: Asked, host: Host): Promise<boolean> => {
    const id = (other ?? host.id) as MinionId;
    return resolveTarget(expression, type, [{ id, grains: host.grains }], { delimiter: between }).minions.length > 0;
  };

/** Words as `resolveTarget` sees them; nodegroups are the master's to know. */
const compound = async (asked: Asked, host: Host): Promise<boolean> => {
  if (asked.tgt.split(/\s+/).some((word) => word.startsWith("N@")))
    throw new MsaltError("ERR_TARGET_INVALID", "a minion knows no nodegroups: N@ can only be resolved by the master");
  return matches("compound")(asked, host);
};

const byName = z.strictObject({ tgt, minion_id: minionId });
const byData = z.strictObject({ tgt, delimiter });

export const matchFunctions: readonly AnyFunction[] = [
  fact("match.glob", "Say whether a glob matches the name of this minion.", byName, matches("glob"), "'web*'"),
  fact("match.list", "Say whether a list names this minion.", byName, matches("list"), "web1,web2"),
  fact(
    "match.pcre",
    "Say whether a regular expression matches the name of this minion.",
    byName,
    matches("pcre"),
    "'web\\d+'",
  ),
  fact("match.grain", "Say whether a grain of this minion has a value.", byData, matches("grain"), "'os:Ubuntu'"),
  fact(
    "match.grain_pcre",
    "Say whether a regular expression matches a grain of this minion.",
    byData,
    matches("grain_pcre"),
    "'os:Fedo.*'",
  ),
  fact(
    "match.ipcidr",
    "Say whether this minion has an address in a network.",
    z.strictObject({ tgt }),
    matches("ipcidr"),
    "192.168.44.0/24",
  ),
  fact(
    "match.compound",
    "Say whether a compound expression matches this minion.",
    byName,
    compound,
    "'web* and G@os:Debian'",
  ),
];
