/** What there is to complete, read off the commander programs: the scripts of all shells are written from this. */
import type { Command, Option } from "commander";
import { logLevel } from "../../config/values.ts";
import { outputters } from "../../output/render.ts";
import { runners } from "../../runners/registry.ts";
import type { Candidates } from "../candidates.ts";
import { programs } from "../programs.ts";
import { shells } from "../run-options.ts";

/** What may stand in a place. */
export type Value =
  | { readonly kind: "any" | "dirs" | "files" }
  | { readonly kind: "words"; readonly words: readonly string[] }
  | { readonly kind: "ask"; readonly what: Candidates };

export interface Flag {
  /** `-c`, `--config-dir`. */
  readonly names: readonly string[];
  readonly text: string;
  /** Undefined: it takes none. */
  readonly value: Value | undefined;
}

export interface Tool {
  readonly name: string;
  readonly flags: readonly Flag[];
}

/** What may follow a first word of `msalt-run`. */
interface RunnerPlace {
  readonly runner: string;
  /** Of the argument, from 1. */
  readonly place: number;
  readonly value: Value;
}

const words = (...list: readonly string[]): Value => ({ kind: "words", words: list });
const ask = (what: Candidates): Value => ({ kind: "ask", what });

const byPlaceholder: Readonly<Record<string, Value>> = {
  dir: { kind: "dirs" },
  file: { kind: "files" },
  level: words(...logLevel.options),
  state: words("acc", "pre", "un", "rej", "den", "all"),
  glob: ask("minions"),
};
const byFlag: Readonly<Record<string, Value>> = {
  "--output": words(...outputters),
  "--accept": ask("keys"),
  "--reject": ask("keys"),
};
const byParam: Readonly<Record<string, Value>> = {
  jid: ask("jobs"),
  minion_id: ask("minions"),
  match: ask("minions"),
  tgt: ask("minions"),
};

export function tools(version: string): readonly Tool[] {
  return programs(version).map((command) => ({ name: command.name(), flags: flagsOf(command) }));
}

function flagsOf(command: Command): readonly Flag[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .map((option) => ({
      names: [option.short, option.long].filter((name) => name !== undefined),
      text: option.description,
      value: valueOf(option),
    }));
}

function valueOf({ flags, long = "" }: Option): Value | undefined {
  const placeholder = /<(.+)>$/.exec(flags)?.[1];
  return placeholder === undefined ? undefined : (byFlag[long] ?? byPlaceholder[placeholder] ?? { kind: "any" });
}

const runnerPlaces: readonly RunnerPlace[] = [
  { runner: "completion", place: 1, value: words(...shells) },
  ...[...runners.values()].flatMap(({ name, params }) =>
    params.flatMap((param, index) => {
      const waiting = param === "match" && /^key\.(accept|reject)$/.test(name) ? ask("keys") : undefined;
      const value = waiting ?? byParam[param.replace("?", "")];
      return value === undefined ? [] : [{ runner: name, place: index + 1, value }];
    }),
  ),
];

/** Options of `msalt` under which the target is no glob on the minion id: nothing is known of what it may be. */
export const otherTargets: readonly string[] =
  "-E --pcre -G --grain -P --grain-pcre -I --pillar -J --pillar-pcre -S --ipcidr -N --nodegroup -C --compound".split(
    " ",
  );

/** Places of `msalt-run` by what stands there: one branch of a script each. */
export function placesByValue(): readonly { readonly value: Value; readonly places: readonly RunnerPlace[] }[] {
  const groups = new Map<string, { value: Value; places: RunnerPlace[] }>();
  for (const place of runnerPlaces) {
    const key = JSON.stringify(place.value);
    const group = groups.get(key) ?? { value: place.value, places: [] };
    group.places.push(place);
    groups.set(key, group);
  }
  return [...groups.values()];
}

/** In single quotes, for every shell but fish. */
export const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
