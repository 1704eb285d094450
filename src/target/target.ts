/** Target expressions, resolved on the master alone (DESIGN §5.3): who matches is who must answer. */
import { MsaltError } from "../errors.ts";
import { compileGlob } from "../lib/glob.ts";
import { expandIds } from "../lib/id-range.ts";
import { compileRegex } from "../lib/regex.ts";
import type { MinionId } from "../wire/ids.ts";
import { limits } from "../wire/limits.ts";
import type { TargetType } from "../wire/local.ts";
import { compileCidr } from "./cidr.ts";
import { compileCompound, parseWord } from "./compound.ts";
import { compileData, type Data } from "./data.ts";
import { expandNodegroup, type Nodegroups } from "./nodegroups.ts";

/** An accepted minion and what it has reported of itself. */
export interface Candidate {
  readonly id: MinionId;
  readonly grains?: Data | undefined;
  readonly pillar?: Data | undefined;
}

export interface TargetOptions {
  /** Between the levels of grain and pillar paths; default `:`. */
  readonly delimiter?: string | undefined;
  readonly nodegroups?: Nodegroups | undefined;
  /** Milliseconds that never go back: with it, a target that takes too long to judge is refused. */
  readonly now?: (() => number) | undefined;
}

export interface Resolved {
  /** In the order of the candidates. */
  readonly minions: MinionId[];
  /** Names in a list that are no accepted minion, each once, in the order given. */
  readonly missing: string[];
}

type Test = (candidate: Candidate) => boolean;

/**
 * The candidates that a target names.
 * @throws MsaltError `ERR_TARGET_INVALID` for what is too long, has too many names, takes too long, or is no expression of its type.
 */
export function resolveTarget(
  tgt: string,
  tgtType: TargetType,
  candidates: readonly Candidate[],
  options: TargetOptions = {},
): Resolved {
  if (Buffer.byteLength(tgt) > limits.targetBytes) {
    throw new MsaltError("ERR_TARGET_INVALID", `the target is longer than ${limits.targetBytes} bytes`);
  }
  const named = new Set<string>();
  const look = stopwatch(options.now);
  const test = compileTarget(tgt, tgtType, { ...options, look }, named);
  const minions = candidates
    .filter((candidate) => {
      look();
      return test(candidate);
    })
    .map(({ id }) => id);
  if (named.size === 0) return { minions, missing: [] };
  const known: ReadonlySet<string> = new Set(candidates.map(({ id }) => id));
  return { minions, missing: [...named].filter((name) => !known.has(name)) };
}

/** Throws when the time is up; to be called often. */
function stopwatch(now: (() => number) | undefined): () => void {
  if (now === undefined) return () => undefined;
  const end = now() + limits.targetMs;
  let calls = 0;
  return () => {
    calls += 1;
    if (calls % 16 > 0 || now() < end) return;
    throw new MsaltError("ERR_TARGET_INVALID", `the target takes more than ${limits.targetMs} ms to judge`, {
      hint: "use a simpler expression",
    });
  };
}

type Options = Omit<TargetOptions, "now"> & { readonly look: () => void };

/** @param named takes the names of lists: who is listed must answer, key or not */
function compileTarget(tgt: string, tgtType: TargetType, options: Options, named: Set<string>): Test {
  const { delimiter = ":", nodegroups = {}, look } = options;
  switch (tgtType) {
    case "glob": {
      const matches = compileGlob(tgt);
      return ({ id }) => matches(id);
    }
    case "pcre": {
      const matches = compileRegex(tgt);
      return ({ id }) => matches(id);
    }
    case "list":
      return compileList(tgt, named);
    case "grain":
    case "grain_pcre": {
      const matches = compileData(tgt, delimiter, tgtType === "grain" ? "glob" : "regex");
      return ({ grains }) => grains !== undefined && matches(grains);
    }
    case "pillar":
    case "pillar_pcre": {
      const matches = compileData(tgt, delimiter, tgtType === "pillar" ? "glob" : "regex");
      return ({ pillar }) => pillar !== undefined && matches(pillar);
    }
    case "ipcidr": {
      const matches = compileCidr(tgt);
      return ({ grains }) => matches({ ipv4: textsOf(grains?.["ipv4"]), ipv6: textsOf(grains?.["ipv6"]) });
    }
    case "nodegroup":
      return compileWords(expandNodegroup(tgt, nodegroups), nodegroups, named, look);
    case "compound":
      return compileWords(tgt.split(/\s+/).filter(Boolean), nodegroups, named, look);
  }
}

function compileWords(words: readonly string[], nodegroups: Nodegroups, named: Set<string>, look: () => void): Test {
  if (words.length > limits.targetTerms) {
    const text = `the target has ${words.length} words, at most ${limits.targetTerms} allowed`;
    throw new MsaltError("ERR_TARGET_INVALID", text);
  }
  const expanded = words.flatMap((word) => {
    const { engine, pattern } = parseWord(word);
    return engine === "N" ? expandNodegroup(pattern, nodegroups) : [word];
  });
  return compileCompound<Candidate>(expanded, (word, negated) => {
    const { engine, delimiter, pattern } = parseWord(word);
    const type = engine === undefined ? "glob" : engines[engine];
    if (type === undefined) {
      throw new MsaltError("ERR_TARGET_INVALID", `${word}: targets of type ${engine}@ are not supported`);
    }
    look();
    // Who is excluded by name need not be there.
    const test = compileTarget(pattern, type, { delimiter, look }, negated ? new Set() : named);
    return (candidate) => {
      look();
      return test(candidate);
    };
  });
}

const engines: Readonly<Partial<Record<string, TargetType>>> = {
  G: "grain",
  P: "grain_pcre",
  I: "pillar",
  J: "pillar_pcre",
  L: "list",
  S: "ipcidr",
  E: "pcre",
};

function compileList(tgt: string, named: Set<string>): Test {
  const names = new Set<string>();
  for (const text of namesOf(tgt)) {
    for (const name of expandIds(text)) names.add(name);
    if (names.size <= limits.targetTerms) continue;
    const message = `the target lists more than ${limits.targetTerms} minions`;
    throw new MsaltError("ERR_TARGET_INVALID", message, { hint: "use a glob or -E in place of a list" });
  }
  for (const name of names) named.add(name);
  return ({ id }) => names.has(id);
}

/** As Salt: with a comma anywhere, blanks mean nothing; without one, they separate. An addition: `web[1-40,42]`. */
function namesOf(tgt: string): string[] {
  const names = tgt.includes(",") ? tgt.replaceAll(" ", "").split(/,(?![^[]*\])/) : tgt.split(/\s+/);
  return names.filter((name) => name !== "");
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}
