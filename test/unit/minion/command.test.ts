import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { CommandRunner } from "../../../src/minion/command.ts";
import type { CommandSpec } from "../../../src/modules/declare.ts";
import { asJid } from "../../../src/wire/ids.ts";

const jid = asJid("20260101000000000001");
const folder = mkdtempSync(join(tmpdir(), "msalt-command-"));
const quick = new CommandRunner({ killAfterMs: 150, drainMs: 150 });
const isRoot = process.getuid?.() === 0;

afterAll(() => {
  quick.close();
  rmSync(folder, { recursive: true, force: true });
});

const sh = (script: string, rest: Partial<CommandSpec> = {}): CommandSpec => ({
  argv: ["/bin/sh", "-c", script],
  ...rest,
});
const run = (spec: CommandSpec, runner = quick, signal = new AbortController().signal) => runner.run(jid, spec, signal);

/** State letter of a process, `-` when there is none. */
function stateOf(pid: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    return text.slice(text.lastIndexOf(")") + 2)[0] ?? "-";
  } catch {
    return "-";
  }
}
const isAlive = (pid: number): boolean => !["-", "Z", "X"].includes(stateOf(pid));

async function until(what: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!what()) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${String(what)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe("CommandRunner.run", () => {
  it("keeps what is printed while this process stands still, just after the command has ended", async () => {
    const drainMs = 500;
    const runner = new CommandRunner({ drainMs });
    const [go, still, printed] = ["go", "still", "printed"].map((name) => join(folder, name));
    const late = `(until [ -e ${still} ]; do sleep 0.01; done; echo late; touch ${printed})`;
    const running = run(sh(`until [ -e ${go} ]; do sleep 0.01; done; ${late} & echo now`), runner);
    await until(() => runner.pids(jid).length > 0);
    writeFileSync(`${go}`, "");
    await until(() => runner.pids(jid).length === 0);
    writeFileSync(`${still}`, "");
    const since = performance.now();
    const nothing = new Int32Array(new SharedArrayBuffer(4));
    while (!existsSync(`${printed}`) || performance.now() - since < 2 * drainMs) Atomics.wait(nothing, 0, 0, 10);
    expect((await running).stdout).toBe("now\nlate\n");
    runner.close();
  });

  it.each<[string, CommandSpec, object]>([
    [
      "keeps the two streams apart",
      sh("echo out; echo err >&2; exit 4"),
      { stdout: "out\n", stderr: "err\n", retcode: 4 },
    ],
    ["gives what it is given on stdin", sh("cat", { stdin: "häßlich\n" }), { stdout: "häßlich\n", retcode: 0 }],
    ["gives no input where none is named", sh("cat"), { stdout: "", retcode: 0 }],
    [
      "does not mind stdin that nobody reads",
      sh("exit 0", { stdin: "x".repeat(3_000_000) }),
      { stdout: "", retcode: 0 },
    ],
    ["runs in the folder named", sh("pwd", { cwd: "/usr" }), { stdout: "/usr\n" }],
    ["lays env over the minion's own", sh('echo "$A-${PATH:+path}"', { env: { A: "1" } }), { stdout: "1-path\n" }],
    ["gives env alone when clean", { argv: ["/usr/bin/env"], env: { A: "1" }, cleanEnv: true }, { stdout: "A=1\n" }],
    ["sets the umask", sh("umask", { umask: "0027" }), { stdout: "0027\n" }],
    [
      "hands on arguments as they are under a umask",
      { argv: ["printf", "%s|", "a b", "$x", "-n"], umask: "077" },
      { stdout: "a b|$x|-n|" },
    ],
    ["counts a signal as 128 and its number", sh("kill -9 $$"), { retcode: 137, signal: "SIGKILL", timedOut: false }],
    [
      "lets a command open /dev/stderr and /dev/stdin",
      sh("cat /dev/stdin > /dev/stderr", { stdin: "x" }),
      { stderr: "x", retcode: 0 },
    ],
    ["shows invalid UTF-8 as U+FFFD", sh(String.raw`printf 'a\377b\303'`), { stdout: "a\uFFFDb\uFFFD" }],
    ["keeps a byte order mark", sh(String.raw`printf '\357\273\277a'`), { stdout: "\uFEFFa" }],
  ])("%s", async (_case, spec, expected) => {
    expect(await run(spec)).toMatchObject(expected);
  });

  it("keeps the order of both streams when they are merged", async () => {
    const { stdout, stderr } = await run(sh("for i in $(seq 500); do echo o$i; echo e$i >&2; done", { merge: true }));
    expect(stdout.split("\n")).toEqual([
      ...Array.from({ length: 500 }, (_, n) => [`o${n + 1}`, `e${n + 1}`]).flat(),
      "",
    ]);
    expect(stderr).toBe("");
  });

  it("decodes characters that are split between two writes", async () => {
    const writes = String.raw`printf '\342'; sleep 0.05; printf '\202'; sleep 0.05; printf '\254'`;
    expect((await run(sh(writes))).stdout).toBe("€");
  });

  it("cuts output at the cap, in whole characters, and says so", async () => {
    const runner = new CommandRunner({ maxOutputBytes: 1000 });
    const { stdout, cut, retcode } = await run(
      sh("printf 'x'; yes é | tr -d '\\n' | head -c 20000000", { merge: true }),
      runner,
    );
    runner.close();
    expect(cut).toBe(true);
    expect(retcode).toBe(0);
    expect(stdout).toBe(`x${"é".repeat(499)}\n[output cut: 20000001 bytes were printed, the limit is 1000]\n`);
  });

  it("cuts bad bytes by the size they take when they are sent", async () => {
    const runner = new CommandRunner({ maxOutputBytes: 1000 });
    const { stdout, cut } = await run(sh(String.raw`head -c 900 /dev/zero | tr '\0' '\377'`, { merge: true }), runner);
    runner.close();
    expect(cut).toBe(true);
    expect(stdout.split("\n")[0]).toBe("\uFFFD".repeat(333));
  });

  it("keeps standard error when standard output is cut", async () => {
    const runner = new CommandRunner({ maxOutputBytes: 8000 });
    const result = await run(sh("head -c 100000 /dev/zero; echo why >&2"), runner);
    runner.close();
    expect(result).toMatchObject({ cut: true, stderr: "why\n" });
  });

  it("stays within the default cap on 20 MB, and in bounded memory on 400 MB", async () => {
    const runner = new CommandRunner();
    const { stdout, cut } = await run(sh("head -c 20000000 /dev/zero | tr '\\0' x"), runner);
    expect(cut).toBe(true);
    expect(stdout.length).toBeLessThan(8 * 1_048_576);
    expect(stdout.length).toBeGreaterThan(6 * 1_048_576);
    const { rss } = process.memoryUsage();
    await run(sh("head -c 400000000 /dev/zero"), runner);
    runner.close();
    expect(process.memoryUsage().rss - rss).toBeLessThan(200_000_000);
  });

  it("does not wait for a pipe that a process outside the group holds open", async () => {
    const { stdout } = await run(sh("setsid sleep 30 & echo $!; echo done"));
    const [pid = "0", word] = stdout.split("\n");
    expect(word).toBe("done");
    // What a command leaves behind on purpose goes on, as a daemon should.
    expect(isAlive(Number(pid))).toBe(true);
    process.kill(Number(pid), "SIGKILL");
  });

  it("lets what is left behind print to nobody", async () => {
    const file = join(folder, "left");
    await run(sh(`(sleep 0.4; echo x && echo survived > ${file}) & exit 0`));
    await until(() => existsSync(file) && readFileSync(file, "utf8") !== "");
    expect(readFileSync(file, "utf8")).toBe("survived\n");
  });
});

describe("the deadline", () => {
  it("ends a command and keeps what it had printed", async () => {
    const result = await run(sh("echo begun; sleep 60; echo never", { timeoutMs: 200 }));
    expect(result).toMatchObject({ timedOut: true, stdout: "begun\n", signal: "SIGTERM", retcode: 143, survivors: [] });
  });

  it("kills a fork that ignores TERM, with its grandchildren", async () => {
    const stubborn =
      'trap "" TERM; echo $$; sh -c \'echo $$; sh -c "echo \\$\\$; while :; do sleep 1; done" & wait\' & wait';
    const result = await run(sh(`(${stubborn}) & echo $!; wait`, { timeoutMs: 300 }));
    const pids = result.stdout.trim().split("\n").map(Number);
    expect(pids.length).toBe(4);
    expect(pids.filter(isAlive)).toEqual([]);
    expect(result).toMatchObject({ timedOut: true, survivors: [] });
  });

  it("kills what ignores TERM even when the command itself is gone at once", async () => {
    const { stdout } = await run(
      sh('(trap "" TERM; while :; do sleep 1; done) & echo $!; sleep 60', { timeoutMs: 200 }),
    );
    expect(isAlive(Number(stdout))).toBe(false);
  });

  it("resolves although a process that left the group holds the pipe", async () => {
    const result = await run(sh("setsid sleep 30 & echo $!; sleep 60", { timeoutMs: 200 }));
    expect(result.timedOut).toBe(true);
    process.kill(Number(result.stdout), "SIGKILL");
  });
});

describe("the abort signal", () => {
  it("ends a command, and an earlier one prevents it", async () => {
    const abort = new AbortController();
    const file = join(folder, "never");
    const begun = join(folder, "begun");
    const running = run(sh(`echo begun; touch ${begun}; sleep 60`), quick, abort.signal);
    await until(() => existsSync(begun));
    abort.abort();
    expect(await running).toMatchObject({ timedOut: false, stdout: "begun\n", signal: "SIGTERM", retcode: 143 });
    await expect(run(sh(`touch ${file}`), quick, abort.signal)).rejects.toMatchObject({ code: "ERR_COMMAND" });
    expect(existsSync(file)).toBe(false);
  });
});

describe("CommandRunner.pids and .signal", () => {
  it("know the groups of a job while they live, reach all of a group, and leave no zombie", async () => {
    const other = asJid("20260101000000000002");
    const file = join(folder, "ready");
    const running = run(sh(`sleep 60 & echo $! > ${file}; wait`));
    await until(() => existsSync(file) && readFileSync(file, "utf8") !== "");
    const child = Number(readFileSync(file, "utf8"));
    const pids = quick.pids(jid);
    expect(pids).toHaveLength(1);
    expect(quick.signal(other, "SIGKILL")).toEqual([]);
    expect(quick.signal(jid, "SIGKILL")).toEqual(pids);
    const { pid, retcode, signal } = await running;
    expect([pid, retcode, signal]).toEqual([pids[0], 137, "SIGKILL"]);
    expect(quick.pids(jid)).toEqual([]);
    await until(() => !isAlive(child));
    expect(stateOf(pid)).toBe("-");
  });
});

describe("a command that cannot start", () => {
  const secret = { MY_SECRET: "hunter2\0" };
  const plain = join(folder, "plain");
  writeFileSync(plain, "no program\n");
  chmodSync(plain, 0o644);

  it.each<[string, CommandSpec, RegExp]>([
    [
      "no such program",
      { argv: ["no-such-program"], env: { MY_SECRET: "hunter2" } },
      /'no-such-program'.*no such program/,
    ],
    ["no such path", { argv: ["/no/such/program"] }, /'\/no\/such\/program'/],
    ["no such program under a umask", { argv: ["no-such-program"], umask: "022" }, /'no-such-program'/],
    ["a file that may not be executed", { argv: [plain] }, /may not be executed/],
    ["a folder", { argv: [folder] }, /may not be executed/],
    ["a missing cwd", sh("pwd", { cwd: "/no/such/folder" }), /Specified cwd '\/no\/such\/folder'/],
    ["a relative cwd", sh("pwd", { cwd: "usr" }), /Specified cwd 'usr'/],
    ["an unknown user", sh("id", { runas: "no-such-user" }), /no user "no-such-user"/],
    ["a umask that is none", sh("umask", { umask: "9; rm" }), /umask must be octal/],
    ["a NUL byte in the environment", sh("env", { env: secret }), /NUL/],
    ["arguments that are too long", { argv: ["echo", "x".repeat(3_000_000)] }, /too long/],
  ])("says so of %s, and shows no environment", async (_case, spec, text) => {
    const failure = await run(spec).then(
      () => "it started",
      (thrown: unknown) => thrown,
    );
    expect(failure).toMatchObject({ code: "ERR_COMMAND", message: expect.stringMatching(text) });
    expect(JSON.stringify([failure, String(failure)])).not.toMatch(/hunter2|PATH=/);
    expect(quick.pids(jid)).toEqual([]);
  });
});

describe("runas", () => {
  it.runIf(isRoot)("switches user and group, drops the other groups, and sets HOME and USER", async () => {
    const spec = sh("id -u; id -g; id -G; echo $USER; echo x > /dev/stdout", { runas: "nobody", cwd: "/" });
    const { stdout } = await run(spec);
    const gid = /^nobody:[^:]*:(\d+):(\d+):/m.exec(readFileSync("/etc/passwd", "utf8")) ?? [];
    expect(stdout).toBe(`${gid[1]}\n${gid[2]}\n${gid[2]}\nnobody\nx\n`);
  });
});

describe("background", () => {
  it("returns at once and lets the command go on", async () => {
    const result = await run({ ...sh("exec sleep 30"), background: true });
    expect(result).toMatchObject({ retcode: 0, stdout: "" });
    expect(isAlive(result.pid)).toBe(true);
    expect(quick.pids(jid)).toEqual([]);
    process.kill(-result.pid, "SIGKILL");
    await until(() => stateOf(result.pid) === "-");
  });
});

describe("descriptors", () => {
  it("come back after many commands at once, failed ones too", async () => {
    const runner = new CommandRunner({ killAfterMs: 150, drainMs: 150 });
    const before = openPipes();
    const specs = Array.from({ length: 40 }, (_, n) =>
      n % 4 === 0 ? sh("x", { argv: ["/bin/sh", "x\0"] }) : sh(`cat; echo ${n}`, { stdin: `${n} ` }),
    );
    const results = await Promise.allSettled(specs.map((spec) => runner.run(jid, spec, new AbortController().signal)));
    expect(results.map((result) => (result.status === "fulfilled" ? result.value.stdout : "failed"))).toEqual(
      specs.map((_, n) => (n % 4 === 0 ? "failed" : `${n} ${n}\n`)),
    );
    runner.close();
    await until(() => openPipes() <= before);
  });
});

function openPipes(): number {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return /pipe/.test(readlinkSync(`/proc/self/fd/${fd}`));
    } catch {
      return false;
    }
  }).length;
}
