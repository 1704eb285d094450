/** One run, one table: what msalt costs beside Salt and beside the machine itself. */
import { execFileSync } from "node:child_process";
import { cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { compileGlob } from "../src/lib/glob.ts";
import { messageOf } from "../src/errors.ts";
import { Cleanup, type Line, measure } from "./row.ts";
import { rows } from "./rows.ts";
import { type Head, asText } from "./table.ts";

const usage = `npm run bench -- [--only GLOB] [--rounds N] [--no-salt] [--quick] [--json]

  --only GLOB   rows of these names (may be given several times): ${rows.map(({ name }) => name).join(", ")}
  --rounds N    samples of each figure (default: the row's own number)
  --no-salt     leave real Salt out
  --quick       one round and small sizes, no budgets: to see that it runs
  --json        the table as one JSON document
`;

function head(): Head {
  let commit = "unknown";
  try {
    const git = (...args: string[]): string => execFileSync("git", args, { encoding: "utf8" }).trim();
    commit =
      git("rev-parse", "--short", "HEAD") + (git("status", "--porcelain", "--", "src") === "" ? "" : " and changes");
  } catch {
    // Not a clone.
  }
  const all = cpus();
  return {
    date: new Date().toISOString(),
    node: process.version,
    commit,
    machine: `${all.length} × ${all[0]?.model ?? "unknown CPU"}, ${(totalmem() / 2 ** 30).toFixed(1)} GiB`,
  };
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: "string", multiple: true, default: ["*"] },
      rounds: { type: "string" },
      "no-salt": { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  if (rounds !== undefined && (!Number.isInteger(rounds) || rounds < 1)) {
    throw new Error(`--rounds ${values.rounds}: a whole number from 1 on was expected`);
  }
  const globs = values.only.map(compileGlob);
  const chosen = rows.filter(({ name }) => globs.some((matches) => matches(name)));
  if (chosen.length === 0) throw new Error(`--only ${values.only.join(" ")}: no row has such a name\n${usage}`);

  const scale = { quick: values.quick, salt: !values["no-salt"] };
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  const lines: Line[] = [];
  const about = head();
  let stopped: Promise<void> | undefined;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      stopped = Cleanup.endAll();
      void stopped.finally(() => process.exit(130));
    });
  }
  for (const row of chosen) {
    const cleanup = new Cleanup();
    lines.push(...(await measure(row, { rounds: rounds ?? (scale.quick ? 1 : row.rounds), scale, cleanup, say })));
    if (stopped === undefined) continue;
    await stopped;
    return 130;
  }
  process.stdout.write(values.json ? `${JSON.stringify({ ...about, lines }, undefined, 2)}\n` : asText(about, lines));
  return 0;
}

try {
  process.exit(await main());
} catch (failure) {
  process.stderr.write(`bench: ${messageOf(failure)}\n`);
  process.exit(1);
}
