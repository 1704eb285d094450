import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiClient, firstAdmin, newAccount } from "../support/api.ts";
import { Bus } from "../support/bus.ts";
import { until } from "../support/proc.ts";

let bus: Bus;
let admin: ApiClient;

const ids = ["a1", "a2", "a3", "a4"];
/** The minions' own, as others run scripts at the same time. */
const temporary = mkdtempSync(join(tmpdir(), "msalt-tasks-"));

beforeAll(async () => {
  const minionEnv = (): NodeJS.ProcessEnv => ({ TMPDIR: temporary });
  bus = await Bus.start({ minions: ids, master: "api: {enabled: true, port: 0}", minion: "max_jobs: 1", minionEnv });
  admin = await firstAdmin(bus);
});
afterAll(async () => {
  await bus[Symbol.asyncDispose]();
  rmSync(temporary, { recursive: true, force: true });
});

const base64 = (text: string): string => Buffer.from(text).toString("base64");

interface Task extends Readonly<Record<string, unknown>> {
  readonly state: string;
  readonly ended?: string;
  readonly targets: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

async function begin(body: Readonly<Record<string, unknown>>, client = admin): Promise<string> {
  return String((await client.get("POST", "/tasks", body))["task_id"]);
}

async function task(id: string, query = ""): Promise<Task> {
  return (await admin.get("GET", `/tasks/${id}${query}`)) as unknown as Task;
}

async function ended(id: string): Promise<Task> {
  let found = await task(id);
  await until(`the end of task ${id}`, async () => (found = await task(id)).ended !== undefined);
  return found;
}

const statesOf = ({ targets }: Task): string => ids.map((id) => String(targets[id]?.["state"])).join(" ");

/** A script that fails on these minions, by the name of their configuration's folder. */
const failingOn = (...bad: string[]): string =>
  base64(
    `#!/bin/sh\ncase "$(tr '\\0' ' ' < /proc/$PPID/cmdline)" in\n${bad.map((id) => `*/${id}*) echo bad; exit 3;;\n`).join("")}esac\necho good\n`,
  );

