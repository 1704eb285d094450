import type { Command } from "commander";
import { LocalClient } from "../client/local.ts";
import { loadMasterConfig } from "../config/load.ts";
import { MsaltError } from "../errors.ts";
import { asyncText, noticeText, previewText, verboseHeader } from "../output/job.ts";
import { parseWords, toArg } from "../wire/args.ts";
import { type JobFlags, jobOptionsOf, targetTypeOf, withJobOptions } from "./job-options.ts";
import {
  type OutputOptions,
  type SharedOptions,
  exits,
  numberOption,
  outputOf,
  program,
  userName,
  withOutput,
} from "./tool.ts";
import { JobWatch, type WatchFlags } from "./watch.ts";

interface Flags extends SharedOptions, OutputOptions, JobFlags, WatchFlags {
  readonly timeout?: string;
  readonly async?: boolean;
  readonly showJid?: boolean;
  readonly static?: boolean;
  readonly follow?: boolean;
  readonly dryRun?: boolean;
  readonly previewTarget?: boolean;
}

function options(version: string): Command {
  const command = program(
    "msalt",
    version,
    "Run a function on the minions that match a target, and print every answer.",
  )
    .argument("<target>", "glob on the minion id, such as 'web*'; other kinds below")
    .argument("<function>", "what to run, such as test.ping or cmd.run")
    .argument("[arguments...]", "values and name=value pairs for the function");
  return withOutput(
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
      .option("--metadata <map>", "kept with the job: '{ticket: 123}'; found by jobs.list_jobs search_metadata="),
    "nested",
  ).addHelpText(
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
}

/** `msalt <target> <function> [arguments]`; gives the exit code. */
export async function msalt(argv: readonly string[], version: string): Promise<number> {
  const command = options(version).parse([...argv], { from: "user" });
  const flags = command.opts<Flags>();
  const [tgt = "", fun = "", ...words] = command.args;
  if (tgt === "") throw new MsaltError("ERR_USAGE", "Cannot execute command without defining a target.");
  const { color, ...print } = outputOf(flags);
  const config = loadMasterConfig(flags);
  const waitSeconds = numberOption("--timeout", flags.timeout, config.timeoutMs / 1000);
  const waitMs = waitSeconds > 0 ? Math.round(waitSeconds * 1000) : config.timeoutMs;
  const target = { tgt, tgtType: targetTypeOf(flags) };
  const { arg, kwarg } = parseWords(words);
  const load = { ...target, fun, arg: toArg(arg, kwarg), words, user: userName(), waitMs, ...jobOptionsOf(flags) };

  const client = await LocalClient.connect(config.sockDir);
  try {
    if (flags.previewTarget === true) {
      const { delimiter } = flags;
      const found = await client.call("target.resolve", { ...target, ...(delimiter !== undefined && { delimiter }) });
      process.stdout.write(previewText(found));
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
    return await new JobWatch(flags, config, color, { ...print, atEnd: flags.static === true }).run(
      client,
      jid,
      waitMs,
    );
  } finally {
    client.close();
  }
}
