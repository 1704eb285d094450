import { spawn } from "node:child_process";
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LocalClient } from "../../src/client/local.ts";
import { hashTree, stillServing, unharmed } from "../support/attack.ts";
import { Bus, noOtherUsers } from "../support/bus.ts";
import { type Result, until } from "../support/proc.ts";

const dist = join(import.meta.dirname, "../../dist");
// Tabs and line breaks may pass.
const screenControls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

describe("what users get wrong", () => {
  let bus: Bus;
  beforeAll(async () => {
    bus = await Bus.start({ minions: ["m1", "m2"] });
  });
  afterAll(() => bus[Symbol.asyncDispose]());

  /** Runs a line of shell with `$MSALT` and `$OPTIONS` as a user would type them. */
  function shell(line: string, options: { uid?: number; cwd?: string } = {}): Promise<Result> {
    const env = {
      ...process.env,
      MSALT: `${process.execPath} ${dist}/msalt.js --root-dir ${bus.masterRoot}`,
      DIST: dist,
      ROOT: bus.masterRoot,
      NODE: process.execPath,
    };
    const child = spawn("/bin/bash", ["-o", "pipefail", "-c", line], {
      ...options,
      ...(options.uid !== undefined && { gid: options.uid }),
      env,
    });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (data: Buffer) => (stdout += data.toString()));
    child.stderr.on("data", (data: Buffer) => (stderr += data.toString()));
    return new Promise((resolve) => child.on("close", (code) => resolve({ code, stdout, stderr })));
  }

  it("CL-05: an unknown function is answered by every minion, with exit 1", async () => {
    const { code, stdout, stderr } = await bus.msalt("*", "no.such_function", "--out=json");
    expect({ code, stderr }).toEqual({ code: 1, stderr: "ERROR: Minions returned with non-zero exit code\n" });
    expect(Object.keys(JSON.parse(stdout) as object).toSorted()).toEqual(["m1", "m2"]);
    expect(stdout).toContain("'no.such_function' is not available.");
  });

  it.each([
    ["too few", ["cmd.run"]],
    ["too many", ["test.ping", "1", "2"]],
    ["an unknown keyword", ["test.ping", "nosuch=1"]],
    ["the wrong type", ["test.sleep", "soon"]],
    ["a keyword twice over", ["cmd.run", "true", "cmd=false"]],
  ])("CL-05: %s arguments are said to be wrong, with exit 1, and nothing runs", async (_, words) => {
    const { code, stdout } = await bus.msalt("m1", ...words);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^m1:\n/);
    expect(stdout).toMatch(/argument|invalid|expected|must/i);
    expect(stdout).not.toMatch(/\n\s+at /);
  });

  it.each(
    ["", "no function", "a.", ".a", "a.b.c d", "../x", "x".repeat(300)].map((fun) => [
      JSON.stringify(fun).slice(0, 30),
      fun,
    ]),
  )("CL-05: %s is no function, and nothing is published", async (_, fun) => {
    const { code, stdout, stderr } = await bus.msalt("m1", fun);
    expect(code === 64 || code === 1).toBe(true);
    expect(stdout + stderr).not.toBe("");
    expect(stdout + stderr).not.toMatch(/\n\s+at |a fault of msalt itself/);
  });

  it.each([
    ["a regular expression that is none", ["-E", "m[", "test.ping"]],
    ["a list of nothing", ["-L", ",", "test.ping"]],
  ])("CL-05: a target that is %s matches nothing or is refused, with exit 2", async (_, words) => {
    await unharmed(bus, async () => {
      const { code, stdout, stderr } = await bus.msalt(...words);
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
      expect(stderr).not.toMatch(/\n\s+at |a fault of msalt itself/);
    });
  });

  it("CL-02: words arrive as they were typed: dashes, quotes, shell syntax, line breaks, other alphabets", async () => {
    for (const text of [
      "$(id) `id` ; | & > <",
      'it\'s "quoted"',
      "a\nb\tc",
      "日本語 ü 🦀",
      "{{ x }} ${y}",
      "\\n\\",
      "--looks=like",
      "*",
    ]) {
      const { stdout } = await bus.msalt(
        "m1",
        "--out=json",
        "--",
        "cmd.run",
        `printf %s "$V"`,
        "python_shell=True",
        JSON.stringify({ V: text }).replace(/^/, "env="),
      );
      expect((JSON.parse(stdout) as { m1: string }).m1).toBe(text);
    }
  });

  it("CL-02: bytes that are not UTF-8 do no harm", async () => {
    await stillServing(bus);
    const odd = await shell(`$MSALT m1 test.arg "$(printf 'a\\377b')" --out=json`);
    expect([0, 64]).toContain(odd.code);
    expect(odd.stderr).not.toMatch(/\n\s+at /);
    await stillServing(bus);
  });

  it.each([
    ["over 1 MiB", Array.from({ length: 12 }, () => "x".repeat(100_000)), "over the limit of 1048576"],
    ["nested 20 deep", [`${"[".repeat(20)}1${"]".repeat(20)}`], "nested deeper"],
    ["of 30,000 values", [`[${"1,".repeat(30_000)}1]`], "more than"],
  ])(
    "CL-02: arguments %s, which no minion would take, are refused and nothing is published",
    async (_, words, says) => {
      await unharmed(bus, async () => {
        expect(await bus.msalt("m1", "test.arg", ...words)).toMatchObject({
          code: 64,
          stdout: "",
          stderr: expect.stringContaining(says),
        });
      });
    },
  );

  it("LF-09: hostile names of files and processes on a minion are shown as text, and run nothing", async () => {
    const folder = join(bus.root, "names");
    mkdirSync(folder);
    const names = [
      "a\u001b[2Jb",
      "new\nline",
      "-rf",
      "x; touch pwned",
      "$(touch pwned)",
      "`touch pwned`",
      "\u202eevil",
      "\u009b31m",
    ];
    for (const name of names) writeFileSync(join(folder, name), "");
    const process = spawn("bash", ["-c", "exec -a $'sleep\\e[2J$(touch pwned)' sleep 60"], {
      cwd: folder,
      stdio: "ignore",
    });
    try {
      for (const out of ["nested", "json", "txt", "yaml"]) {
        const found = await bus.msalt("m1", "file.find", folder, `--out=${out}`);
        expect(found.stdout).toContain("x; touch pwned");
        expect([out, screenControls.test(found.stdout)]).toEqual([out, false]);
        const running = await bus.msalt("m1", "status.procs", `--out=${out}`);
        expect(running.stdout).toContain("$(touch pwned)");
        expect([out, screenControls.test(running.stdout)]).toEqual([out, false]);
      }
    } finally {
      process.kill("SIGKILL");
    }
    expect(readdirSync(folder).toSorted()).toEqual(names.toSorted());
    expect(existsSync("pwned")).toBe(false);
  });

  const hostile = String.raw`printf 'a\033[31mred\033]52;c;aGk=\007\rover\010\302\2332J\342\200\256evil\177\n'`;
  it("CL-01: control sequences of a minion never reach the screen, in the answer or later", async () => {
    const { stdout } = await bus.msalt("m1", "cmd.run", hostile, "-v");
    expect(stdout).toContain("red");
    expect(screenControls.test(stdout)).toBe(false);
    const jid = /jid (\d{20})/.exec(stdout)?.[1] ?? "";
    for (const words of [["jobs.lookup", jid], ["jobs.print_job", jid], ["jobs.list_jobs"]]) {
      for (const out of ["nested", "txt", "yaml", "json"]) {
        const shown = await bus.run(...words, `--out=${out}`);
        expect([words[0], out, screenControls.test(shown.stdout)]).toEqual([words[0], out, false]);
      }
    }
  });

  it("CL-03: a closed or full standard output ends the tool soon, without a stack trace, and the job goes on", async () => {
    const closed = await shell(`$MSALT '*' cmd.run 'seq 20000' | true; echo "\${PIPESTATUS[0]}"`);
    expect(closed.stderr).not.toMatch(/\n\s+at |a fault of msalt itself/);
    for (const words of ["'*' cmd.run 'seq 20000'", "m1 test.ping", "--version"]) {
      const full = await shell(`$MSALT ${words} > /dev/full`);
      expect([words, full.code]).toEqual([words, 1]);
      expect(full.stderr).not.toMatch(/\n\s+at |a fault of msalt itself/);
      expect(full.stderr).toContain("msalt: error: cannot write the output: ");
    }
    await stillServing(bus);
  });

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)(
    "CL-03: %s while a job runs prints its jid and ends with exit code %i; the job goes on",
    async (signal, code) => {
      const gate = join(bus.root, signal);
      const command = `until [ -e ${gate} ]; do sleep 0.05; done; echo after ${signal}`;
      const waiting = bus.spawn("msalt", "m1", "cmd.run", command, "--show-jid");
      await waiting.says(/jid: \d{20}/);
      await until("it runs", async () => (await bus.run("jobs.active")).stdout.includes(`after ${signal}`));
      const ended = await waiting.stop(signal);
      expect(ended.code).toBe(code);
      const jid = /jid is: (\d{20})/.exec(ended.stderr)?.[1] ?? "";
      writeFileSync(gate, "");
      await until("its result", async () => (await bus.lookup(jid))["m1"] === `after ${signal}`);
    },
  );

  it("PF-13: kill -9 of the tool leaves the job", async () => {
    const waiting = bus.spawn("msalt", "m1", "cmd.run", "sleep 1; echo alone", "-v");
    await waiting.says(/jid \d{20}/);
    const jid = /jid (\d{20})/.exec(waiting.stdout + waiting.stderr)?.[1] ?? "";
    await waiting.stop("SIGKILL");
    await until("its result", async () => (await bus.lookup(jid))["m1"] === "alone");
  });

  it.skipIf(noOtherUsers() !== undefined)(
    "CL-06: a user without rights is told so by every tool, and nothing is created",
    async () => {
      chmodSync(bus.root, 0o755);
      await unharmed(bus, async () => {
        const before = hashTree(bus.masterRoot);
        const names = ownedBy(65534);
        for (const words of [
          "msalt.js '*' test.ping",
          "msalt-run.js jobs.active",
          "msalt-key.js -L",
          "msalt-key.js -A -y",
        ]) {
          const { code, stdout, stderr } = await shell(`$NODE $DIST/${words} --root-dir $ROOT`, {
            uid: 65534,
            cwd: "/",
          });
          expect([words, code, stdout]).toEqual([words, 2, ""]);
          expect(stderr).toContain("not permitted");
        }
        const master = await shell("$NODE $DIST/msalt-master.js --root-dir $ROOT", { uid: 65534, cwd: "/" });
        expect(master.code).toBeGreaterThan(0);
        expect(master.stderr).not.toMatch(/\n\s+at /);
        expect(Object.keys(hashTree(bus.masterRoot))).toEqual(Object.keys(before));
        expect(ownedBy(65534)).toEqual(names);
      });
    },
  );

  it("LF-04: a hostile working directory or NODE_OPTIONS changes nothing", async () => {
    const { code, stdout } = await shell(
      `dir=$(mktemp -d) && cd "$dir" && echo 'throw 1' > index.js && mkdir -p node_modules/zeromq && echo 'throw 1' > node_modules/zeromq/index.js && $MSALT m1 test.ping; rm -r "$dir"; echo end`,
    );
    expect({ code, stdout }).toEqual({ code: 0, stdout: "m1:\n    True\nend\n" });
  });

  it("CL-07: 100 jobs each from two callers at once have 200 jids, which rise for each caller", async () => {
    const callers = await Promise.all([LocalClient.connect(bus.sockDir), LocalClient.connect(bus.sockDir)]);
    const order = { tgt: "m1", tgtType: "glob" as const, fun: "test.ping", arg: [], user: "root", waitMs: 5000 };
    const jids = await Promise.all(
      callers.map(async (client) => {
        const own: string[] = [];
        for (let i = 0; i < 100; i += 1) own.push((await client.call("publish", { ...order })).jid);
        return own;
      }),
    );
    for (const client of callers) client.close();
    expect(new Set(jids.flat()).size).toBe(200);
    for (const own of jids) expect(own).toEqual(own.toSorted());
    const last = jids.flat().toSorted().at(-1) ?? "";
    for (const jid of [last, jids[0]?.[0] ?? "", jids[1]?.[50] ?? ""]) {
      await until("its result", async () => (await bus.lookup(jid))["m1"] === true);
      expect(await bus.lookup(jid)).toEqual({ m1: true });
    }
  });
});

/** What a user has in the folder for temporary files. */
function ownedBy(uid: number): string[] {
  return readdirSync(tmpdir()).filter(
    (name) => lstatSync(join(tmpdir(), name), { throwIfNoEntry: false })?.uid === uid,
  );
}
