import { storedReturns } from "../client/follow.ts";
import { LocalClient } from "../client/local.ts";
import { loadMasterConfig } from "../config/load.ts";
import { render } from "../output/render.ts";
import { findRunner, runners } from "../runners/registry.ts";
import { parseWords } from "../wire/args.ts";
import { type OutputOptions, type SharedOptions, exits, outputOf, program, withOutput } from "./tool.ts";

interface Flags extends SharedOptions, OutputOptions {
  readonly doc?: boolean;
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
    .addHelpText("after", documentation())
    .parse([...argv], { from: "user" });
  const flags = command.opts<Flags>();
  const [fun, ...words] = command.args;
  if (fun === undefined || flags.doc === true) {
    process.stdout.write(`${documentation().trimStart()}\n`);
    return exits.good;
  }
  const { outputter, ...look } = outputOf(flags);
  const args = parseWords(words, () => true);
  const runner = findRunner(fun, args);
  const client = await LocalClient.connect(loadMasterConfig(flags).sockDir);
  try {
    const value = await runner.run(args, {
      call: (cmd, load) => client.call(cmd, load),
      returns: (jid) => storedReturns(client, jid),
    });
    process.stdout.write(render(outputter, value, look));
    return exits.good;
  } finally {
    client.close();
  }
}
