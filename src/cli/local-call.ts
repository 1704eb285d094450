/** `msalt-call`: a function on this machine, in its running minion or, with `--local`, without any. */
import type { Command } from "commander";
import { loadMinionConfig } from "../config/load.ts";
import type { MinionConfig } from "../config/minion.ts";
import { MsaltError } from "../errors.ts";
import { docsText } from "../output/job.ts";
import { isOutputter, render } from "../output/render.ts";
import type { Words } from "../wire/args.ts";
import { type CallFlags, callOf } from "./call.ts";
import {
  type OutputOptions,
  type SharedOptions,
  exits,
  outputOf,
  parseArgs,
  program,
  userName,
  withDocumentation,
  withOutput,
} from "./tool.ts";

interface Flags extends SharedOptions, OutputOptions, CallFlags {
  readonly local?: boolean;
  readonly fileRoot?: string;
  readonly grains?: boolean;
  readonly doc?: boolean;
  readonly retcodePassthrough?: boolean;
  readonly metadata?: boolean;
}

interface Asked {
  readonly fun: string;
  readonly arg: unknown[];
  readonly words: Words;
  readonly user: string;
}

interface Answer {
  readonly value: unknown;
  readonly retcode: number;
  readonly success: boolean;
  readonly out?: string;
}

/** The two ways to run it. */
export interface Ways {
  /** In the running minion; undefined when none runs. */
  minion(config: MinionConfig, call: Asked): Promise<Answer | undefined>;
  /** In this process; `fileRoot` stands for the master's files. */
  local(config: MinionConfig, call: Asked, fileRoot: string | undefined): Promise<Answer>;
}

export function callProgram(version: string): Command {
  const tool = withOutput(
    program(
      "msalt-call",
      version,
      "Run a function on this machine: in its running minion, or with --local without any.",
    )
      .argument("[function]", "such as grains.items or cmd.run; several: f1,f2 <args1> , <args2>")
      .argument("[arguments...]", "values and name=value pairs for the function")
      .option("--local", "run it in this process: neither minion nor master is needed")
      .option("--file-root <dir>", "with --local: this folder stands for the master's salt:// files")
      .option("-g, --grains", "show what this machine tells of itself")
      .option("-d, --doc", "show what the function does")
      .option("--metadata", "show retcode and success too")
      .option("--retcode-passthrough", "end with the function's own retcode")
      .option("--args-separator <text>", "between the arguments of several functions (default: a comma)")
      .option("--no-parse <names>", "these named arguments stay text"),
    "nested",
  ).addHelpText(
    "after",
    `
Examples:
  msalt-call grains.item os osrelease
  msalt-call --local cmd.run 'uptime'
  msalt-call --local --file-root=. cp.get_file salt://app.conf /etc/app.conf

Exit status: 0 good, 1 the function failed, 2 no minion runs here, 64 wrong use.`,
  );
  return withDocumentation(tool, "own-modules");
}

/** Gives the exit code. */
export async function msaltCall(argv: readonly string[], version: string, ways: Ways): Promise<number> {
  const command = parseArgs(callProgram(version), argv);
  const flags = command.opts<Flags>();
  const [given, ...words] = command.args;
  const [fun, ...rest] =
    flags.doc === true
      ? ["sys.doc", ...command.args]
      : [given ?? (flags.grains === true ? "grains.items" : undefined), ...words];
  if (fun === undefined) {
    throw new MsaltError("ERR_USAGE", "Incomplete options passed: a function is missing.", {
      hint: "such as: msalt-call test.ping",
    });
  }
  const { outputter, write, ...look } = outputOf(flags);
  const config = loadMinionConfig({ ...flags, overrides: {} });
  const call = {
    ...callOf(
      fun,
      rest.filter((word) => word !== undefined),
      flags,
    ),
    user: userName(),
  };
  const answer =
    flags.local === true ? await ways.local(config, call, flags.fileRoot) : await ways.minion(config, call);
  if (answer === undefined) {
    throw new MsaltError("ERR_MASTER_UNREACHABLE", `no minion runs here (${config.dataDir})`, {
      hint: "start msalt-minion, or run the function without it: msalt-call --local",
    });
  }
  const { value, retcode, success, out } = answer;
  const shown = flags.metadata === true ? { return: value, retcode, success } : value;
  const asked = command.getOptionValueSource("output") === "default" && out !== undefined && isOutputter(out);
  if (flags.doc === true && outputter === "default") write(docsText({ local: value }));
  else write(render(asked ? out : outputter, { local: shown }, { ...look, failed: new Set(success ? [] : ["local"]) }));
  if (flags.retcodePassthrough === true) return retcode;
  return success && retcode === 0 ? exits.good : exits.someFailed;
}
