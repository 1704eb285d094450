import { storedReturns } from "../client/follow.ts";
import { LocalClient } from "../client/local.ts";
import { loadMasterConfig } from "../config/load.ts";
import { MsaltError } from "../errors.ts";
import { isOutputter, outputters, render } from "../output/render.ts";
import { findRunner, runners } from "../runners/registry.ts";
import { parseWords } from "../wire/args.ts";
import { type SharedOptions, exits, program } from "./tool.ts";

interface Flags extends SharedOptions {
  readonly output: string;
  readonly outputIndent?: string;
  readonly color: boolean;
  readonly forceColour?: boolean;
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
  const command = program("msalt-run", version, "Ask the master: jobs, their answers, which minions are there.")
    .argument("[function]", "such as jobs.lookup")
    .argument("[arguments...]")
    .option("-d, --doc", "show what there is")
    .option("--out, --output <name>", outputters.join(", "), "nested")
    .option("--out-indent, --output-indent <n>", "indent of json and yaml; negative: one line")
    .option("--no-color, --no-colour", "no colours")
    .option("--force-color, --force-colour", "colours even when the output is no terminal")
    .addHelpText("after", documentation())
    .parse([...argv], { from: "user" });
  const flags = command.opts<Flags>();
  const [fun, ...words] = command.args;
  if (fun === undefined || flags.doc === true) {
    process.stdout.write(`${documentation().trimStart()}\n`);
    return exits.good;
  }
  if (!isOutputter(flags.output)) {
    throw new MsaltError("ERR_USAGE", `--out: no outputter ${JSON.stringify(flags.output)}; there are ${outputters.join(", ")}`);
  }
  const args = parseWords(words, () => true);
  const runner = findRunner(fun, args);
  const client = await LocalClient.connect(loadMasterConfig(flags).sockDir);
  try {
    const value = await runner.run(args, {
      call: (cmd, load) => client.call(cmd, load),
      returns: (jid) => storedReturns(client, jid),
    });
    const indent = flags.outputIndent === undefined ? undefined : Number(flags.outputIndent);
    const color = flags.forceColour === true || (flags.color && process.stdout.isTTY);
    process.stdout.write(render(flags.output, value, { color, indent }));
    return exits.good;
  } finally {
    client.close();
  }
}
