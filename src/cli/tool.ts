/** What every command line tool does alike: options, errors, exit codes (DESIGN §8), closed pipes. */
import { openSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { Command, CommanderError, Option } from "commander";
import { type ErrorCode, MsaltError, messageOf } from "../errors.ts";
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

/** The last line of every tool's help: which pages of the documentation say more. */
export function withDocumentation(command: Command, ...pages: readonly string[]): Command {
  const paths = pages.map((page) => `docs/${page}.md`).join(" and ");
  return command.addHelpText(
    "after",
    `\nDocumentation: ${paths} in the folder of msalt's installation; man ${command.name()}.`,
  );
}

/** Parses the words; long options may be shortened while only one begins so, as with Salt. */
export function parseArgs(command: Command, argv: readonly string[]): Command {
  const names = command.options.flatMap(({ long, short }) => [long, short]).filter((name) => name?.startsWith("--"));
  const words: string[] = [];
  let left = [...argv];
  for (let word = left.shift(); word !== undefined; word = left.shift()) {
    const [, given, value = ""] = /^(--[a-z][a-z-]*)(=.*)?$/s.exec(word) ?? [];
    const found = given === undefined ? [] : names.filter((name) => name?.startsWith(given));
    const full = given !== undefined && !names.includes(given) && found.length === 1 ? found[0] : given;
    words.push(full === undefined ? word : `${full}${value}`);
    // Commander would take a negative number for a value; whoever expects an option there is told.
    if (/^-\d/.test(word)) {
      const hint = "a value that begins with a dash comes after --";
      throw new MsaltError("ERR_USAGE", `no such option: ${word}`, { hint });
    }
    if (word === "--") {
      words.push(...left);
      left = [];
    }
    const option = command.options.find(({ long, short }) => (full ?? word) === long || (full ?? word) === short);
    const argument = option?.required === true && value === "" ? left.shift() : undefined;
    if (argument !== undefined) words.push(argument);
  }
  return command.parse(words, { from: "user" });
}

export interface OutputOptions {
  readonly output: string;
  readonly outputIndent?: string;
  readonly outputFile?: string;
  readonly outputFileAppend?: string;
  readonly color: boolean;
  readonly forceColor?: boolean;
}

/** The output options of every tool that prints data; both spellings of colour. */
export function withOutput(command: Command, fallback?: OutputterName): Command {
  return command
    .addOption(
      new Option("--out, --output <name>", outputters.join(", ")).default(
        fallback === "nested" ? "default" : fallback,
        fallback === "nested" ? "nested; state runs: highstate" : undefined,
      ),
    )
    .option("--out-indent, --output-indent <n>", "indent of json and yaml; negative: one line")
    .option("--out-file, --output-file <file>", "write what is printed into this file")
    .option("--out-file-append, --output-file-append <file>", "the same, behind what is in it")
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
  write: (text: string) => void;
} {
  const { output, outputIndent, outputFile, outputFileAppend } = flags;
  if (output !== "default" && !isOutputter(output)) {
    throw new MsaltError(
      "ERR_USAGE",
      `--out: no outputter ${JSON.stringify(output)}; there are ${outputters.join(", ")}`,
    );
  }
  const indent = outputIndent === undefined ? undefined : Number(outputIndent);
  if (indent !== undefined && !Number.isInteger(indent)) {
    throw new MsaltError("ERR_USAGE", `--out-indent: ${JSON.stringify(outputIndent)} is not a whole number`);
  }
  const file = outputFileAppend ?? outputFile;
  const write = file === undefined ? writeOut : writeFile(file, outputFileAppend === undefined ? "w" : "a");
  const color = flags.forceColor === true || (flags.color && file === undefined && process.stdout.isTTY);
  return { outputter: output, indent, color, write };
}

function writeOut(text: string): void {
  process.stdout.write(text);
}

/** Opened at once: what cannot be written is said before anything runs. */
function writeFile(file: string, flag: "w" | "a"): (text: string) => void {
  try {
    const handle = openSync(file, flag);
    return (text) => writeFileSync(handle, text);
  } catch (cause) {
    throw new MsaltError("ERR_USAGE", `--out-file: cannot write ${file}: ${messageOf(cause)}`, {}, { cause });
  }
}

/** Runs a tool's main function and turns what it throws into a message and an exit code. */
export async function runTool(name: string, main: () => Promise<number>): Promise<void> {
  // A closed pipe fails each write that follows; nobody is left to be told but by the exit code.
  let lost: NodeJS.ErrnoException | undefined;
  process.stdout.on("error", (failure) => (lost ??= failure));
  process.stderr.on("error", () => undefined);
  const code = await exitCodeOf(name, main);
  // A write that failed at once is told of in a later turn.
  await new Promise((resolve) => setImmediate(resolve));
  if (lost !== undefined && lost.code !== "EPIPE")
    process.stderr.write(`${name}: error: cannot write the output: ${lost.message}\n`);
  // Ends although a timer or a socket may still be open, but not before everything was written (P5).
  for (const stream of [process.stdout, process.stderr]) {
    await new Promise<void>((resolve) => {
      if (stream.destroyed || !stream.writable) return resolve();
      stream.once("error", () => resolve());
      stream.write("", () => resolve());
    });
  }
  process.exit(lost !== undefined && code === exits.good ? exits.someFailed : code);
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

/** A whole number given as an option. @throws MsaltError `ERR_USAGE` naming the option. */
export function wholeOption(name: string, text: string | undefined, least: number, most?: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^-?\d+$/.test(text) && Number.isSafeInteger(value) && value >= least && value <= (most ?? value)) return value;
  const range = most === undefined ? `${least} or more` : `${least} to ${most}`;
  throw new MsaltError("ERR_USAGE", `${name}: ${JSON.stringify(text)} is not a whole number, ${range}`);
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
