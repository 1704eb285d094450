/** What `msalt-swarm` takes. */
import type { Command } from "commander";
import { MsaltError } from "../errors.ts";
import { type SharedOptions, parseArgs, program, withDocumentation } from "./tool.ts";

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
  const [least, most = least] = flags.think.split("-").map((text) => positive("--think", text) * 1000);
  const failRate = positive("--fail-rate", flags.failRate);
  if (failRate > 1) throw new MsaltError("ERR_USAGE", `--fail-rate: ${flags.failRate} is not a part from 0 to 1`);
  const remake = flags.disconnectEvery;
  const named = {
    id: "swarm",
    master: flags.master,
    publish_port: whole("--publish-port", flags.publishPort),
    master_port: whole("--master-port", flags.masterPort),
    enroll_port: whole("--enroll-port", flags.enrollPort),
    master_finger: flags.masterFinger,
    token: flags.token,
    log_level: flags.logLevel ?? "error",
  };
  return {
    minions: whole("--minions", flags.minions, 1) ?? 1,
    first: whole("--first", flags.first) ?? 1,
    processes: whole("--processes", flags.processes, 1),
    idPattern: flags.id,
    grains: flags.grain,
    behaviour: {
      thinkMs: [least ?? 0, Math.max(least ?? 0, most ?? 0)] as const,
      failRate,
      outputBytes: flags.outputSize === undefined ? undefined : sizeOf("--output-size", flags.outputSize),
    },
    remakeMs: remake === undefined ? undefined : positive("--disconnect-every", remake) * 1000,
    settings: {
      rootDir: flags.rootDir,
      configDir: flags.configDir,
      overrides: Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined)),
    },
  };
}

function positive(option: string, text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  throw new MsaltError("ERR_USAGE", `${option}: ${JSON.stringify(text)} is not a number, 0 or more`);
}

function whole(option: string, text: string | undefined, least = 0): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text) && Number(text) >= least) return Number(text);
  throw new MsaltError("ERR_USAGE", `${option}: ${JSON.stringify(text)} is not a whole number, ${least} or more`);
}

function sizeOf(option: string, text: string): number {
  const [, digits, unit = ""] = /^(\d{1,9})([kM]?)$/.exec(text) ?? [];
  if (digits !== undefined) return Number(digits) * ({ k: 1024, M: 1_048_576 }[unit] ?? 1);
  throw new MsaltError("ERR_USAGE", `${option}: ${JSON.stringify(text)} is not a size such as 1000, 64k or 4M`);
}
