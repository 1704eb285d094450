import type { Command } from "commander";
import { MsaltError } from "../errors.ts";
import { didYouMean } from "../lib/near.ts";
import { runners } from "../runners/registry.ts";
import { program, withDocumentation, withOutput } from "./tool.ts";

/** For which there is a completion script. */
export const shells = ["bash", "zsh", "fish"] as const;

/** Every runner and what it does, as `--doc` shows it; with words only those of these names, or below these modules. */
export function documentation(words: readonly string[] = []): string {
  const isMeant = (name: string): boolean => words.some((word) => name === word || name.startsWith(`${word}.`));
  const shown = [...runners.values()].filter(({ name }) => words.length === 0 || isMeant(name));
  const lines = shown.map(({ name, params, summary }) => entry(name, params, summary));
  const completion = entry("completion", [shells.join("|")], "Print a script that completes all tools in this shell.");
  if (words.length === 0) lines.push(completion);
  if (lines.length > 0) return `\nRunners:\n${lines.join("\n")}`;
  const hint = didYouMean(words[0] ?? "", runners.keys()) ?? "msalt-run -d shows all of them";
  throw new MsaltError("ERR_RUNNER_UNKNOWN", `no runner ${JSON.stringify(words.join(" "))}`, { hint });
}

function entry(name: string, params: readonly string[], summary: string): string {
  return `  ${[name, ...params.map((param) => `<${param}>`)].join(" ")}\n      ${summary}`;
}

/** What `msalt-run` takes, and its help. */
export function runProgram(version: string): Command {
  const command = withOutput(
    program("msalt-run", version, "Ask the master: jobs, their answers, which minions are there."),
    "nested",
  )
    .argument("[function]", "such as jobs.lookup")
    .argument("[arguments...]", "values and name=value pairs for the function")
    .option("-d, --doc", "show what there is, or what is said of these: msalt-run -d jobs key.accept")
    .option("--quiet", "print nothing but errors")
    .option("-s, --static", "jobs.follow: collect all answers and print them once")
    .option("--summary", "jobs.follow: print the counts at the end")
    .addHelpText("after", documentation())
    .addHelpText(
      "after",
      `
Examples:
  msalt-run manage.status
  msalt-run jobs.active
  msalt-run jobs.list_jobs search_function='cmd.*' start_time=10:00 --out=yaml
  msalt-run jobs.lookup 20261121023503789569 --out=json
  msalt-run jobs.kill 20261121023503789569
  msalt-run key.accept 'web*'
  source <(msalt-run completion bash)

Exit status: 0 all good, 1 it failed, 2 the master cannot be reached or is not yours, 64 wrong use; jobs.follow ends
as msalt does.`,
    );
  return withDocumentation(command, "jobs", "errors");
}
