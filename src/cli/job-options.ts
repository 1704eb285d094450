/** The options of `msalt` that shape a job: who is meant, how many at once, how much may fail, how long. */
import { type Command, Option } from "commander";
import { MsaltError } from "../errors.ts";
import type { LocalLoad, TargetType } from "../wire/local.ts";
import { guessWord } from "../wire/yaml-word.ts";
import { numberOption, wholeOption } from "./tool.ts";

export interface JobFlags {
  readonly list?: boolean;
  readonly pcre?: boolean;
  readonly grain?: boolean;
  readonly grainPcre?: boolean;
  readonly pillar?: boolean;
  readonly pillarPcre?: boolean;
  readonly ipcidr?: boolean;
  readonly nodegroup?: boolean;
  readonly compound?: boolean;
  readonly delimiter?: string;
  readonly subset?: string;
  readonly parallel?: string;
  readonly batchSize?: string;
  readonly batch?: string;
  readonly batchWait?: string;
  readonly batchSafeLimit?: string;
  readonly batchSafeSize?: string;
  readonly failCount?: string;
  readonly failRate?: string;
  readonly failhard?: boolean;
  readonly failKill?: boolean;
  readonly runTimeout?: string;
  readonly ttl?: string;
  readonly follow?: boolean;
  readonly metadata?: string;
}

export function withJobOptions(command: Command): Command {
  return command
    .optionsGroup("Targets (default: a glob on the minion id, such as 'web*'):")
    .option("-L, --list", "a list of minion ids, separated by commas or spaces")
    .option("-E, --pcre", "a regular expression, matched from the start of the id")
    .option("-G, --grain", "a grain and a glob: os:Debian, dc:rack:*")
    .option("-P, --grain-pcre", "a grain and a regular expression")
    .option("-I, --pillar", "a value of the pillar and a glob: role:web*")
    .option("-J, --pillar-pcre", "a value of the pillar and a regular expression")
    .option("-S, --ipcidr", "an address or a network: 10.0.0.0/8")
    .option("-N, --nodegroup", "a name from nodegroups in the master's configuration")
    .option("-C, --compound", "any of these, combined: 'G@os:Debian and not ( web1 or E@db\\d )'")
    .option("--delimiter <text>", "between the levels of a grain (default: a colon)")
    .option("--subset <n>", "only so many of them, picked at random, connected ones first")
    .optionsGroup("A few at a time (the master drives the batch):")
    .option("--parallel <n or n%>", "at most so many at once; also -b, --batch, --batch-size")
    .option("-b, --batch-size <n or n%>", "the same")
    .addOption(new Option("--batch <n or n%>").hideHelp())
    .option("--batch-wait <seconds>", "a freed place stays empty for so long")
    .option("--batch-safe-limit <n>", "from so many targets on, run in batches by itself")
    .option("--batch-safe-size <n>", "of this size (default: 8)")
    .optionsGroup("Stop when too much fails:")
    .option("--fail-count <n>", "more than so many failures stop the job; -1: no limit")
    .option("--fail-rate <r>", "more than this part of the targets, such as 0.02 or 2%")
    .option("--failhard", "the first failure stops the job")
    .option("--fail-kill", "kill what runs then; otherwise it may finish")
    .optionsGroup("Time:")
    .option("-t, --timeout <seconds>", "how long to wait after the last sign of life; ends nothing (default: 5)")
    .option("--run-timeout <seconds>", "end the run on the minion after so long")
    .option("--ttl <seconds>", "how long an absent minion may still start the job (default: --timeout and 60)");
}

