import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bus } from "../support/bus.ts";
import { Proc, dist } from "../support/proc.ts";

let bus: Bus;
let bin: string;
beforeAll(async () => {
  bus = await Bus.start({ minions: ["web1", "web2", "db1"] });
  bin = mkdtempSync(join(tmpdir(), "msalt-bin-"));
  for (const tool of ["msalt", "msalt-run"]) {
    writeFileSync(join(bin, tool), `#!/bin/sh\nexec '${process.execPath}' '${dist}/${tool}.js' "$@"\n`);
    chmodSync(join(bin, tool), 0o755);
  }
});
afterAll(async () => {
  rmSync(bin, { recursive: true, force: true });
  await bus[Symbol.asyncDispose]();
});

/** What bash offers for the last word, with the tools as they are installed. */
function offered(...words: readonly string[]): string[] {
  const script =
    'source <(msalt-run completion bash); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _msalt; printf "%s\\n" "${COMPREPLY[@]}"';
  const env = { ...process.env, PATH: `${bin}:${process.env["PATH"] ?? ""}` };
  const { stdout, stderr } = spawnSync("bash", ["--norc", "-c", script, "bash", ...words], { env });
  expect(stderr.toString()).toBe("");
  return stdout.toString().split("\n").filter(Boolean);
}

/** A shell is offered nothing where the master takes longer than a moment. */
const patience = { timeout: 60_000 };

const complete = (...words: readonly string[]) =>
  new Proc("msalt-run", ["--root-dir", bus.masterRoot, "--", "__complete", ...words]).exit;

describe("completion with a master", () => {
  it("bash offers minions, functions and jobs of the master that the line names", async () => {
    const { stdout } = await bus.msalt("--async", "web1", "test.ping");
    const jid = /\d{20}/.exec(stdout)?.[0] ?? "no jid";
    const root = ["--root-dir", bus.masterRoot];
    await expect.poll(() => offered("msalt", ...root, "we"), patience).toEqual(["web1", "web2"]);
    await expect.poll(() => offered("msalt", ...root, "-L", "db1,we"), patience).toEqual(["db1,web1", "db1,web2"]);
    expect(offered("msalt", ...root, "web1", "test.pi")).toEqual(["test.ping"]);
    await expect.poll(() => offered("msalt-run", ...root, "jobs.lookup", "2"), patience).toEqual([jid]);
    expect(offered("msalt-run", ...root, "jobs.loo")).toEqual(["jobs.lookup", "jobs.lookup_jid"]);
  });

  it("prints one candidate a line", async () => {
    await expect
      .poll(() => complete("minions"), patience)
      .toEqual({ code: 0, stdout: "db1\nweb1\nweb2\n", stderr: "" });
    await expect
      .poll(() => complete("minions", "web"), patience)
      .toEqual({ code: 0, stdout: "web1\nweb2\n", stderr: "" });
    expect(await complete("nonsense")).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(await complete()).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  it("prints nothing, soon, when the master does not answer, was killed, or never was", async () => {
    const soon = async (): Promise<void> => {
      const started = performance.now();
      expect(await complete("minions")).toEqual({ code: 0, stdout: "", stderr: "" });
      // A tool that waits for an answer waits for half a minute.
      expect(performance.now() - started).toBeLessThan(20_000);
    };
    const [controller] = bus.pidsOf("controller");
    if (controller === undefined) throw new Error("no controller");
    process.kill(controller, "SIGSTOP");
    try {
      await soon();
    } finally {
      process.kill(controller, "SIGCONT");
    }
    await bus.master?.stop("SIGTERM");
    await soon();
    rmSync(bus.sockDir, { recursive: true, force: true });
    await soon();
  });
});
