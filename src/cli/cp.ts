/** `msalt-cp`: files and folders of the master's machine to minions. They are laid out below the master's data, and fetched. */
import { randomBytes } from "node:crypto";
import { chownSync, cpSync, lstatSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import type { Command } from "commander";
import { LocalClient } from "../client/local.ts";
import { loadMasterConfig } from "../config/load.ts";
import { MsaltError, messageOf } from "../errors.ts";
import { isTerminal } from "../job/state.ts";
import { asyncText } from "../output/job.ts";
import type { Jid } from "../wire/ids.ts";
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

interface Flags extends SharedOptions, OutputOptions, JobFlags, WatchFlags {
  readonly timeout?: string;
  readonly async?: boolean;
}

/** What a job of yesterday left behind is of no use any more. */
const keptMs = 24 * 3_600_000;

export function cpProgram(version: string): Command {
  const command = program("msalt-cp", version, "Copy files and folders from this machine, the master's, to minions.")
    .argument("<target>", "glob on the minion id, such as 'web*'; other kinds below")
    .argument(
      "<paths...>",
      "files and folders here, then an absolute path on the minions: a folder when it ends with a slash",
    )
    .usage("[options] '<target>' <source...> <dest>");
  const tool = withOutput(
    withJobOptions(command)
      .optionsGroup("What is shown:")
      .option("--async", "print the job id and do not wait")
      .option("-p, --progress", "a status line also when the answers go elsewhere")
      .option("-v, --verbose", "say more at the end")
      .option("--summary", "print the counts at the end"),
    "nested",
  ).addHelpText(
    "after",
    `
Examples:
  msalt-cp 'web*' app.conf /etc/app/app.conf
  msalt-cp -G os:Debian release/ hooks/ /opt/app/ --parallel 20

Each file is checked against its hash and renamed into place; one that is there already is not sent.

Exit status: 0 all good, 1 a minion failed or did not answer, 2 nothing matched or came back or the master cannot be
reached, 64 wrong use or a source that cannot be read.`,
  );
  return withDocumentation(tool, "jobs");
}

/** Gives the exit code. */
export async function msaltCp(argv: readonly string[], version: string): Promise<number> {
  const command = parseArgs(cpProgram(version), argv);
  const flags = command.opts<Flags>();
  const [tgt = "", ...paths] = command.args;
  const dest = paths.pop();
  if (dest === undefined || paths.length === 0) {
    throw new MsaltError(
      "ERR_USAGE",
      "Incomplete options passed: expected a target, at least one source, and where to put them.",
    );
  }
  if (!dest.startsWith("/"))
    throw new MsaltError("ERR_USAGE", `${JSON.stringify(dest)} is not an absolute path on the minions`);
  const { color, ...print } = outputOf(flags);
  const config = loadMasterConfig(flags);
  const waitMs = Math.round(numberOption("--timeout", flags.timeout, config.timeoutMs / 1000) * 1000);
  const spool = join(config.dataDir, "spool");
  const client = await LocalClient.connect(config.sockDir);
  try {
    const token = randomBytes(16).toString("hex");
    const single = layOut(spool, token, paths, config.dataDir);
    let done = true;
    try {
      const target = { tgt, tgtType: targetTypeOf(flags) };
      const arg = [`.cp/${token}`, dest, single];
      const { jid, parallel } = await client.call("publish", {
        ...target,
        fun: "cp.recv",
        arg,
        user: userName(),
        waitMs,
        ...jobOptionsOf(flags),
      });
      done = false;
      if (flags.async === true) {
        print.write(`${asyncText(jid, parallel !== undefined)}\n`);
        return exits.good;
      }
      const code = await new JobWatch(flags, config, color, { ...print, atEnd: false }).run(client, jid, waitMs);
      done = await isOver(client, jid);
      return code;
    } finally {
      if (done) rmSync(join(spool, token), { recursive: true, force: true });
    }
  } finally {
    client.close();
  }
}

async function isOver(client: LocalClient, jid: Jid): Promise<boolean> {
  try {
    return (await client.call("job.record", { jid })).targets.every(({ state }) => isTerminal(state));
  } catch {
    return false;
  }
}

/** True when it is one plain file. What an older job left behind goes. */
function layOut(spool: string, token: string, paths: readonly string[], dataDir: string): boolean {
  const to = join(spool, token);
  try {
    mkdirSync(to, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(spool)) {
      const old = join(spool, name);
      if (lstatSync(old).mtimeMs < Date.now() - keptMs) rmSync(old, { recursive: true, force: true });
    }
    for (const path of paths) {
      cpSync(resolve(path), join(to, basename(resolve(path))), {
        recursive: true,
        dereference: true,
        errorOnExist: true,
        force: false,
      });
    }
    handOver(spool, dataDir, to);
    return paths.length === 1 && statSync(join(to, basename(resolve(paths[0] ?? "")))).isFile();
  } catch (cause) {
    rmSync(to, { recursive: true, force: true });
    throw new MsaltError("ERR_USAGE", `cannot copy: ${messageOf(cause)}`, {}, { cause });
  }
}

/** Root lays out files for a master that runs as another user. */
function handOver(spool: string, dataDir: string, to: string): void {
  const { uid, gid } = statSync(dataDir);
  if (process.getuid?.() !== 0 || uid === 0) return;
  const all = readdirSync(to, { recursive: true, encoding: "utf8" }).map((name) => join(to, name));
  for (const path of [spool, to, ...all]) chownSync(path, uid, gid);
}
