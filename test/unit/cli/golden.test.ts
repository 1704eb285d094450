import { describe, expect, it, vi } from "vitest";
import { readCommand } from "../../../src/cli/msalt.ts";
import { splitArg } from "../../../src/wire/args.ts";
import { readDifferences, readVectors } from "../../support/vectors.ts";

interface Vector {
  readonly n: number;
  readonly argv: string[];
  readonly tgt?: string | string[];
  readonly tgt_type?: string;
  readonly fun?: string | string[];
  readonly arg?: unknown[];
  readonly kwarg?: Record<string, unknown>;
  readonly calls?: { fun: string; arg: unknown[]; kwarg: Record<string, unknown> }[];
  readonly options?: Record<string, unknown>;
  readonly exit?: number;
}

/** Under Salt's names and in Salt's shape. */
function read(argv: readonly string[]): unknown {
  let request: ReturnType<typeof readCommand>;
  const silence = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  try {
    request = readCommand(argv, "1.2.3");
  } catch {
    return "wrong use";
  } finally {
    silence.mockRestore();
  }
  const { flags, target, call, options, waitMs } = request;
  const funs = call.fun.split(",");
  const calls = funs.length === 1 ? [call.arg] : (call.arg as unknown[][]);
  const batch = flags.batchSize ?? flags.batch;
  const all = {
    timeout: waitMs === undefined ? undefined : waitMs / 1000,
    batch,
    batch_wait: options.batchWaitMs === undefined ? undefined : options.batchWaitMs / 1000,
    subset: options.subset,
    static: flags.static,
    async: flags.async,
    verbose: flags.verbose,
    cli_summary: flags.summary,
    show_jid: flags.showJid,
    show_timeout: flags.hideTimeout === true ? false : undefined,
    preview_target: flags.previewTarget,
    failhard: flags.failhard,
    delimiter: flags.delimiter,
    output: flags.output === "default" ? undefined : flags.output,
    no_parse: typeof flags.parse === "string" ? flags.parse.split(",") : undefined,
  };
  return {
    tgt: target.tgt,
    tgt_type: target.tgtType,
    calls: calls.map((arg, n) => ({ fun: funs[n], ...splitArg(arg) })),
    options: Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)),
  };
}

function expected({ argv, tgt, tgt_type, fun, arg = [], kwarg = {}, calls, options = {}, exit }: Vector): unknown {
  if (exit !== undefined) return "wrong use";
  // Salt splits a list already here.
  const text = Array.isArray(tgt) ? argv[argv.indexOf("-L") + 1] : tgt;
  // Salt's own stand-in for the arguments of something that is not run.
  const shown = options["preview_target"] === true ? [] : arg;
  return { tgt: text, tgt_type, calls: calls ?? [{ fun, arg: shown, kwarg }], options };
}

const differences = readDifferences();

describe("command lines as Salt reads them, but for what docs/salt-differences.md lists", () => {
  it.each(readVectors<Vector>("cli-parse.jsonl"))("cli-parse $n $argv", (vector) => {
    if (differences.has(`cli-parse ${vector.n}`)) expect(read(vector.argv)).not.toEqual(expected(vector));
    else expect(read(vector.argv)).toEqual(expected(vector));
  });
});
