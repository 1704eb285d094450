import { sleep } from "../lib/deadline.ts";
import { safeLine } from "../lib/safe-text.ts";
import { asJid } from "../wire/ids.ts";
import { storedReturns } from "../client/follow.ts";
import { LocalClient } from "../client/local.ts";
import { loadMasterConfig } from "../config/load.ts";
import { render } from "../output/render.ts";
import { findRunner, runners } from "../runners/registry.ts";
import { parseWords } from "../wire/args.ts";
import {
  type OutputOptions,
  type SharedOptions,
  exits,
  outputOf,
  parseArgs,
  program,
  userName,
  withOutput,
} from "./tool.ts";
import { JobWatch, type WatchFlags } from "./watch.ts";

interface Flags extends SharedOptions, OutputOptions, WatchFlags {
  readonly doc?: boolean;
  readonly static?: boolean;
}

function documentation(): string {
  const lines = [...runners.values()].map(({ name, params, summary }) => {
    const usage = [name, ...params.map((param) => `<${param}>`)].join(" ");
    return `  ${usage}\n      ${summary}`;
  });
  return `\nRunners:\n${lines.join("\n")}`;
}

/** `msalt-run <runner.function> [arguments]`; gives the exit code. */
export async function msaltRun(argv: readonly string[], version: string): Promise<number> {
  const command = withOutput(
    program("msalt-run", version, "Ask the master: jobs, their answers, which minions are there."),
    "nested",
  )
    .argument("[function]", "such as jobs.lookup")
    .argument("[arguments...]")
    .option("-d, --doc", "show what there is")
    .option("-s, --static", "jobs.follow: collect all answers and print them once")
    .option("--summary", "jobs.follow: print the counts at the end")
    .addHelpText("after", documentation());
  parseArgs(command, argv);
  const flags = command.opts<Flags>();
  const [fun, ...words] = command.args;
  if (fun === undefined || flags.doc === true) {
    process.stdout.write(`${documentation().trimStart()}\n`);
    return exits.good;
  }
  const { outputter, ...look } = outputOf(flags);
  const args = parseWords(words, () => true);
  const runner = findRunner(fun, args);
  const config = loadMasterConfig(flags);
  const client = await LocalClient.connect(config.sockDir);
  try {
    if (fun === "jobs.follow") {
      const watched = { ...flags, follow: true };
      const print = { outputter, indent: look.indent, write: look.write, atEnd: flags.static === true };
      const jid = asJid(String(args.arg[0]));
      return await new JobWatch(watched, config, look.color, print).run(client, jid, config.timeoutMs);
    }
    const value = await runner.run(args, {
      call: (cmd, load) => client.call(cmd, load),
      returns: (jid) => storedReturns(client, jid),
      user: userName(),
      now: Date.now,
      sleep: (ms) => sleep(ms, undefined),
      subscribe: (prefix, onEvent) => client.subscribe(prefix, onEvent),
      write: (tag, data, pretty) =>
        look.write(`${safeLine(tag)}\t${render("json", data, { color: false, indent: pretty ? 4 : -1 })}`),
      config: config.shown,
      version,
    });
    if (value !== undefined) look.write(render(outputter, value, look));
    return exits.good;
  } finally {
    client.close();
  }
}
