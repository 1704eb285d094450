import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bus } from "../support/bus.ts";
import { until } from "../support/proc.ts";

describe("the main job, on a master and two minions", () => {
  let bus: Bus;
  beforeAll(async () => {
    bus = await Bus.start({ minions: ["m1", "m2"] });
  });
  afterAll(() => bus[Symbol.asyncDispose]());

  it("prints every answer under its minion's id", async () => {
    const { code, stdout, stderr } = await bus.msalt("*", "test.ping");
    expect(stdout.match(/m\d:\n {4}True\n/g)?.toSorted()).toEqual(["m1:\n    True\n", "m2:\n    True\n"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });

  it("runs a command line through a shell and keeps its exit status", async () => {
    const good = await bus.msalt("m1", "cmd.run", "echo a; echo b >&2 | cat; echo $((40 + 2))");
    expect(good).toMatchObject({ code: 0, stdout: "m1:\n    a\n    b\n    42\n" });
    const bad = await bus.msalt("m1", "cmd.run_all", "echo out; echo err >&2; exit 3", "--out=json");
    expect(JSON.parse(bad.stdout)).toMatchObject({ m1: { retcode: 3, stdout: "out", stderr: "err" } });
    expect(bad).toMatchObject({ code: 1, stderr: "ERROR: Minions returned with non-zero exit code\n" });
  });

  it("keeps words as text where the function wants text", async () => {
    expect(await bus.msalt("m1", "cmd.run", "true")).toMatchObject({ code: 0, stdout: "m1:\n" });
    const echo = await bus.msalt("m1", "test.arg", "16:34", "yes", "name=0x10", "--out=json");
    const { m1 } = JSON.parse(echo.stdout) as { m1: { args: unknown[]; kwargs: Record<string, unknown> } };
    expect(m1.args).toEqual([994, true]);
    expect(m1.kwargs).toMatchObject({ name: 16, __pub_fun: "test.arg", __pub_tgt: "m1" });
  });

  it("targets by list and by regular expression, and names who has no key", async () => {
    expect((await bus.msalt("-E", "m[12]$", "test.ping", "--out=json")).stdout).toContain('"m2": true');
    const listed = await bus.msalt("-L", "m1,nosuch", "test.ping");
    expect(listed.code).toBe(1);
    expect(listed.stdout).toContain("nosuch:\n    Minion did not return. [No response]");
    expect(listed.stdout).toContain("m1:\n    True");
  });

  it("CL-04: says that nothing matched, with exit 2, in every form", async () => {
    for (const more of [["-b", "2"], ["--out=json"], ["--out=json", "--static"], ["--out=jsonl"], ["--follow"]]) {
      const none = await bus.msalt(...more, "nosuch[1]*", "test.ping");
      const empty = more.includes("--static") && none.stdout !== "" ? (JSON.parse(none.stdout) as unknown) : {};
      expect([more, none.code, empty, none.stdout.replaceAll(/[{}\s]/g, "")]).toEqual([more, 2, {}, ""]);
      expect(none.stderr).toContain("No minions matched");
    }
    const { code, stdout, stderr } = await bus.msalt("nosuch*", "test.ping");
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain("No minions matched the target.");
    expect(stderr).toContain("ERROR: No return received");
  });

  it.each([["json"], ["jsonl"], ["yaml"], ["txt"], ["quiet"]])("prints --out=%s", async (out) => {
    const { code, stdout } = await bus.msalt("*", "test.ping", `--out=${out}`);
    expect(code).toBe(0);
    if (out === "json") expect(JSON.parse(stdout)).toEqual({ m1: true, m2: true });
    if (out === "jsonl") {
      const lines = stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      expect(Object.assign({}, ...lines)).toEqual({ m1: true, m2: true });
      expect(lines).toHaveLength(2);
    }
    if (out === "yaml") expect(stdout.trim().split("\n").toSorted()).toEqual(["m1: true", "m2: true"]);
    if (out === "txt") expect(stdout.trim().split("\n").toSorted()).toEqual(["m1: True", "m2: True"]);
    if (out === "quiet") expect(stdout).toBe("");
  });

  it("P1: gives the jid of an --async job and has its answers in the record afterwards", async () => {
    const jid = await bus.submit("*", "cmd.run", "sleep 0.5; echo done");
    await until("both results", async () => {
      const found = await bus.lookup(jid);
      return found["m1"] === "done" && found["m2"] === "done";
    });
    const listed = await bus.run("jobs.list_jobs", "--out=json");
    expect((JSON.parse(listed.stdout) as Record<string, unknown>)[jid]).toMatchObject({
      Function: "cmd.run",
      Target: "*",
      "Target-type": "glob",
      Arguments: ["sleep 0.5; echo done"],
    });
    const printed = await bus.run("jobs.print_job", jid, "--out=json");
    expect((JSON.parse(printed.stdout) as Record<string, unknown>)[jid]).toMatchObject({
      Minions: ["m1", "m2"],
      Result: { m1: { retcode: 0, return: "done", success: true } },
    });
    expect((await bus.run("jobs.exit_success", jid, "--out=json")).stdout).toContain('"m1": true');
    expect((await bus.run("jobs.lookup_jid", jid)).stdout).toContain("m2:\n    done");
  });

  it("shows a running job as active, and waits for a minion that runs longer than -t", async () => {
    const go = join(bus.root, "seen");
    const command = `until [ -e ${go} ]; do sleep 0.05; done; sleep 7; echo long`;
    // Within this time the minion has to say that it runs.
    const waiting = bus.spawn("msalt", "m1", "cmd.run", command, "-t", "5", "-v");
    await waiting.says("Executing job with jid");
    await until("the job is active", async () => (await bus.run("jobs.active")).stdout.includes("sleep 7; echo long"));
    writeFileSync(go, "");
    expect(await waiting.exit).toMatchObject({ code: 0, stdout: "m1:\n    long\n" });
  });

  it("P5: Ctrl-C prints the jid and how to go on, and the job goes on", async () => {
    const go = join(bus.root, "interrupted");
    const waiting = bus.spawn("msalt", "m1", "cmd.run", `until [ -e ${go} ]; do sleep 0.05; done; echo still`, "-v");
    // From here on it knows what Ctrl-C means.
    await waiting.says("Executing job with jid");
    await until("the job is active", async () => (await bus.run("jobs.active")).stdout.includes("echo still"));
    const { code, stderr } = await waiting.stop("SIGINT");
    expect(code).toBe(130);
    writeFileSync(go, "");
    const jid = /msalt-run jobs\.lookup (\d{20})/.exec(stderr)?.[1] ?? "";
    await until("its result", async () => (await bus.lookup(jid))["m1"] === "still");
  });

  it("answers what is wrong with a call", async () => {
    const unknown = await bus.msalt("m1", "nosuch.fun");
    expect(unknown).toMatchObject({ code: 1 });
    expect(unknown.stdout).toContain("'nosuch.fun' is not available.");
    const surplus = await bus.msalt("m1", "test.ping", "surplus");
    expect(surplus.code).toBe(1);
    expect(surplus.stdout).toContain("Passed invalid arguments to test.ping");
    expect(await bus.msalt("m1", "test.exception", "oops")).toMatchObject({
      code: 1,
      stdout: expect.stringContaining("The minion function caused an exception: "),
    });
  });

  it("treats wrong use as wrong use", async () => {
    expect(await bus.msalt("m1")).toMatchObject({ code: 64 });
    expect(await bus.msalt("m1", "test.ping", "--nosuch")).toMatchObject({ code: 64 });
    expect(await bus.msalt("m1", "test.ping", "--out=nosuch")).toMatchObject({ code: 64 });
    expect(await bus.run("nosuch.runner")).toMatchObject({ code: 64, stderr: expect.stringContaining("no runner") });
    expect(await bus.run("jobs.lookup", "20000101000000000000")).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("no job 20000101000000000000"),
    });
    expect(await bus.run("jobs.lookup", "2026")).toMatchObject({ code: 64 });
  });

  it("knows grains, docs and the jobs that run", async () => {
    const os = await bus.msalt("m1", "grains.item", "id", "kernel", "--out=json");
    expect(JSON.parse(os.stdout)).toEqual({ m1: { id: "m1", kernel: "Linux" } });
    await bus.msalt("m1", "grains.setval", "role", "web");
    expect((await bus.msalt("m1", "grains.get", "role")).stdout).toBe("m1:\n    web\n");
    await bus.msalt("m1", "grains.delval", "role");
    expect((await bus.msalt("m1", "sys.doc", "test.ping")).stdout).toContain("test.ping");
    const jid = await bus.submit("m1", "cmd.run", "sleep 30");
    await until("it runs", async () => (await bus.msalt("m1", "saltutil.running")).stdout.includes(jid));
    expect((await bus.msalt("m1", "saltutil.kill_job", jid)).stdout).toContain(`Signal 9 sent to job ${jid}`);
    await until("it ended", async () => !(await bus.run("jobs.active")).stdout.includes(jid));
    expect((await bus.run("jobs.exit_success", jid, "--out=json")).stdout).toContain('"m1": false');
  });

  it("fires an event of a minion under its own name", async () => {
    expect(await bus.msalt("m1", "event.send", "my/tag", "{a: 1}")).toMatchObject({
      code: 0,
      stdout: "m1:\n    True\n",
    });
  });

  it("carries 5 MiB of output, and says so when it cut more", async () => {
    const big = await bus.msalt("m1", "cmd.run", "head -c 5000000 /dev/zero | tr '\\0' x", "--out=json", "-t", "60");
    expect((JSON.parse(big.stdout) as { m1: string }).m1).toHaveLength(5_000_000);
    const cut = await bus.msalt("m1", "cmd.run", "head -c 20000000 /dev/zero | tr '\\0' x", "--out=json", "-t", "60");
    const { m1 } = JSON.parse(cut.stdout) as { m1: string };
    expect(m1.length).toBeLessThan(8 * 1_048_576);
    expect(m1.slice(-300)).toMatch(/cut/);
  });

  it("shows output that is not UTF-8, and never its control sequences", async () => {
    const { stdout } = await bus.msalt("m1", "cmd.run", String.raw`printf 'a\377b\033[31mred\033]52;c;aGk=\a\r!\n'`);
    expect(stdout).toContain("a\uFFFDb?[31mred");
    expect(stdout).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
  });

  it("shows who is there", async () => {
    expect((await bus.run("manage.status", "--out=json")).stdout).toBe(
      `${JSON.stringify({ down: [], up: ["m1", "m2"] }, null, 4)}\n`,
    );
  });
});