describe("a task", () => {
  it("runs a script, one minion after the other, and keeps state, code and output of each", async () => {
    const script = base64('#!/bin/bash\necho out; echo err >&2; printf "%s|" "$@"; echo "${BASH_VERSION:+bash}"\n');
    const id = await begin({ script, targets: ["a1", "a2"], args: ["x y", "$(id)"], name: "first" });
    const done = await ended(id);
    expect(done).toMatchObject({
      task_id: id,
      name: "first",
      user: "api:root",
      state: "SUCCEED",
      timeout: 0,
      parallel: 1,
      fail_rate: 0,
      fail_count: -1,
      script,
      targets: { a1: { state: "SUCCEED", code: 0, output: "out\nerr\nx y|$(id)|bash" }, a2: { state: "SUCCEED" } },
    });
    const [one, two] = [done.targets["a1"], done.targets["a2"]];
    expect(String(one?.["ended"]) <= String(two?.["started"] ?? two?.["ended"])).toBe(true);
    const encoded = await task(id, "?output=base64");
    expect(Buffer.from(String(encoded.targets["a1"]?.["output"]), "base64").toString()).toBe(
      "out\nerr\nx y|$(id)|bash",
    );
    expect((await task(id, "?output=none")).targets["a1"]).not.toHaveProperty("output");
    const { tasks } = await admin.get("GET", "/tasks?state=SUCCEED");
    expect(tasks).toMatchObject([{ task_id: id, state: "SUCCEED" }]);
    expect(readdirSync(temporary).filter((name) => name.startsWith("msalt-script-"))).toEqual([]);
  });

  it("stops when more have failed than may, and says why", async () => {
    const cases = [
      { given: { fail_count: 0 }, states: "SUCCEED FAILED FAILED FAILED", state: "FAILED" },
      { given: { fail_count: 1 }, states: "SUCCEED FAILED FAILED FAILED", state: "FAILED" },
      { given: { fail_count: 2 }, states: "SUCCEED FAILED FAILED SUCCEED", state: "SUCCEED" },
      { given: { fail_count: 0, fail_rate: 0.5 }, states: "SUCCEED FAILED FAILED SUCCEED", state: "SUCCEED" },
      { given: {}, states: "SUCCEED FAILED FAILED SUCCEED", state: "SUCCEED" },
    ];
    for (const { given, states, state } of cases) {
      const id = await begin({ script: failingOn("a2", "a3"), targets: { tgt: "a*" }, ...given });
      const done = await ended(id);
      expect([given, statesOf(done), done.state]).toEqual([given, states, state]);
      expect(done.targets["a2"]).toMatchObject({ code: 3, output: "bad", reason: "exit code 3" });
      if (state === "FAILED") expect(String(done["reason"])).toContain("failed");
      const skipped = given.fail_count === 0 && given.fail_rate === undefined ? "a3" : "a4";
      if (state === "FAILED") expect(done.targets[skipped]).not.toHaveProperty("code");
    }
  });

  it("ends each run when its time is up", async () => {
    const id = await begin({ script: base64("sleep 60"), targets: ["a1"], timeout: 0.5, fail_count: 0 });
    expect(await ended(id)).toMatchObject({ state: "FAILED", targets: { a1: { state: "FAILED" } } });
  });

  it("is stopped by hand: what runs ends, what waits never begins", async () => {
    const begun = join(bus.root, "begun");
    const script = base64(`echo begun; echo >> ${begun}; exec sleep 600`);
    const id = await begin({ script, targets: ids, parallel: 2 });
    await until("two run", async () => statesOf(await task(id)) === "RUNNING RUNNING WAITING WAITING");
    // A run is told of although its script may not have come that far.
    await until("both have begun", () => existsSync(begun) && readFileSync(begun, "utf8").length === 2);
    expect((await task(id)).state).toBe("RUNNING");
    const { tasks } = await admin.get("GET", "/tasks?state=RUNNING");
    expect(tasks).toMatchObject([{ task_id: id }]);
    expect(await admin.get("POST", `/tasks/${id}/stop`)).toEqual({ skipped: 2, told: ["a1", "a2"] });
    const done = await ended(id);
    expect([done.state, done["reason"], statesOf(done)]).toEqual([
      "FAILED",
      "killed by api:root",
      "FAILED FAILED FAILED FAILED",
    ]);
    expect(String(done.targets["a1"]?.["output"])).toContain("begun");
  });

  it("waits for its turn on a minion that runs one at a time, which says that it is busy", async () => {
    const gate = join(bus.root, "gate");
    const wait = base64(`echo $$; until [ -e ${gate} ]; do sleep 0.05; done`);
    const first = await begin({ script: wait, targets: ["a1"] });
    await until("a1 runs", async () => statesOf(await task(first)).startsWith("RUNNING"));
    const second = await begin({ script: base64("echo next"), targets: ["a1"] });
    const { agents } = await admin.get("GET", "/agents");
    const [a1, a2] = agents as unknown as Record<string, unknown>[];
    expect(a1).toMatchObject({ id: "a1", busy: true, connected: true, uuid: expect.stringMatching(/^[0-9a-f]{32}$/) });
    expect(a2).toMatchObject({ id: "a2", busy: false });
    expect(a1?.["uuid"]).not.toBe(a2?.["uuid"]);
    expect(Date.parse(String(a1?.["heartbeat"]))).toBeGreaterThan(0);
    expect(a1?.["ip"]).toEqual(expect.not.arrayContaining(["127.0.0.1"]));
    expect((await task(second)).state).toBe("WAITING");
    writeFileSync(gate, "");
    expect(await ended(second)).toMatchObject({ state: "SUCCEED", targets: { a1: { output: "next" } } });
    expect((await ended(first)).state).toBe("SUCCEED");
  });

  it("survives a restart of the master, and keeps its minions' names for themselves", async () => {
    const before = (await admin.get("GET", "/agents"))["agents"] as unknown as Record<string, unknown>[];
    const id = await begin({ script: base64("sleep 1; echo done"), targets: ids, parallel: 1 });
    await until("one runs", async () => statesOf(await task(id)).startsWith("RUNNING"));
    await bus.master?.stop("SIGKILL");
    await bus.startMaster();
    admin.port = Number(/api_port=(\d+)/.exec(bus.master?.stdout ?? "")?.[1]);
    expect(await ended(id)).toMatchObject({ state: "SUCCEED", targets: { a4: { output: "done" } } });
    await bus.minion("a2").stop();
    await bus.startMinion("a2");
    const after = (await admin.get("GET", "/agents"))["agents"] as unknown as Record<string, unknown>[];
    expect(after.map(({ uuid }) => uuid)).toEqual(before.map(({ uuid }) => uuid));
  });

  it("names minions that there are not, and is refused to those who may not", async () => {
    const done = await ended(await begin({ script: base64("true"), targets: ["a1", "nobody"] }));
    expect(done.targets["nobody"]).toEqual({ state: "FAILED", reason: "no minion of this id" });
    const ann = await newAccount(admin, "ann", [{ a1: ["cmd.script_source"] }]);
    const order = { script: base64("true"), targets: ["a1", "a2"] };
    expect((await ann.ask("POST", "/tasks", order)).status).toBe(403);
    const id = await begin({ ...order, targets: ["a1"] }, ann);
    expect(await ended(id)).toMatchObject({ user: "api:ann", state: "SUCCEED" });
    for (const bad of [
      { script: "%%%", targets: ["a1"] },
      { script: "", targets: ["a1"] },
      { targets: ["a1"] },
      { script: base64("x"), targets: [] },
    ]) {
      expect((await admin.ask("POST", "/tasks", bad)).status).toBe(400);
    }
  });

  it("AP-05: hands every text on as it was given", async () => {
    const payloads = hostileTexts();
    expect(payloads.length).toBeGreaterThanOrEqual(60);
    const script = base64('for each in "$@"; do printf "%s" "$each" | base64 -w0; echo; done\n');
    const id = await begin({ script, targets: ["a1"], args: payloads });
    const output = String((await ended(id)).targets["a1"]?.["output"]).split("\n");
    expect(output.map((line) => Buffer.from(line, "base64").toString())).toEqual(payloads);
    for (const payload of payloads) {
      const order = { tgt: "a1", fun: "test.echo", arg: [payload], metadata: { note: payload } };
      const { jid } = await admin.get("POST", "/jobs", order);
      await until("its answer", async () => {
        const { returns } = await admin.get("GET", `/jobs/${String(jid)}/returns`);
        const [first] = returns as unknown as Record<string, unknown>[];
        if (first === undefined) return false;
        expect(first["return"]).toBe(payload);
        return true;
      });
      expect(await admin.get("GET", `/jobs/${String(jid)}`)).toMatchObject({
        arg: [payload],
        metadata: { note: payload },
      });
    }
    expect(existsSync("/tmp/msalt-pwned")).toBe(false);
  });
});

