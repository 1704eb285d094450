/** What every command line tool does alike: options, errors, exit codes (DESIGN §8), closed pipes. */
import { userInfo } from "node:os";
import { Command, CommanderError, Option } from "commander";
import { type ErrorCode, MsaltError } from "../errors.ts";
import { type OutputterName, isOutputter, outputters } from "../output/render.ts";

export const exits = { good: 0, someFailed: 1, nothing: 2, usage: 64, interrupted: 130 } as const;

/** Which errors are wrong use, and which mean that nothing came back; every other one is exit 1. */
const exitOf: Partial<Record<ErrorCode, number>> = {
  ERR_USAGE: exits.usage,
  ERR_RUNNER_UNKNOWN: exits.usage,
  ERR_FUNCTION_ARGS: exits.usage,
  ERR_CONFIG_INVALID: exits.nothing,
  ERR_MASTER_UNREACHABLE: exits.nothing,
  ERR_NO_MATCH: exits.nothing,
  ERR_NOT_ALLOWED: exits.nothing,
  ERR_DISK_FULL: exits.nothing,
  ERR_BUSY: exits.nothing,
  ERR_TARGET_INVALID: exits.nothing,
  ERR_SOCKET_PATH: exits.nothing,
};

export interface SharedOptions {
  readonly configDir?: string;
  readonly rootDir?: string;
  readonly logLevel?: string;
}

/** A commander program with the options of every tool (DESIGN's and Salt's shared ones); wrong use ends with 64. */
export function program(
  name: string,
  version: string,
  summary: string,
  logLevelFlag = "-l, --log-level <level>",
): Command {
  return new Command(name)
    .description(summary)
    .version(`${name} ${version}`, "--version", "show the version")
    .helpOption("-h, --help", "show this help")
    .option("-c, --config-dir <dir>", "folder with the configuration (default: <root-dir>/etc/msalt)")
    .option("--root-dir <dir>", "every default path lies under it (default: /)")
    .option(logLevelFlag, "quiet, critical, error, warning, info, debug, trace or all")
    .exitOverride()
    .showHelpAfterError(`(${name} --help shows what is expected)`);
}

export interface OutputOptions {
  readonly output: string;
  readonly outputIndent?: string;
  readonly color: boolean;
  readonly forceColor?: boolean;
}

/** The output options of every tool that prints data; both spellings of colour. */
export function withOutput(command: Command, fallback?: OutputterName): Command {
  return command
    .option("--out, --output <name>", outputters.join(", "), fallback)
    .option("--out-indent, --output-indent <n>", "indent of json and yaml; negative: one line")
    .option("--no-color", "no colours")
    .option("--force-color", "colours even when the output is no terminal")
    .addOption(new Option("--no-colour").hideHelp().implies({ color: false }))
    .addOption(new Option("--force-colour").hideHelp().implies({ forceColor: true }));
}

/** What those options say. @throws MsaltError `ERR_USAGE` for an unknown outputter or an indent that is no number. */
export function outputOf(flags: OutputOptions): {
  outputter: OutputterName;
  indent: number | undefined;
  color: boolean;
} {
  const { output, outputIndent } = flags;
  if (!isOutputter(output)) {
    throw new MsaltError(
      "ERR_USAGE",
      `--out: no outputter ${JSON.stringify(output)}; there are ${outputters.join(", ")}`,
    );
  }
  const indent = outputIndent === undefined ? undefined : Number(outputIndent);
  if (indent !== undefined && !Number.isInteger(indent)) {
    throw new MsaltError("ERR_USAGE", `--out-indent: ${JSON.stringify(outputIndent)} is not a whole number`);
  }
  return { outputter: output, indent, color: flags.forceColor === true || (flags.color && process.stdout.isTTY) };
}

/** Runs a tool's main function and turns what it throws into a message and an exit code. */
export async function runTool(name: string, main: () => Promise<number>): Promise<void> {
  const code = await exitCodeOf(name, main);
  // Ends although a timer or a socket may still be open, but not before everything was written (P5).
  for (const stream of [process.stdout, process.stderr]) {
    await new Promise<void>((resolve) => {
      if (stream.destroyed || !stream.writable) return resolve();
      stream.once("error", () => resolve());
      stream.write("", () => resolve());
    });
  }
  process.exit(code);
}

async function exitCodeOf(name: string, main: () => Promise<number>): Promise<number> {
  try {
    return await main();
  } catch (failure) {
    // Commander has already written its message or the help.
    if (failure instanceof CommanderError) return failure.exitCode === 0 ? exits.good : exits.usage;
    if (failure instanceof MsaltError) {
      const noMatch = failure.code === "ERR_NO_MATCH";
      process.stderr.write(noMatch ? `${failure.message}\n` : `${name}: error: ${failure.message}\n`);
      const hint = failure.details["hint"];
      if (hint !== undefined) process.stderr.write(`${name}: hint: ${String(hint)}\n`);
      if (noMatch) process.stderr.write("ERROR: No return received\n");
      return exitOf[failure.code] ?? exits.someFailed;
    }
    const text = failure instanceof Error ? (failure.stack ?? failure.message) : String(failure);
    process.stderr.write(`${name}: error: a fault of msalt itself: ${text}\n`);
    return exits.someFailed;
  }
}

/** A number given as an option. @throws MsaltError `ERR_USAGE` naming the option. */
export function numberOption(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < 0) {
    throw new MsaltError("ERR_USAGE", `${name}: ${JSON.stringify(text)} is not a number of seconds`);
  }
  return value;
}

/** The OS user who asks, as far as this process can tell; shown in the record, proves nothing. */
export function userName(): string {
  const sudo = process.env["SUDO_USER"];
  return sudo !== undefined && process.getuid?.() === 0 ? `sudo_${sudo}` : accountName();
}

function accountName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? "unknown"); // a uid without an account, as in some containers
  }
}
