import { MsaltError } from "../errors.ts";
import { guessWord } from "../wire/yaml-word.ts";
import type { LocalLoad, TargetType } from "../wire/local.ts";
import type { MinionId } from "../wire/ids.ts";
import { type Runner, type RunnerContext, wordOf } from "./runner.ts";

const chunk = 100;

/** Of minions that never reported any: an empty map. */
async function grainsOf(
  target: LocalLoad<"target.resolve">,
  { call }: RunnerContext,
): Promise<Record<string, unknown>> {
  const { minions } = await call("target.resolve", target);
  const all: Record<string, unknown> = {};
  for (let at = 0; at < minions.length; at += chunk) {
    const ids = minions.slice(at, at + chunk).map(({ id }): MinionId => id);
    Object.assign(all, (await call("minion.grains", { ids })).grains);
  }
  return all;
}

/** Versions that minions run, as Salt groups them. */
async function versions(context: RunnerContext): Promise<unknown> {
  const grains = await grainsOf({ tgt: "*", tgtType: "glob" }, context);
  const groups: Record<string, Record<string, string>> = {};
  for (const [id, each] of Object.entries(grains)) {
    const version = wordOf((each as Record<string, unknown>)["msaltversion"], "unknown");
    const group =
      version === "unknown" ? "Unknown" : version === context.version ? "Up to date" : "Minion requires update";
    (groups[group] ??= {})[id] = version;
  }
  return { Master: context.version, ...groups };
}

export const facts: readonly Runner[] = [
  {
    name: "cache.grains",
    summary: "Show the grains that minions reported: cache.grains 'web*', or cache.grains os:Debian tgt_type=grain.",
    params: ["tgt?"],
    keywords: ["tgt", "tgt_type"],
    run: ({ arg, kwarg }, context) => {
      const tgt = wordOf(arg[0] ?? kwarg["tgt"], "*");
      return grainsOf({ tgt, tgtType: wordOf(kwarg["tgt_type"], "glob") as TargetType }, context);
    },
  },
  {
    name: "match.compound_matches",
    summary: "Say whether a compound expression matches one minion.",
    params: ["expr", "minion_id"],
    run: async ({ arg }, { call }) => {
      const [tgt = "", id] = arg.map(String);
      const { minions } = await call("target.resolve", { tgt, tgtType: "compound" });
      return { minion_id: minions.some((each) => each.id === id) ? id : null };
    },
  },
  {
    name: "config.get",
    summary: "Show a value of the master's configuration, by its path: config.get timeout.",
    params: ["key", "default?"],
    run: async ({ arg }, { config }) => {
      let value: unknown = config;
      for (const name of String(arg[0]).split(":")) {
        value = typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
      }
      if (value !== undefined) return value;
      if (arg[1] === undefined)
        throw new MsaltError("ERR_FUNCTION_ARGS", `config.get: no ${String(arg[0])} in the configuration`);
      return guessWord(wordOf(arg[1]));
    },
  },
  {
    name: "manage.versions",
    summary: "Group the minions by the version they run.",
    params: [],
    run: (_args, context) => versions(context),
  },
];
