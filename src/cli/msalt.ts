import type { Command } from "commander";
import { LocalClient } from "../client/local.ts";
import { loadMasterConfig } from "../config/load.ts";
import { MsaltError } from "../errors.ts";
import { asyncText, noticeText, previewText, verboseHeader } from "../output/job.ts";
import type { TargetType } from "../wire/local.ts";
import { type Call, type CallFlags, callOf } from "./call.ts";
import { type JobFlags, jobOptionsOf, targetTypeOf, withJobOptions } from "./job-options.ts";
import {
  type OutputOptions,
  type SharedOptions,
  exits,
  numberOption,
  outputOf,
  parseArgs,
  program,
  userName,
  withDocumentation,
  withOutput,
} from "./tool.ts";
import { JobWatch, type WatchFlags } from "./watch.ts";

interface Flags extends SharedOptions, OutputOptions, JobFlags, WatchFlags, CallFlags {
  readonly timeout?: string;
  readonly async?: boolean;
  readonly showJid?: boolean;
  readonly static?: boolean;
  readonly follow?: boolean;
  readonly doc?: boolean;
  readonly argsStdin?: boolean;
  readonly fold?: boolean;
  readonly diff?: boolean;
  readonly previewTarget?: boolean;
}

/** What `msalt` takes, and its help. */
export function msaltProgram(version: string): Command {
  const command = program(
    "msalt",
    version,
    "Run a function on the minions that match a target, and print every answer.",
  )
    .argument("[target]", "glob on the minion id, such as 'web*'; other kinds below")
    .argument("[function]", "what to run, such as test.ping or cmd.run; several: f1,f2 <args1> , <args2>")
    .argument("[arguments...]", "values and name=value pairs for the function")
    .usage("[options] '<target>' <function> [arguments...]");
  withOutput(
    withJobOptions(command)
      .optionsGroup("What is shown:")
      .option("--async", "print the job id and do not wait")
      .option("--follow", "show what the minions print as they print it")
      .option("--dry-run, --preview-target", "show who would be hit, and run nothing")
      .option("-p, --progress", "a status line also when the answers go elsewhere; on a terminal it is there anyway")
      .option("-v, --verbose", "say more: the job id, and at the end who did not answer and why")
      .option("--show-jid", "print the job id first")
      .option("--hide-timeout", "do not print the minions that did not answer; the exit code still counts them")
      .option("--summary", "print the counts at the end")
      .option("-s, --static", "collect all answers and print them once")
      .option("--fold", "equal answers once, under folded names: web[1-40,42]")
      .option("--diff", "the same, and how the others differ from the most frequent answer")
      .option("--metadata <map>", "kept with the job: '{ticket: 123}'; found by jobs.list_jobs search_metadata="),
    "nested",
  )
    .optionsGroup("Arguments:")
    .option("-d, --doc", "show what the function does: msalt -d '*' cmd.run")
    .option("--args-stdin", "more arguments and options from standard input, one a line")
    .option("--args-separator <text>", "between the arguments of several functions (default: a comma)")
    .option("--no-parse <names>", "these named arguments stay text: --no-parse=version,mode")
    .addHelpText(
      "after",
      `
Examples:
  msalt '*' test.ping
  msalt 'web*' cmd.run 'uptime'
  msalt -L web1,web2 cmd.run_all 'systemctl restart nginx' timeout=30
  msalt -C 'G@os:Debian and not db*' cmd.run 'apt-get -y upgrade' --parallel 10% --fail-rate 0.02
  msalt 'web*' cmd.run './deploy.sh' --follow
  msalt --async '*' cmd.run 'apt-get -y upgrade'     then: msalt-run jobs.lookup <jid>, jobs.follow, jobs.kill

Exit status: 0 all good, 1 a minion failed or did not answer, 2 nothing matched or came back or the master cannot be
reached, 64 wrong use, 130 Ctrl-C (the job goes on).`,
    );
  return withDocumentation(command, "jobs", "errors");
}

/** What a command line asks for. */
interface Request {
  readonly flags: Flags;
  readonly target: { readonly tgt: string; readonly tgtType: TargetType };
  readonly call: Call;
  readonly options: ReturnType<typeof jobOptionsOf>;
  /** Undefined: as configured. */
  readonly waitMs: number | undefined;
}

/** @throws MsaltError `ERR_USAGE`, or what commander throws. */
export function readCommand(argv: readonly string[], version: string): Request {
  const command = parseArgs(msaltProgram(version), argv);
  const flags = command.opts<Flags>();
  const [tgt = flags.doc === true ? "*" : undefined, fun, ...words] = command.args;
  if (tgt === undefined) throw new MsaltError("ERR_USAGE", "Cannot execute command without defining a target.");
  if (fun === undefined && flags.doc !== true) {
    throw new MsaltError("ERR_USAGE", "Incomplete options passed: a function is missing.", {
      hint: "msalt '<target>' <function> [arguments], such as: msalt '*' test.ping",
    });
  }
  const waitSeconds = numberOption("--timeout", flags.timeout, 0);
  return {
    flags,
    target: { tgt, tgtType: targetTypeOf(flags) },
    call:
      flags.doc === true ? callOf("sys.doc", fun === undefined ? [] : [fun], flags) : callOf(fun ?? "", words, flags),
    options: jobOptionsOf(flags),
    waitMs: waitSeconds > 0 ? Math.round(waitSeconds * 1000) : undefined,
  };
}

/** `msalt <target> <function> [arguments]`; gives the exit code. */
export async function msalt(argv: readonly string[], version: string): Promise<number> {
  const early = parseArgs(msaltProgram(version), argv).opts<Flags>();
  const typed = early.argsStdin === true ? [...argv, ...(await linesOfStdin())] : argv;
  const { flags, target, call, options: jobOptions, waitMs: given } = readCommand(typed, version);
  if (target.tgt === "") throw new MsaltError("ERR_USAGE", "Cannot execute command without defining a target.");
  const { color, ...print } = outputOf(flags);
  const config = loadMasterConfig(flags);
  const waitMs = given ?? config.timeoutMs;
  const load = { ...target, ...call, user: userName(), waitMs, ...jobOptions };

  const client = await LocalClient.connect(config.sockDir);
  try {
    if (flags.previewTarget === true) {
      const { delimiter } = flags;
      const found = await client.call("target.resolve", { ...target, ...(delimiter !== undefined && { delimiter }) });
      print.write(previewText(found));
      return exits.good;
    }
    const { jid, parallel } = await client.call("publish", load);
    if (parallel !== undefined && load.parallel === undefined) process.stderr.write(noticeText);
    if (flags.async === true) {
      process.stdout.write(`${asyncText(jid, parallel !== undefined)}\n`);
      return exits.good;
    }
    if (flags.verbose === true) process.stderr.write(verboseHeader(jid));
    else if (flags.showJid ?? config.showJid) process.stderr.write(`jid: ${jid}\n`);
    const fold = flags.diff === true ? "diff" : flags.fold === true ? "fold" : undefined;
    const watch = new JobWatch(flags, config, color, { ...print, fold, docs: flags.doc, atEnd: flags.static === true });
    return await watch.run(client, jid, waitMs);
  } finally {
    client.close();
  }
}

async function linesOfStdin(): Promise<string[]> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return text === "" ? [] : text.replace(/\n$/, "").split(/\r?\n/);
}
