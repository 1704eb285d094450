import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bus } from "../support/bus.ts";
import { until } from "../support/proc.ts";

let bus: Bus;
beforeAll(async () => {
  bus = await Bus.start({ minions: ["web1", "web2", "db1"] });
});
afterAll(() => bus[Symbol.asyncDispose]());

const json = (text: string): unknown => JSON.parse(text) as unknown;

describe("what the words mean", () => {
  it("several functions in one job: a map by function, the worst code of all", async () => {
    const { stdout, code } = await bus.msalt(
      "web1",
      "test.echo,cmd.run,test.echo",
      "16:34",
      ",",
      "exit 3",
      ",",
      "b",
      "--out=json",
    );
    expect(json(stdout)).toEqual({ web1: { "test.echo": 994, "cmd.run": "", "test.echo (3)": "b" } });
    expect(code).toBe(1);
    const { stdout: two } = await bus.msalt(
      "web1",
      "test.ping,cmd.run",
      "--args-separator=::",
      "::",
      "echo a,b",
      "--out=json",
    );
    expect(json(two)).toEqual({ web1: { "test.ping": true, "cmd.run": "a,b" } });
  });

  it("a compound command without all its arguments is wrong use", async () => {
    const { stderr, code } = await bus.msalt("web1", "test.ping,cmd.run", "uptime");
    expect(stderr).toContain("Cannot execute compound command without defining all arguments.");
    expect(code).toBe(64);
  });

  it("--no-parse keeps the text of a named argument", async () => {
    const { stdout } = await bus.msalt("web1", "test.kwarg", "a=1.10", "b=1.10", "--no-parse=a", "--out=json");
    expect(json(stdout)).toMatchObject({ web1: { a: "1.10", b: 1.1 } });
  });

  it("--args-stdin takes more arguments and keeps the options that were given", async () => {
    const tool = bus.spawn("msalt", "--args-stdin", "--out=json", "web1", "test.arg");
    tool.child.stdin?.end("one word\nk=v\n");
    const { stdout } = await tool.exit;
    expect(json(stdout)).toMatchObject({ web1: { args: ["one word"], kwargs: { k: "v" } } });
  });

  it("-L takes ranges", async () => {
    const { stdout } = await bus.msalt("-L", "web[1-2],db[1-1,1]", "test.ping", "--out=json", "--static");
    expect(json(stdout)).toEqual({ web1: true, web2: true, db1: true });
  });

  it("says what was probably meant", async () => {
    expect((await bus.msalt("wbe1", "test.ping")).stderr).toContain("did you mean web1?");
    expect((await bus.msalt("web1", "test.pnig")).stdout).toContain("Did you mean test.ping?");
    expect((await bus.msalt("web1", "test.ping", "--statc")).stderr).toContain("--static");
    expect((await bus.run("jobs.lokup", "x")).stderr).toContain("did you mean jobs.lookup?");
  });

  it("-d shows each function once", async () => {
    const { stdout, code } = await bus.msalt("-d", "web*", "test.ping");
    expect(stdout).toMatch(/^test\.ping:\n\n {4}\S/);
    expect(stdout.match(/test\.ping:/g)).toHaveLength(1);
    expect(code).toBe(0);
  });
});

describe("what is printed", () => {
  it("--fold shows equal answers once, --diff how the others differ", async () => {
    const folded = await bus.msalt("*", "cmd.run", "echo same; echo 1", "--fold");
    expect(folded.stdout).toBe("db1,web[1-2] (3):\n    same\n    1\n");
    const parts = await bus.msalt("*", "test.ping,grains.get", ",", "id", "--fold", "--out=json");
    expect(Object.keys(json(parts.stdout) as object).toSorted()).toEqual(["db1", "web1", "web2"]);
    const { stdout } = await bus.msalt("*", "grains.item", "id", "--diff");
    expect(stdout).toContain("where it differs:\n");
    expect(stdout).toMatch(/^ {4}-.*(db1|web1|web2)$/m);
    expect(stdout).toMatch(/^ {4}\+.*(db1|web1|web2)$/m);
  });

  it("--dry-run says who would be hit, who would not, and runs nothing", async () => {
    const before = await bus.run("jobs.list_jobs", "--out=json");
    const { stdout, code } = await bus.msalt("--dry-run", "-L", "web1,web9", "cmd.run", "true");
    expect(stdout).toBe(
      "1 of 3 accepted minions match:\n    web1: connected\n    web9: no minion of this name has an accepted key\n" +
        "Not matched: db1 web2\n",
    );
    expect(code).toBe(0);
    expect((await bus.run("jobs.list_jobs", "--out=json")).stdout).toBe(before.stdout);
  });

  it("--hide-timeout leaves out who did not answer, and the exit code tells all the same", async () => {
    await bus.minion("db1").stop("SIGKILL");
    const { stdout, code } = await bus.msalt("*", "test.ping", "--hide-timeout", "-t", "30", "--out=json");
    expect(json(stdout)).toEqual({ web1: true, web2: true });
    expect(code).toBe(1);
    await bus.startMinion("db1");
  });

  it("--out-file writes there, --out-file-append behind it; what cannot be written is said first", async () => {
    const file = join(bus.root, "out");
    const first = await bus.msalt("web1", "test.ping", `--out-file=${file}`);
    expect(first).toMatchObject({ code: 0, stdout: "" });
    await bus.run("manage.up", `--out-file-append=${file}`);
    expect(readFileSync(file, "utf8")).toMatch(/^web1:\n {4}True\n- db1\n/);
    const bad = await bus.msalt("web1", "test.ping", "--out-file=/nowhere/x");
    expect(bad).toMatchObject({ code: 64, stdout: "" });
    expect(bad.stderr).toContain("cannot write /nowhere/x");
  });
});

