import { describe, expect, it } from "vitest";
import type { Host, RunningJob } from "../../../src/modules/declare.ts";
import { docOf } from "../../../src/modules/docs.ts";
import { builtins } from "../../../src/modules/registry.ts";
import { runFunction } from "../../../src/modules/run.ts";
import { asJid } from "../../../src/wire/ids.ts";
import { call, fakeHost, hostJid } from "../../support/host.ts";

const host = fakeHost();
const other = asJid("20260101000000000007");
const job: RunningJob = {
  jid: other,
  fun: "cmd.run",
  arg: ["sleep 9"],
  tgt: "*",
  tgt_type: "glob",
  user: "root",
  pid: 77,
};

const changes = (module: string, names: string): string[] => names.split(" ").map((name) => `${module}.${name}`);

describe("builtins", () => {
  it.each([...builtins.values()].map((fn) => [fn.name, fn] as const))("%s is declared as it should be", (name, fn) => {
    expect(name).toMatch(/^[a-z]+\.[a-z_]+6?$/);
    expect(fn.summary).toMatch(/^[A-Z][^\n]*\.$/);
    expect(Object.keys(fn.params.shape)).toEqual(
      expect.arrayContaining([fn.rest, fn.keywords].filter((each) => each !== undefined)),
    );
    for (const example of fn.examples ?? []) expect(example).toContain(name);
  });

  it("have no effects exactly where running twice does no harm", () => {
    const harmful = [...builtins.values()].filter(({ effects }) => effects === "some").map(({ name }) => name);
    expect(harmful.toSorted()).toEqual([
      ...changes("archive", "cmd_unzip cmd_zip gunzip gzip tar unzip zip"),
      "cmd.retcode",
      "cmd.run",
      "cmd.run_all",
      "cmd.run_bg",
      "cmd.run_stderr",
      "cmd.run_stdout",
      "cmd.script",
      "cmd.script_source",
      "cmd.shell",
      ...changes("cp", "get_dir get_file push recv"),
      ...changes("cron", "rm rm_env rm_job rm_special set_env set_job set_special"),
      "event.send",
      ...changes(
        "file",
        "append chown copy makedirs mkdir move prepend remove rename replace set_mode symlink touch write",
      ),
      "grains.delval",
      "grains.setval",
      ...changes("group", "add adduser delete deluser"),
      ...changes("hosts", "add_host rm_host set_host"),
      "http.query",
      ...changes("mine", "delete flush send update"),
      ...changes("mount", "mount remount rm_fstab set_fstab swapoff swapon umount"),
      ...changes("pkg", "install purge refresh_db remove upgrade"),
      "ps.kill_pid",
      "publish.publish",
      "saltutil.kill_all_jobs",
      "saltutil.kill_job",
      "saltutil.signal_all_jobs",
      "saltutil.signal_job",
      "saltutil.sync_all",
      "saltutil.sync_modules",
      "saltutil.term_all_jobs",
      "saltutil.term_job",
      ...changes("schedule", "add delete disable disable_job enable enable_job modify purge run_job"),
      ...changes("service", "disable enable reload restart start stop"),
      "sysctl.assign",
      ...changes("user", "add chfullname chgroups chhome chshell delete"),
    ]);
  });
});

