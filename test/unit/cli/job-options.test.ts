import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { type JobFlags, jobOptionsOf, targetTypeOf, withJobOptions } from "../../../src/cli/job-options.ts";

const flagsOf = (...argv: string[]): JobFlags =>
  withJobOptions(new Command("x"))
    .argument("[words...]")
    .option("--follow", "")
    .option("--metadata <map>", "")
    .exitOverride()
    .parse(argv, { from: "user" })
    .opts<JobFlags>();
const optionsOf = (...argv: string[]): unknown => jobOptionsOf(flagsOf(...argv));

describe("jobOptionsOf", () => {
  it.each<[string[], unknown]>([
    [[], {}],
    [["--parallel", "3"], { parallel: 3 }],
    [["-b", "10%"], { parallel: { percent: 10 } }],
    [["--batch-size", "%10"], { parallel: { percent: 10 } }],
    [["--batch", "2.5%"], { parallel: { percent: 2.5 } }],
    [["-b", "5", "--parallel", "5"], { parallel: 5 }],
    [["--batch-wait", "0.5"], { batchWaitMs: 500 }],
    [["--batch-safe-limit", "20"], { batchSafe: { limit: 20, size: 8 } }],
    [["--batch-safe-limit", "20", "--batch-safe-size", "4"], { batchSafe: { limit: 20, size: 4 } }],
    [["--batch-safe-limit", "0"], {}],
    [["--fail-count", "-1"], { failCount: -1 }],
    [["--fail-rate", "2.9%"], { failRate: 0.029 }],
    [["--fail-rate", "0.02", "--fail-kill"], { failRate: 0.02, failKill: true }],
    [["--failhard"], { failCount: 0 }],
    [["--run-timeout", "1.5", "--ttl", "60"], { timeoutMs: 1500, ttlMs: 60_000 }],
    [["--subset", "3", "--follow"], { subset: 3, follow: true }],
    [["--metadata", "{ticket: 123}"], { metadata: { ticket: 123 } }],
    [["cmd.run", "x", "--parallel", "2"], { parallel: 2 }],
  ])("%j", (argv, expected) => {
    expect(optionsOf(...argv)).toEqual(expected);
  });

  it.each<[string[], string]>([
    [["-b", "0"], "Invalid batch data sent: 0"],
    [["-b", "0%"], "Invalid batch data sent: 0%"],
    [["-b", "%10%"], "Invalid batch data sent: %10%"],
    [["-b", "many"], "Invalid batch data sent: many"],
    [["-b", "1.5"], "Invalid batch data sent: 1.5"],
    [["-b", "2", "--parallel", "3"], "give one of them"],
    [["--batch-wait", "soon"], "--batch-wait"],
    [["--batch-safe-limit", "1"], "more than 1"],
    [["--fail-count", "-2"], "--fail-count"],
    [["--fail-rate", "2"], "--fail-rate"],
    [["--fail-rate", "x"], "--fail-rate"],
    [["--failhard", "--fail-count", "2"], "--failhard"],
    [["--fail-kill"], "--fail-kill needs"],
    [["--subset", "0"], "--subset"],
    [["--ttl", "-1"], "--ttl"],
    [["--metadata", "ticket"], "is no map"],
  ])("refuses %j", (argv, text) => {
    const message: unknown = expect.stringContaining(text);
    expect(() => optionsOf(...argv)).toThrow(expect.objectContaining({ code: "ERR_USAGE", message }));
  });
});

describe("targetTypeOf", () => {
  it.each([
    [[], "glob"],
    [["-L"], "list"],
    [["-E"], "pcre"],
    [["-G"], "grain"],
    [["-P"], "grain_pcre"],
    [["-S"], "ipcidr"],
    [["-N"], "nodegroup"],
    [["-C"], "compound"],
  ])("%j", (argv, type) => {
    expect(targetTypeOf(flagsOf(...argv))).toBe(type);
  });

  it("refuses two kinds at once", () => {
    expect(() => targetTypeOf(flagsOf("-L", "-C"))).toThrow("-L and -C exclude each other");
  });
});
