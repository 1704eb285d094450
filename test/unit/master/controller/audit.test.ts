import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Act } from "../../../../src/audit/act.ts";
import { type Verdict, Verifier } from "../../../../src/audit/chain.ts";
import { fileLines } from "../../../../src/cli/file-lines.ts";
import { AuditLog } from "../../../../src/master/controller/audit.ts";

let dir: string;
let file: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "msalt-audit-"));
  file = join(dir, "audit.log");
});
afterEach(() => rmSync(dir, { recursive: true }));

const act = (n: number, more: Partial<Act> = {}): Act => ({
  user: "ann",
  how: "uid 1001",
  act: "publish",
  fun: "test.ping",
  arg: [n],
  outcome: "accepted",
  ...more,
});
const now = (): number => Date.UTC(2026, 10, 21);

async function verdictOf(...files: string[]): Promise<Verdict> {
  const verifier = new Verifier();
  for (const each of files) for await (const { bytes, whole } of fileLines(each)) verifier.add(bytes, whole);
  return verifier.verdict;
}

const linesOf = (path = file): Record<string, unknown>[] =>
  readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

async function written(...acts: Act[]): Promise<void> {
  const log = new AuditLog(file, now);
  await Promise.all(acts.map((each) => log.record(each)));
  await log.close();
}

describe("AuditLog", () => {
  it("begins with a start line, and goes on with the chain after a restart", async () => {
    await written(act(1), act(2));
    await written(act(3));
    expect(linesOf().map(({ n, act: what, arg }) => [n, what, arg])).toEqual([
      [1, "start", undefined],
      [2, "publish", [1]],
      [3, "publish", [2]],
      [4, "publish", [3]],
    ]);
    expect(await verdictOf(file)).toEqual({ lines: 4, mended: 0 });
    expect(Object.keys(linesOf()[1] ?? {})).toEqual([
      "n",
      "time",
      "user",
      "how",
      "act",
      "fun",
      "arg",
      "outcome",
      "prev",
      "sum",
    ]);
  });

  it("shortens arguments, and names at most 50 minions", async () => {
    const minions = Array.from({ length: 120 }, (_, n) => `web${119 - n}`);
    await written(act(1, { arg: ["x".repeat(5000)], tgt: "y".repeat(5000), minions }));
    const {
      arg,
      tgt,
      minions: listed,
    } = linesOf()[1] as { arg: string; tgt: string; minions: Record<string, unknown> };
    expect(arg).toMatch(/^\["x{1022}… \(5004 bytes\)$/);
    expect(tgt).toMatch(/^y{1024}… \(5000 bytes\)$/);
    expect(listed).toMatchObject({ count: 120, names: minions.toSorted().slice(0, 50) });
  });

  it.each([1, 2, 30, 200])("mends a line of which the last %s bytes are missing", async (missing) => {
    await written(act(1), act(2));
    const size = readFileSync(file).length;
    truncateSync(file, size - missing);
    await written(act(3));
    const verdict = await verdictOf(file);
    expect(verdict).toEqual({ lines: missing === 1 ? 4 : 5, mended: missing === 1 ? 0 : 1 });
    const [last = ""] = readFileSync(file, "utf8").trimEnd().split("\n").slice(-1);
    expect(JSON.parse(last)).toMatchObject({ n: 4, arg: [3] });
  });

  it("mends what is no line at all", async () => {
    await written(act(1));
    appendFileSync(file, "\0\0\0");
    await written(act(2));
    expect(await verdictOf(file)).toEqual({ lines: 5, mended: 1 });
  });

  it("goes on in a new file when the old one was moved away, running or not", async () => {
    const log = new AuditLog(file, now);
    await log.record(act(1));
    renameSync(file, `${file}.2`);
    await log.record(act(2));
    await log.close();
    renameSync(file, `${file}.1`);
    await written(act(3));
    expect(linesOf().map(({ n }) => n)).toEqual([4]);
    expect(await verdictOf(`${file}.2`, `${file}.1`, file)).toEqual({ lines: 4, mended: 0 });
    rmSync(`${file}.1`);
    rmSync(file);
    await written(act(4));
    expect(linesOf().map(({ act: what }) => what)).toEqual(["start", "publish"]);
  });

  it("refuses the act when it cannot write, and to write behind a link", async () => {
    if (process.platform !== "linux") return;
    const log = new AuditLog("/dev/full", now);
    await expect(log.record(act(1))).rejects.toMatchObject({ code: "ERR_DISK_FULL" });
    await log.close();
    writeFileSync(join(dir, "elsewhere"), "");
    symlinkSync(join(dir, "elsewhere"), file);
    expect(() => new AuditLog(file, now)).toThrow(expect.objectContaining({ code: "ERR_STORE" }));
  });
});
