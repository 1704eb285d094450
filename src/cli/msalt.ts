import type { Command } from "commander";
import { type Followed, type Return, followJob } from "../client/follow.ts";
import { LocalClient } from "../client/local.ts";
import { loadMasterConfig } from "../config/load.ts";
import type { MasterConfig } from "../config/master.ts";
import { MsaltError } from "../errors.ts";
import { exitOf } from "../job/exit.ts";
import { asyncText, ctrlCText, noReturnText, summaryText, verboseHeader } from "../output/job.ts";
import { parseWords, toArg } from "../wire/args.ts";
import type { Jid } from "../wire/ids.ts";
import type { TargetType, TargetView } from "../wire/local.ts";
import { Printer, type Terminal } from "./print.ts";
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

interface Flags extends SharedOptions, OutputOptions {
  readonly list?: boolean;
  readonly pcre?: boolean;
  readonly timeout?: string;
  readonly async?: boolean;
  readonly verbose?: boolean;
  readonly showJid?: boolean;
  readonly hideTimeout?: boolean;
  readonly summary?: boolean;
  readonly static?: boolean;
}

function options(version: string): Command {
  return withOutput(
    program("msalt", version, "Run a function on the minions that match a target, and print every answer."),
    "nested",
  )
    .argument("<target>", "glob on the minion id, such as 'web*'; see -L and -E")
    .argument("<function>", "what to run, such as test.ping or cmd.run")
    .argument("[arguments...]", "values and name=value pairs for the function")
    .option("-L, --list", "the target is a list of minion ids, separated by commas or spaces")
    .option("-E, --pcre", "the target is a regular expression, matched from the start of the id")
    .option("-t, --timeout <seconds>", "how long to wait after the last sign of life; ends nothing (default: 5)")
    .option("--async", "print the job id and do not wait")
    .option("-v, --verbose", "say more: the job id, and at the end who did not answer and why")
    .option("--show-jid", "print the job id first")
    .option("--hide-timeout", "do not print the minions that did not answer; the exit code still counts them")
    .option("--summary", "print the counts at the end")
    .option("-s, --static", "collect all answers and print them once")
    .addHelpText(
      "after",
      `
Examples:
  msalt '*' test.ping
  msalt 'web*' cmd.run 'uptime'
  msalt -L web1,web2 cmd.run_all 'systemctl restart nginx' timeout=30
  msalt --async '*' cmd.run 'apt-get -y upgrade'     then: msalt-run jobs.lookup <jid>

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
  if (flags.list === true && flags.pcre === true) throw new MsaltError("ERR_USAGE", "-L and -E exclude each other");
  const { color, ...print } = outputOf(flags);
  const config = loadMasterConfig(flags);
  const waitSeconds = numberOption("--timeout", flags.timeout, config.timeoutMs / 1000);
  const waitMs = waitSeconds > 0 ? waitSeconds * 1000 : config.timeoutMs;
  const tgtType: TargetType = flags.list === true ? "list" : flags.pcre === true ? "pcre" : "glob";
  const { arg, kwarg } = parseWords(words);

  const client = await LocalClient.connect(config.sockDir);
  try {
    const load = { tgt, tgtType, fun, arg: toArg(arg, kwarg), words, user: userName(), waitMs };
    const { jid, minions, missing } = await client.call("publish", load);
    if (flags.async === true) {
      process.stdout.write(`${asyncText(jid)}\n`);
      return exits.good;
    }
    const terminal: Terminal = {
      color,
      out: (text) => process.stdout.write(text),
      err: (text) => process.stderr.write(text),
    };
    const run = new Run(flags, config, terminal, new Printer({ ...print, atEnd: flags.static === true }, terminal));
    return await run.follow(client, { jid, targeted: minions.length + missing.length, waitMs });
  } finally {
    client.close();
  }
}

class Run {
  readonly #flags: Flags;
  readonly #config: MasterConfig;
  readonly #terminal: Terminal;
  readonly #printer: Printer;
  readonly #failures: string[] = [];
  #returned = 0;

  constructor(flags: Flags, config: MasterConfig, terminal: Terminal, printer: Printer) {
    this.#flags = flags;
    this.#config = config;
    this.#terminal = terminal;
    this.#printer = printer;
  }

  async follow(client: LocalClient, job: { jid: Jid; targeted: number; waitMs: number }): Promise<number> {
    const { verbose, showJid } = this.#flags;
    if (verbose === true) this.#terminal.err(verboseHeader(job.jid));
    else if (showJid ?? this.#config.showJid) this.#terminal.err(`jid: ${job.jid}\n`);
    const interrupted = this.#watchSignals(job.jid);
    const followed = await Promise.race([
      followJob(client, job.jid, job.waitMs, (answer) => this.#onReturn(answer)),
      interrupted,
    ]);
    if (typeof followed === "number") {
      this.#printer.end();
      return followed;
    }
    this.#reportMissing(followed, job.jid);
    this.#printer.end();
    if (this.#flags.summary ?? this.#config.cliSummary) this.#summary(followed, job.targeted);
    return this.#exitCode(followed);
  }

  #onReturn({ id, target, value }: Return): void {
    this.#returned += 1;
    const failed = target.success !== true || target.retcode !== 0;
    if (failed) this.#failures.push(id);
    this.#printer.add(id, value, failed);
  }

  #reportMissing({ record, missing }: Followed, jid: Jid): void {
    if (this.#flags.hideTimeout ?? !this.#config.showTimeout) return;
    for (const target of missing) this.#printer.add(target.id, missingText(target, jid, record.job.notAfter), true);
    for (const id of record.job.missing) {
      this.#printer.add(id, noReturnText(jid, "no response", "No minion of this name has an accepted key."), true);
    }
  }

  #summary({ record, missing }: Followed, targeted: number): void {
    const unconnected = missing.filter(({ link }) => link?.connected !== true).map(({ id }) => id);
    const silent = missing.filter(({ link }) => link?.connected === true).map(({ id }) => id);
    this.#terminal.err(
      summaryText({
        targeted,
        returned: this.#returned,
        missing: missing.length + record.job.missing.length,
        errors: this.#failures.length,
        ...(this.#flags.verbose === true && {
          notConnected: unconnected,
          notResponding: [...silent, ...record.job.missing],
          failures: this.#failures,
        }),
      }),
    );
  }

  /** From the record alone, not from what was printed (P8). */
  #exitCode({ record }: Followed): number {
    const code = exitOf(record.job, record.targets);
    if (code === exits.nothing) this.#terminal.err("ERROR: No return received\n");
    if (code === exits.someFailed) this.#terminal.err("ERROR: Minions returned with non-zero exit code\n");
    return code;
  }

  /** Resolves with the exit code when the user, a closed terminal or a closed pipe ends the waiting. The job goes on. */
  #watchSignals(jid: Jid): Promise<number> {
    return new Promise((resolve) => {
      const stop = (code: number): void => {
        this.#terminal.err(`\n${ctrlCText(jid)}\n`);
        resolve(code);
      };
      process.once("SIGINT", () => stop(exits.interrupted));
      process.once("SIGTERM", () => stop(143));
      process.once("SIGHUP", () => stop(129));
      process.stdout.once("error", () => stop(exits.someFailed));
      process.stderr.once("error", () => resolve(exits.someFailed));
    });
  }
}

/** What the record knows of a minion that gave no answer (P8). */
function missingText(target: TargetView, jid: Jid, notAfter: number): string {
  const { state, link, reason, started } = target;
  const time = (at: number): string => new Date(at).toISOString().replace(/\.\d+Z$/, "Z");
  if (state === "expired" || state === "lost" || state === "skipped")
    return `Minion did not return. [${reason ?? state}]`;
  if (link?.connected !== true) {
    const since =
      link?.since === undefined ? "It has never been connected." : `Not connected since ${time(link.since)}.`;
    const then = state === "running" ? "It was running the job then." : `The job waits for it until ${time(notAfter)}.`;
    return noReturnText(jid, "not connected", `${since} ${then}`);
  }
  const running =
    state === "running" ? `Still running${started === undefined ? "" : ` since ${time(started)}`}.` : undefined;
  return noReturnText(jid, "no response", running);
}
