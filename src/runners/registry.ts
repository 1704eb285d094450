import { MsaltError } from "../errors.ts";
import { didYouMean } from "../lib/near.ts";
import { audit } from "./audit.ts";
import { events } from "./events.ts";
import { facts } from "./facts.ts";
import { jobs } from "./jobs.ts";
import { keys } from "./keys.ts";
import { manage } from "./manage.ts";
import { pillar } from "./pillar.ts";
import type { Runner, RunnerArguments } from "./runner.ts";

export const runners: ReadonlyMap<string, Runner> = new Map(
  [...jobs, ...manage, ...keys, ...events, ...facts, ...pillar, ...audit].map((runner) => [runner.name, runner]),
);

/**
 * The runner of this name, its arguments counted.
 * @throws MsaltError `ERR_RUNNER_UNKNOWN` or `ERR_FUNCTION_ARGS` saying what it takes.
 */
export function findRunner(name: string, { arg, kwarg }: RunnerArguments): Runner {
  const runner = runners.get(name);
  if (runner === undefined) {
    throw new MsaltError("ERR_RUNNER_UNKNOWN", `no runner ${JSON.stringify(name)}`, {
      hint: didYouMean(name, runners.keys()) ?? `there are ${[...runners.keys()].join(", ")}`,
    });
  }
  const required = runner.params.filter((param) => !param.endsWith("?")).length;
  const { keywords = [] } = runner;
  const unknown = keywords === "any" ? undefined : Object.keys(kwarg).find((key) => !keywords.includes(key));
  if (arg.length < required || arg.length > runner.params.length || unknown !== undefined) {
    const usage = [name, ...runner.params.map((param) => `<${param}>`)].join(" ");
    const what = unknown === undefined ? `${arg.length} arguments given` : `no argument is called ${unknown}`;
    throw new MsaltError("ERR_FUNCTION_ARGS", `${name}: ${what}, expected: ${usage}`);
  }
  return runner;
}
