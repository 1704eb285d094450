/** What `msalt-swarm` takes. */
import type { Command } from "commander";
import { MsaltError } from "../errors.ts";
import { type SharedOptions, numberOption, parseArgs, program, wholeOption, withDocumentation } from "./tool.ts";

interface Flags extends SharedOptions {
  readonly minions: string;
  readonly id: string;
  readonly first: string;
  readonly grain: readonly string[];
  readonly master?: string;
  readonly publishPort?: string;
  readonly masterPort?: string;
  readonly enrollPort?: string;
  readonly masterFinger?: string;
  readonly token?: string;
  readonly processes?: string;
  readonly think: string;
  readonly failRate: string;
  readonly outputSize?: string;
  readonly disconnectEvery?: string;
}

export function swarmProgram(version: string): Command {
  const command = program(
    "msalt-swarm",
    version,
    "Many minions on this machine, to try a master with: real ones, each with its keys, link and ledger.",
  )
    .option("--minions <n>", "how many", "100")
    .option(
      "--id <pattern>",
      "their ids; {n} is the number, {n%7} what is left of it after a division by 7",
      "minion{n}",
    )
    .option("--first <n>", "number of the first one", "1")
    .option("--grain <name=value>", "a grain of theirs, {n} and {n%7} filled in; may be repeated", collect, [])
    .optionsGroup("The master (default: as the minion of this machine is configured):")
    .option("--master <host>", "host name or IPv4 address")
    .option("--publish-port <port>", "the master's publish_port")
    .option("--master-port <port>", "the master's ret_port")
    .option("--enroll-port <port>", "the master's enroll_port")
    .option("--master-finger <fingerprint>", "trust this master only")
    .option("--token <token>", "token from msalt-key --token --uses <n>: their keys are accepted at once")
    .optionsGroup("How they behave:")
    .option("--think <seconds>", "how long each function takes: 0.5, or 0.1-2 for anything between", "0")
    .option("--fail-rate <part>", "part of the runs that fail, 0 to 1", "0")
    .option("--output-size <bytes>", "length of what a function with effects answers: 1000, 64k, 4M")
    .option("--disconnect-every <seconds>", "each gives up its link about so often and makes a new one")
    .optionsGroup("Other options:")
    .option("--processes <n>", "share them out over so many processes (default: the cores, at 250 minions each)")
    .addHelpText(
      "after",
      `
Functions without effects (test.ping, grains.items) are run. Others, cmd.run among them, are not: they take their time and
answer with a text. Keys and ledgers are kept below <root-dir>/var/lib/msalt/swarm, so that the next start has the same minions.

Examples:
  msalt-swarm --minions 2000 --id 'web{n}' --grain 'dc={n%4}' --token "$(msalt-key --token --uses 2000)"
  msalt-swarm --minions 500 --think 1-10 --fail-rate 0.02 --disconnect-every 60

Exit status: 0 it was told to stop, 1 it could not go on, 2 the configuration is wrong, 64 wrong use.`,
    );
  return withDocumentation(command, "performance", "configuration");
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

/** @throws MsaltError `ERR_USAGE` naming the option. */
export function swarmOptions(argv: readonly string[], version: string) {
  const flags = parseArgs(swarmProgram(version), argv).opts<Flags>();
  const [least = 0, most = least, ...more] = flags.think.split("-").map((text) => seconds("--think", text));
  if (more.length > 0) throw new MsaltError("ERR_USAGE", `--think: ${JSON.stringify(flags.think)} is not 0.5 or 0.1-2`);
  const failRate = Number(flags.failRate);
  if (flags.failRate.trim() === "" || !(failRate >= 0 && failRate <= 1))
    throw new MsaltError("ERR_USAGE", `--fail-rate: ${JSON.stringify(flags.failRate)} is not a part from 0 to 1`);
  const named = {
    id: "swarm",
    master: flags.master,
    publish_port: wholeOption("--publish-port", flags.publishPort, 0),
    master_port: wholeOption("--master-port", flags.masterPort, 0),
    enroll_port: wholeOption("--enroll-port", flags.enrollPort, 0),
    master_finger: flags.masterFinger,
    token: flags.token,
    log_level: flags.logLevel ?? "error",
  };
  return {
    minions: wholeOption("--minions", flags.minions, 1) ?? 1,
    first: wholeOption("--first", flags.first, 0) ?? 1,
    processes: wholeOption("--processes", flags.processes, 1),
    idPattern: flags.id,
    grains: flags.grain,
    behaviour: {
      thinkMs: [least, Math.max(least, most)] as const,
      failRate,
      outputBytes: flags.outputSize === undefined ? undefined : sizeOf("--output-size", flags.outputSize),
    },
    remakeMs: flags.disconnectEvery === undefined ? undefined : remakeMs(flags.disconnectEvery),
    settings: {
      rootDir: flags.rootDir,
      configDir: flags.configDir,
      overrides: Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined)),
    },
  };
}

function remakeMs(text: string): number {
  const ms = seconds("--disconnect-every", text);
  if (ms > 0) return ms;
  throw new MsaltError("ERR_USAGE", "--disconnect-every: 0 s would leave no link to work with");
}

/** As milliseconds. */
function seconds(option: string, text: string): number {
  return numberOption(option, text, 0) * 1000;
}

function sizeOf(option: string, text: string): number {
  const [, digits, unit = ""] = /^(\d{1,9})([kM]?)$/.exec(text) ?? [];
  if (digits !== undefined) return Number(digits) * ({ k: 1024, M: 1_048_576 }[unit] ?? 1);
  throw new MsaltError("ERR_USAGE", `${option}: ${JSON.stringify(text)} is not a size such as 1000, 64k or 4M`);
}