describe("values and retcodes", () => {
  it.each<[string, string[], unknown, number]>([
    ["test.ping", [], true, 0],
    ["test.true", [], true, 0],
    ["test.false", [], false, 0],
    ["test.version", [], "1.2.3", 0],
    ["test.echo", ["hello world"], "hello world", 0],
    ["test.echo", ["16:34"], 994, 0],
    ["test.echo", ["{a: 1}"], { a: 1 }, 0],
    ["test.echo", ["None"], null, 0],
    ["test.retcode", ["9"], true, 9],
    ["test.retcode", [], true, 42],
    ["test.sleep", ["0"], true, 0],
    ["test.rand_sleep", ["0.001"], true, 0],
    ["test.fib", ["10"], [55, expect.any(Number)], 0],
    ["test.fib", ["0"], [0, expect.any(Number)], 0],
    ["grains.item", ["os", "none", "dns:nameservers"], { os: "Debian", none: "", "dns:nameservers": ["10.0.0.1"] }, 0],
    ["grains.get", ["dns:nameservers:0"], "10.0.0.1", 0],
    ["grains.get", ["dns/nameservers/0", "delimiter=/"], "10.0.0.1", 0],
    ["grains.get", ["list:b"], 2, 0],
    ["grains.get", ["none"], "", 0],
    ["grains.get", ["none:deep", "fallback"], "fallback", 0],
    ["grains.get", ["constructor"], "", 0],
    ["grains.items", [], host.grains, 0],
    ["grains.ls", [], ["dns", "id", "list", "msaltversion", "os"], 0],
    ["config.get", ["master"], "salt", 0],
    ["config.get", ["nested:deep"], true, 0],
    ["config.get", ["os"], "Debian", 0],
    ["config.get", ["none", "x"], "x", 0],
    ["config.get", ["nested:list"], [{ name: "first" }], 0],
    ["config.option", ["master"], "salt", 0],
    ["config.option", ["role"], "web", 0],
    ["config.option", ["none", "x"], "x", 0],
    ["config.items", [], { master: "salt", nested: { deep: true } }, 0],
    ["pillar.items", [], { role: "fresh" }, 0],
    ["pillar.items", ["role", "nested:deep"], { role: "web", "nested:deep": true }, 0],
    ["pillar.item", ["role", "none"], { role: "web", none: "" }, 0],
    ["pillar.get", ["nested:list:0:name"], "first", 0],
    ["pillar.get", ["nested/deep", "delimiter=/"], true, 0],
    ["pillar.get", ["none", "x"], "x", 0],
    ["pillar.get", ["role:constructor"], "", 0],
    ["pillar.keys", ["nested"], ["deep", "list"], 0],
    ["pillar.keys", ["none"], "ERROR: Pillar key not found: none", 1],
    ["pillar.keys", ["role"], "ERROR: Pillar value in key role is not a dict", 1],
    ["pillar.ls", [], ["role", "nested"], 0],
    ["pillar.raw", [], host.pillar, 0],
    ["pillar.raw", ["role"], "web", 0],
    ["pillar.raw", ["nested:deep"], {}, 0],
    ["saltutil.refresh_pillar", [], true, 0],
    ["saltutil.running", [], [], 0],
    ["saltutil.find_job", [other], {}, 0],
    ["saltutil.kill_job", [other], "", 0],
    ["saltutil.kill_job", ["no jid"], "", 0],
    ["saltutil.signal_job", [other, "NOPE"], "ERROR: no signal NOPE; give a number or a name such as TERM", 1],
    ["cmd.which", ["no-such-program"], null, 0],
    ["cmd.has_exec", ["sh"], true, 0],
    ["cmd.has_exec", ["no-such-program"], false, 0],
    ["sys.list_functions", ["event", "config"], ["config.get", "config.items", "config.option", "event.send"], 0],
    [
      "sys.list_modules",
      [],
      "archive cmd config cp cron disk event file grains group hosts http match mine mount network pillar pkg ps publish saltutil schedule service status sys sysctl test user".split(
        " ",
      ),
      0,
    ],
    ["sys.argspec", ["test.arg"], { "test.arg": { args: [], defaults: null, varargs: true, kwargs: true } }, 0],
    [
      "sys.argspec",
      ["grains.get"],
      { "grains.get": { args: ["key", "default", "delimiter"], defaults: ["", ":"], varargs: null, kwargs: null } },
      0,
    ],
  ])("%s %j", async (fun, words, value, retcode) => {
    expect(await call(host, fun, ...words)).toMatchObject({ value, retcode, success: retcode === 0 });
  });

  it("test.exception fails with its text", async () => {
    expect((await call(host, "test.exception", "oops")).value).toMatch(
      /^The minion function caused an exception: Error: oops\n/,
    );
  });

  it("test.versions_report shows versions, one a line", async () => {
    expect((await call(host, "test.versions_report")).value).toMatch(
      /^msalt Version:\n +msalt: 1\.2\.3\n\nDependency Versions:\n/,
    );
  });

  it.each([
    ["test.sleep", []],
    ["test.echo", []],
    ["test.fib", ["79"]],
    ["test.fib", ["-1"]],
    ["grains.item", []],
  ])("%s %j is refused", async (fun, words) => {
    const { value, retcode } = await call(host, fun, ...words);
    expect(value).toMatch(`Passed invalid arguments to ${fun}: `);
    expect(retcode).toBe(1);
  });
});

describe("test.arg", () => {
  it("shows what arrived, and what Salt adds to it", async () => {
    const arg = [1, { __kwarg__: true, foo: "bar" }];
    const told = fakeHost({ job: { ...host.job, arg } });
    const { value } = await runFunction(builtins, { fun: "test.arg", arg }, told);
    expect(value).toEqual({
      args: [1],
      kwargs: {
        foo: "bar",
        __pub_arg: arg,
        __pub_fun: "test.arg",
        __pub_jid: hostJid,
        __pub_ret: "",
        __pub_tgt: "m1",
        __pub_tgt_type: "glob",
        __pub_user: "root",
      },
    });
    expect((await call(told, "test.kwarg", "a=1")).value).toMatchObject({ a: 1, __pub_fun: "test.arg" });
  });
});

