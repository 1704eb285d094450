/** `top.sls`: which files are for which minions. Its messages quote no target, as every minion gets them. */
import { MsaltError } from "../errors.ts";
import type { Nodegroups } from "../target/nodegroups.ts";
import { type Candidate, resolveTarget } from "../target/target.ts";
import type { MinionId } from "../wire/ids.ts";
import type { TargetType } from "../wire/local.ts";
import { isMap } from "./merge.ts";
import { invalid, kindOf, lineOf, type PillarReader, parseSource, type Source } from "./source.ts";

interface Rule {
  readonly target: string;
  readonly kind: TargetType;
  readonly names: readonly string[];
}

/** The rules in their order, and the file that they stand in. */
export interface Top {
  readonly source: Source;
  readonly rules: readonly Rule[];
}

const kinds: readonly TargetType[] = ["glob", "list", "pcre", "grain", "grain_pcre", "ipcidr", "nodegroup", "compound"];

/** @returns undefined when there is no `top.sls`: then nobody has a pillar. @throws MsaltError `ERR_PILLAR_INVALID`. */
export function readTop(reader: PillarReader): Top | undefined {
  const source = reader.read("top.sls");
  if (source === undefined) return undefined;
  const { file, text } = source;
  const environments = parseSource(source);
  const other = Object.keys(environments).find((name) => name !== "base");
  if (other !== undefined) {
    throw invalid(`${file} line ${lineOf(text, other)}: there is no environment but base`);
  }
  const base = environments["base"] ?? {};
  if (!isMap(base)) throw invalid(`${file}: base must be a map of targets, not ${kindOf(base)}`);
  return { source, rules: Object.entries(base).map(([target, entries]) => ruleOf(source, target, entries)) };
}

function ruleOf({ file, text }: Source, target: string, entries: unknown): Rule {
  const where = `${file} line ${lineOf(text, target)}`;
  if (!Array.isArray(entries)) throw invalid(`${where}: a target must have a list of files, not ${kindOf(entries)}`);
  let kind: TargetType = "glob";
  const names: string[] = [];
  for (const entry of entries as unknown[]) {
    if (typeof entry === "string") {
      names.push(entry);
      continue;
    }
    const options = isMap(entry) ? Object.keys(entry) : [];
    if (!isMap(entry) || options.length !== 1 || options[0] !== "match") {
      throw invalid(`${where}: a list of files holds names and "match: <kind of target>", nothing else`);
    }
    const found = kinds.find((each) => each === entry["match"]);
    if (found === undefined) throw invalid(`${where}: match must be one of ${kinds.join(", ")}`);
    kind = found;
  }
  return { target, kind, names };
}

/**
 * The names of each candidate's files, in the order of the rules, each once.
 * @throws MsaltError `ERR_PILLAR_INVALID` for a target that is none.
 */
export function namesOf(
  { source, rules }: Top,
  candidates: readonly Pick<Candidate, "id" | "grains">[],
  nodegroups: Nodegroups,
): ReadonlyMap<MinionId, readonly string[]> {
  const names = new Map<MinionId, Set<string>>(candidates.map(({ id }) => [id, new Set()]));
  const known = candidates.map(({ id, grains }) => ({
    id,
    grains,
    get pillar(): never {
      throw new MsaltError("ERR_TARGET_INVALID", "the pillar cannot be a target in top.sls");
    },
  }));
  for (const rule of rules) {
    for (const id of matching(source, rule, known, nodegroups)) {
      for (const name of rule.names) names.get(id)?.add(name);
    }
  }
  return new Map([...names].map(([id, each]) => [id, [...each]]));
}

function matching(
  { file, text }: Source,
  { target, kind }: Rule,
  candidates: readonly Candidate[],
  nodegroups: Nodegroups,
): readonly MinionId[] {
  try {
    return resolveTarget(target, kind, candidates, { nodegroups }).minions;
  } catch (failure) {
    if (!(failure instanceof MsaltError)) throw failure;
    throw new MsaltError(
      "ERR_PILLAR_INVALID",
      `${file} line ${lineOf(text, target)}: not a target of the kind ${kind}, or one that top.sls cannot have`,
      {},
      { cause: failure },
    );
  }
}