describe("runners", () => {
  const run = async (...words: string[]): Promise<unknown> => json((await bus.run(...words, "--out=json")).stdout);

  it("show keys, grains, versions and the configuration", async () => {
    expect(await run("key.list_all")).toEqual({
      minions: ["db1", "web1", "web2"],
      minions_denied: [],
      minions_pre: [],
      minions_rejected: [],
    });
    expect(await run("key.finger", "db*")).toMatchObject({
      minions: [{ db1: expect.stringMatching(/^(..:){31}..$/) as string }],
    });
    expect(await run("cache.grains", "web*")).toMatchObject({ web1: { id: "web1" }, web2: { id: "web2" } });
    expect(Object.keys((await run("cache.grains", "id:db1", "tgt_type=grain")) as object)).toEqual(["db1"]);
    expect(await run("manage.versions")).toMatchObject({ "Up to date": { db1: expect.any(String) as string } });
    expect(await run("match.compound_matches", "web* and not web2", "web1")).toEqual({ minion_id: "web1" });
    expect(await run("match.compound_matches", "web* and not web2", "web2")).toEqual({ minion_id: null });
    expect(await run("config.get", "id")).toBe("master");
  });

  it("tell what they do, and nothing at all", async () => {
    const { stdout } = await bus.run("-d", "key", "config.get");
    expect(stdout).toMatch(/^Runners:\n {2}key\.list_all\n/);
    expect(stdout).toContain("  config.get <key> <default?>");
    expect(stdout).not.toContain("jobs.");
    expect(await bus.run("-d", "jbos.active")).toMatchObject({
      code: 64,
      stderr: expect.stringContaining("jobs.active") as string,
    });
    expect(await bus.run("--quiet", "manage.up")).toMatchObject({ code: 0, stdout: "" });
  });

  it("change keys", async () => {
    await bus.startMinion("old1");
    expect(await run("key.delete", "old*")).toEqual({ minions: ["old1"] });
    const { code, stderr } = await bus.run("key.accept", "nobody");
    expect(code).toBe(2);
    expect(stderr).toContain("The key glob 'nobody' does not match any pending key.");
  });

  it("send and show events", async () => {
    const listener = bus.spawn("msalt-run", "event.listen", "release/*/done", "count=8");
    await until("it listens", async () => {
      await bus.run("event.send", "release/0/done");
      return listener.stdout.includes("release/0/done");
    });
    await bus.run("event.send", "release/1/begun", "{n: 0}");
    await bus.run("event.send", "release/1/done", "{n: 1}", "by=me");
    await bus.run("event.send", "release/2/done");
    await until(
      "it has heard enough",
      async () => {
        await bus.run("event.send", "release/3/done");
        return !listener.alive;
      },
      60_000,
    );
    const { stdout, code } = await listener.exit;
    const all = stdout
      .trim()
      .split("\n")
      .map((line) => line.split("\t"));
    expect(all).toHaveLength(8);
    const lines = all.filter(([tag]) => !["release/0/done", "release/3/done"].includes(tag ?? ""));
    expect(lines.map(([tag]) => tag)).toEqual(["release/1/done", "release/2/done"]);
    expect(json(lines[0]?.[1] ?? "")).toMatchObject({ n: 1, by: "me" });
    expect(code).toBe(0);
  });
});
