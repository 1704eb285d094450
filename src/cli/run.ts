import { sleep } from "../lib/deadline.ts";
import { safeLine } from "../lib/safe-text.ts";
import { asJid } from "../wire/ids.ts";
import { storedReturns } from "../client/follow.ts";
import { LocalClient } from "../client/local.ts";
import { loadMasterConfig } from "../config/load.ts";
import { render } from "../output/render.ts";
import { fileLines } from "./file-lines.ts";
import { findRunner } from "../runners/registry.ts";
import { parseWords } from "../wire/args.ts";
import { documentation, runProgram } from "./run-options.ts";
import { type OutputOptions, type SharedOptions, exits, outputOf, parseArgs, userName } from "./tool.ts";
import { JobWatch, type WatchFlags } from "./watch.ts";

interface Flags extends SharedOptions, OutputOptions, WatchFlags {
  readonly doc?: boolean;
  readonly quiet?: boolean;
  readonly static?: boolean;
}

/** `msalt-run <runner.function> [arguments]`; gives the exit code. */
export async function msaltRun(argv: readonly string[], version: string): Promise<number> {
  const command = runProgram(version);
  parseArgs(command, argv);
  const flags = command.opts<Flags>();
  const [fun, ...words] = command.args;
  if (fun === undefined || flags.doc === true) {
    process.stdout.write(`${documentation(command.args).trimStart()}\n`);
    return exits.good;
  }
  if (fun === "completion") {
    const { completion } = await import("./completion.ts");
    process.stdout.write(completion(words, version));
    return exits.good;
  }
  if (fun === "__complete") {
    const { candidates } = await import("./candidates.ts");
    process.stdout.write((await candidates(words, flags)).map((word) => `${word}\n`).join(""));
    return exits.good;
  }
  const { outputter, ...look } = outputOf(flags.quiet === true ? { ...flags, output: "quiet" } : flags);
  const args = parseWords(words, () => true);
  const runner = findRunner(fun, args);
  const config = loadMasterConfig(flags);
  let opened: LocalClient | undefined;
  const connect = async (): Promise<LocalClient> => (opened ??= await LocalClient.connect(config.sockDir));
  try {
    // First of all, as a runner may have something to subscribe to; without a master only a few can do their work.
    if (runner.offline !== true) await connect();
    if (fun === "jobs.follow") {
      const watched = { ...flags, follow: true };
      const print = { outputter, indent: look.indent, write: look.write, atEnd: flags.static === true };
      const jid = asJid(String(args.arg[0]));
      return await new JobWatch(watched, config, look.color, print).run(await connect(), jid, config.timeoutMs);
    }
    const value = await runner.run(args, {
      call: async (cmd, load) => (await connect()).call(cmd, load),
      returns: async function* (jid) {
        yield* storedReturns(await connect(), jid);
      },
      lines: fileLines,
      user: userName(),
      now: Date.now,
      sleep: (ms) => sleep(ms, undefined),
      subscribe: (...what) => connect().then((client) => client.subscribe(...what)),
      warn: (text) => void process.stderr.write(`msalt-run: ${text}\n`),
      write: (tag, data, pretty) =>
        look.write(`${safeLine(tag)}\t${render("json", data, { color: false, indent: pretty ? 4 : -1 })}`),
      config: config.shown,
      version,
    });
    if (value !== undefined) look.write(render(outputter, value, look));
    return exits.good;
  } finally {
    opened?.close();
  }
}