/** Shell, options, line breaks, templates, markup, paths: nothing of it may mean anything on the way. */
function hostileTexts(): string[] {
  const act = "touch /tmp/msalt-pwned";
  const shells = [
    `; ${act}`,
    `| ${act}`,
    `|| ${act}`,
    `& ${act} &`,
    `&& ${act}`,
    `$(${act})`,
    `\`${act}\``,
    `<(${act})`,
    `'; ${act}; '`,
    `"; ${act}; "`,
    `\n${act}\n`,
    `$'\\n'${act}`,
    `!${act}`,
    `{${act},}`,
    "~root",
    "$HOME",
    "${IFS}",
    "$((1+1))",
    "*",
    "?",
    "[a-z]*",
    "> /tmp/msalt-pwned",
    "\\",
    "\\\\",
    "'",
    '"',
    "`",
    "#x",
    "\t",
    " ",
  ];
  const options = ["-c", "--", "-", "--help", "-e", "--eval=1", "-rf", "@file", "-n", "+x"];
  const lines = ["a\r\nx-injected: 1", "a\nb", "\r", "a\r", "data: x\n\nevent: end"];
  const templates = ["{{ 7*7 }}", "{% raw %}", "${7*7}", "#{7*7}", "%(x)s", "%s%n", "<%= 7 %>", "{0}", "$1", "\\1"];
  const words = [
    "16:34",
    "yes",
    "null",
    "0x10",
    "1e3",
    "010",
    "2026-11-21",
    "{a: b}",
    "[1, 2]",
    "a=b",
    "__kwarg__=true",
    "&a *a",
    "!!python/object",
    "true",
  ];
  const others = ["<script>alert(1)</script>", "../../etc/passwd", "\u202e\u0007\u001b[31m", "😀", "é", "__proto__"];
  return [...shells, ...options, ...lines, ...templates, ...words, ...others];
}

describe("saved scripts", () => {
  it("keep every version, with who made it, and run any of them", async () => {
    const ann = await newAccount(admin, "sam", [".*"]);
    await ann.get("POST", "/scripts", { name: "tidy", script: base64("echo one\n"), comment: "first" });
    expect((await ann.ask("POST", "/scripts", { name: "tidy", script: base64("echo x\n") })).status).toBe(409);
    const put = (text: string, client: ApiClient): Promise<{ status: number }> =>
      client.ask("PUT", "/scripts/tidy", { script: base64(text), comment: "second" });
    expect((await put("echo two\n", admin)).status).toBe(201);
    expect((await put("echo two\n", admin)).status).toBe(200);
    expect((await admin.ask("PUT", "/scripts/none", { script: base64("x") })).status).toBe(404);
    expect((await admin.get("GET", "/scripts/tidy"))["versions"]).toMatchObject([
      { version: 2, by: "root", comment: "second", bytes: 9 },
      { version: 1, by: "sam", comment: "first" },
    ]);
    const { diff } = await ann.get("GET", "/scripts/tidy/diff?from=1&to=2");
    expect(diff).toContain("-echo one\n+echo two\n");
    expect(await ann.get("GET", "/scripts/tidy/versions/1")).toMatchObject({ script: base64("echo one\n") });
    for (const [version, output] of [
      [1, "one"],
      [undefined, "two"],
    ] as const) {
      const id = await begin({ saved: { name: "tidy", ...(version && { version }) }, targets: ["a1"] }, ann);
      expect(await ended(id)).toMatchObject({
        saved: { name: "tidy", version: version ?? 2 },
        targets: { a1: { output } },
      });
    }
    expect((await ann.ask("POST", "/tasks", { saved: { name: "tidy", version: 3 }, targets: ["a1"] })).status).toBe(
      404,
    );
    expect((await ann.ask("DELETE", "/scripts/tidy")).status).toBe(403);
    expect((await admin.ask("DELETE", "/scripts/tidy")).status).toBe(204);
    expect((await ann.ask("GET", "/scripts/tidy")).status).toBe(404);
    const log = readFileSync(join(bus.masterRoot, "var/lib/msalt/master/audit.log"), "utf8");
    expect(log.match(/"act":"script\.(save|delete)"/g)?.length).toBeGreaterThanOrEqual(4);
  });
});