/** The part of a `publish` that these options say. @throws MsaltError `ERR_USAGE` for each value that is none. */
export function jobOptionsOf(flags: JobFlags): Partial<LocalLoad<"publish">> {
  const { delimiter, subset, batchWait, runTimeout, ttl, failKill, follow, metadata } = flags;
  const seconds = (name: string, text: string | undefined): number | undefined =>
    text === undefined ? undefined : Math.round(numberOption(name, text, 0) * 1000);
  const budget = budgetOf(flags);
  if (failKill === true && budget.failCount === undefined && budget.failRate === undefined) {
    throw new MsaltError("ERR_USAGE", "--fail-kill needs --fail-count, --fail-rate or --failhard");
  }
  const all = {
    delimiter,
    subset: wholeOption("--subset", subset, 1),
    parallel: parallelOf(flags),
    batchWaitMs: seconds("--batch-wait", batchWait),
    batchSafe: batchSafeOf(flags),
    ...budget,
    failKill: failKill === true ? true : undefined,
    timeoutMs: seconds("--run-timeout", runTimeout),
    ttlMs: seconds("--ttl", ttl),
    follow: follow === true ? true : undefined,
    metadata: metadata === undefined ? undefined : metadataOf(metadata),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

const targetFlags = [
  ["list", "-L", "list"],
  ["pcre", "-E", "pcre"],
  ["grain", "-G", "grain"],
  ["grainPcre", "-P", "grain_pcre"],
  ["pillar", "-I", "pillar"],
  ["pillarPcre", "-J", "pillar_pcre"],
  ["ipcidr", "-S", "ipcidr"],
  ["nodegroup", "-N", "nodegroup"],
  ["compound", "-C", "compound"],
] as const satisfies readonly (readonly [keyof JobFlags, string, TargetType])[];

/** @throws MsaltError `ERR_USAGE` for two kinds of target at once. */
export function targetTypeOf(flags: JobFlags): TargetType {
  const [first, second] = targetFlags.filter(([name]) => flags[name] === true);
  if (first !== undefined && second !== undefined) {
    throw new MsaltError("ERR_USAGE", `${first[1]} and ${second[1]} exclude each other`);
  }
  return first?.[2] ?? "glob";
}

function parallelOf({ parallel, batchSize, batch }: JobFlags): LocalLoad<"publish">["parallel"] {
  const [text, other] = new Set([parallel, batchSize, batch].filter((each) => each !== undefined));
  if (other !== undefined)
    throw new MsaltError("ERR_USAGE", "--parallel and --batch-size are the same: give one of them");
  if (text === undefined) return undefined;
  const [, before, percent, after, count] = /^(?:(%)?(\d+(?:\.\d+)?)(%)?|(\d+))$/.exec(text) ?? [];
  const value = Number(percent ?? count);
  const isPercent = (before === undefined) !== (after === undefined);
  if (isPercent && value > 0) return { percent: value };
  if (before === undefined && after === undefined && Number.isSafeInteger(value) && value >= 1) return value;
  const hint = "Data must be in the form of %10, 10% or 3";
  throw new MsaltError("ERR_USAGE", `Invalid batch data sent: ${text}`, { hint });
}

function batchSafeOf({ batchSafeLimit, batchSafeSize }: JobFlags): LocalLoad<"publish">["batchSafe"] {
  const limit = wholeOption("--batch-safe-limit", batchSafeLimit, 0) ?? 0;
  const size = wholeOption("--batch-safe-size", batchSafeSize, 1) ?? 8;
  if (limit === 1) throw new MsaltError("ERR_USAGE", "--batch-safe-limit must be more than 1 (0: off)");
  return limit === 0 ? undefined : { limit, size };
}

function budgetOf({ failCount, failRate, failhard }: JobFlags): { failCount?: number; failRate?: number } {
  if (failhard === true && (failCount ?? failRate) !== undefined) {
    throw new MsaltError("ERR_USAGE", "--failhard allows no failure: it excludes --fail-count and --fail-rate");
  }
  const count = failhard === true ? 0 : wholeOption("--fail-count", failCount, -1);
  const rate = failRate === undefined ? undefined : rateOf(failRate);
  return { ...(count !== undefined && { failCount: count }), ...(rate !== undefined && { failRate: rate }) };
}

function rateOf(text: string): number {
  const [, number, percent] = /^(\d+(?:\.\d+)?|\.\d+)(%)?$/.exec(text) ?? [];
  // By its digits: 2.9 / 100 is not 0.029.
  const rate = Number(percent === undefined ? number : `${number}e-2`);
  if (number !== undefined && rate <= 1) return rate;
  throw new MsaltError(
    "ERR_USAGE",
    `--fail-rate: ${JSON.stringify(text)} is no part of the targets, such as 0.02 or 2%`,
  );
}

function metadataOf(text: string): Record<string, unknown> {
  const value = guessWord(text);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new MsaltError("ERR_USAGE", `--metadata: ${JSON.stringify(text)} is no map, such as '{ticket: 123}'`);
}