describe("test.sleep", () => {
  it("ends when the job is ended", async () => {
    const abort = new AbortController();
    const sleeping = call(fakeHost({ signal: abort.signal }), "test.sleep", "1000");
    abort.abort("timeout");
    expect(await sleeping).toMatchObject({ value: false, state: "timed_out", success: false });
  });
});

describe("grains.setval and grains.delval", () => {
  it.each<[string, string[], object, unknown]>([
    ["grains.setval", ["role", "web"], { role: "web" }, { role: "web" }],
    ["grains.setval", ["ports", "[80, 443]"], { ports: [80, 443] }, { ports: [80, 443] }],
    ["grains.setval", ["on", "yes"], { on: true }, { on: true }],
    ["grains.delval", ["role"], { role: null }, { changes: { role: null }, comment: "", result: true }],
    [
      "grains.delval",
      ["role", "destructive=True"],
      { role: undefined },
      { changes: { role: null }, comment: "", result: true },
    ],
  ])("%s %j", async (fun, words, change, value) => {
    const changes: unknown[] = [];
    const result = await call(fakeHost({ setGrains: async (each) => void changes.push(each) }), fun, ...words);
    expect(result).toMatchObject({ value, retcode: 0 });
    expect(changes).toStrictEqual([change]);
  });
});

describe("saltutil", () => {
  const sent: unknown[] = [];
  const busy = fakeHost({
    running: () => [job],
    signalJob: (...call) => (sent.push(call), call[0] === other ? [77, 78] : []),
  });

  it.each<[string, string[], unknown, unknown]>([
    [
      "kill_job",
      [],
      "Signal 9 sent to job 20260101000000000007 at pid 77\nSignal 9 sent to job 20260101000000000007 at pid 78",
      "SIGKILL",
    ],
    ["term_job", [], expect.stringContaining("Signal 15 sent to job 20260101000000000007 at pid 77"), "SIGTERM"],
    ["signal_job", ["10"], expect.stringContaining("Signal 10 sent"), "SIGUSR1"],
    ["signal_job", ["hup"], expect.stringContaining("Signal 1 sent"), "SIGHUP"],
  ])("%s %j sends the signal and says so", async (name, words, value, signal) => {
    expect(await call(busy, `saltutil.${name}`, other, ...words)).toMatchObject({ value, retcode: 0 });
    expect(sent.at(-1)).toEqual([other, signal]);
  });

  it("running and find_job show jobs with Salt's fields", async () => {
    expect((await call(busy, "saltutil.running")).value).toEqual([{ ...job, ret: "" }]);
    expect((await call(busy, "saltutil.find_job", other)).value).toEqual({ ...job, ret: "" });
  });
});

describe("event.send", () => {
  it.each<[string[], unknown[]]>([
    [["my/tag"], ["my/tag", {}]],
    [
      ["my/tag", "{a: 1}", "b=2"],
      ["my/tag", { a: 1, b: 2 }],
    ],
  ])("%j", async (words, expected) => {
    const fired: unknown[] = [];
    const fire: Host["fire"] = async (...call) => void fired.push(call);
    expect((await call(fakeHost({ fire }), "event.send", ...words)).value).toBe(true);
    expect(fired).toEqual([expected]);
  });
});

describe("docOf", () => {
  it("shows summary, usage, parameters with types and defaults, examples", () => {
    const fn = builtins.get("cmd.script");
    expect(fn).toBeDefined();
    const text = fn === undefined ? "" : docOf(fn);
    expect(text).toMatch(/^Run a script that is on the minion;/);
    expect(text).toContain("Usage: cmd.script <source> [args=…] [cwd=…]");
    expect(text).toContain("    source (text): absolute path on the minion");
    expect(text).toContain("    rstrip (boolean, default true): take white space");
    expect(text).toContain("CLI Example:\n\n    msalt '*' cmd.script");
  });

  it("is what sys.doc gives, for functions and whole modules", async () => {
    expect(Object.keys((await call(host, "sys.doc", "sys", "test.ping")).value as object)).toEqual([
      "sys.argspec",
      "sys.doc",
      "sys.list_functions",
      "sys.list_modules",
      "test.ping",
    ]);
    expect(Object.keys((await call(host, "sys.doc")).value as object)).toHaveLength(builtins.size);
  });
});
