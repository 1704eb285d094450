import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { CommandRunner } from "../../../src/minion/command.ts";
import { call, fakeHost, hostJid } from "../../support/host.ts";

const folder = mkdtempSync(join(tmpdir(), "msalt-cmd-"));
const runner = new CommandRunner({ killAfterMs: 150, drainMs: 150 });
afterAll(() => {
  runner.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A minion that really runs commands. */
function host(signal = new AbortController().signal) {
  return fakeHost({ signal, command: (spec) => runner.run(hostJid, spec, signal) });
}

function file(name: string, text: string, mode: number): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

const all = (retcode: number, stdout: string, stderr = "") => ({ pid: expect.any(Number), retcode, stdout, stderr });

describe("cmd", () => {
  it.each<[string, string[], unknown, number]>([
    ["cmd.run", ["echo hi"], "hi", 0],
    ["cmd.run", ["true"], "", 0],
    ["cmd.run", ["exit 3"], "", 3],
    ["cmd.run", ["echo oops >&2; exit 1"], "oops", 1],
    ["cmd.run", ["echo a; echo b >&2; echo c"], "a\nb\nc", 0],
    ["cmd.run", ["kill -9 $$"], "", 137],
    ["cmd.run", [String.raw`printf 'a \n\n'`], "a", 0],
    ["cmd.run", [String.raw`printf 'a\n'`, "rstrip=False"], "a\n", 0],
    ["cmd.run", ["echo $X", "env={X: 5}"], "5", 0],
    ["cmd.run", ["/usr/bin/env", "env={X: y}", "clean_env=True", "python_shell=False"], "X=y", 0],
    ["cmd.run", ["pwd", "/usr"], "/usr", 0],
    ["cmd.run", ["pwd", "cwd=/usr"], "/usr", 0],
    ["cmd.run", ["cat", "stdin=010"], "010", 0],
    ["cmd.run", ["umask", "umask=027"], "0027", 0],
    ["cmd.run", ["exit 3", "ignore_retcode=True"], "", 0],
    ["cmd.run", ["exit 3", "success_retcodes=[3, 4]"], "", 0],
    ["cmd.run", ["exit 5", "success_retcodes=3,4"], "", 5],
    ["cmd.run", ["echo 'a  b' $HOME ; x", "python_shell=False"], "a  b $HOME ; x", 0],
    ["cmd.run", ["echo 'open", "python_shell=False"], "ERROR: no command, or a quote in it stays open", 1],
    ["cmd.run", ["echo $0", "shell=/bin/sh"], "/bin/sh", 0],
    ["cmd.shell", ["echo a | tr a b", "python_shell=False"], "b", 0],
    ["cmd.run_all", ["echo out; echo err >&2; exit 4"], all(4, "out", "err"), 4],
    ["cmd.run_all", ["true"], all(0, ""), 0],
    ["cmd.run_all", ["exit 3", "success_retcodes=3"], all(0, ""), 0],
    ["cmd.run_all", ["exit 3", "ignore_retcode=True"], all(3, ""), 0],
    ["cmd.run_stdout", ["echo out; echo err >&2"], "out", 0],
    ["cmd.run_stderr", ["echo out; echo err >&2; exit 2"], "err", 2],
    ["cmd.retcode", ["exit 5"], 5, 5],
    ["cmd.retcode", ["true"], 0, 0],
    [
      "cmd.run",
      ["no-such-program", "python_shell=False"],
      "ERROR: Unable to run command 'no-such-program': no such program, or it may not be executed",
      1,
    ],
  ])("%s %j", async (fun, words, value, retcode) => {
    const state = retcode === 0 ? "succeeded" : "failed";
    expect(await call(host(), fun, ...words)).toMatchObject({ value, retcode, success: retcode === 0, state });
  });

  it("says that the time was up, after what was printed", async () => {
    const { value, retcode, state, success } = await call(host(), "cmd.run", "echo begun; sleep 30", "timeout=0.2");
    expect(value).toBe("begun\necho begun; sleep 30 : Timed out after 0.2 seconds");
    expect([retcode, state, success]).toEqual([143, "timed_out", false]);
    expect((await call(host(), "cmd.run", "sleep 30", "timeout=0.1")).value).toBe(
      "sleep 30 : Timed out after 0.1 seconds",
    );
  });

  it("does not take a command that hid from its deadline for a success", async () => {
    const cmd = 'trap "exit 0" TERM; while :; do sleep 0.05; done';
    expect(await call(host(), "cmd.run_all", cmd, "timeout=0.2", "ignore_retcode=True")).toMatchObject({
      value: { retcode: 1 },
      retcode: 1,
      state: "timed_out",
    });
  });

  it.each([
    [undefined, "killed", "Killed, ended by SIGTERM"],
    ["timeout", "timed_out", "The job's time was up, ended by SIGTERM"],
  ])("gives what a killed command had printed, and the signal: reason %s", async (reason, state, note) => {
    const abort = new AbortController();
    const begun = join(folder, state);
    const running = call(host(abort.signal), "cmd.run", `echo begun; touch ${begun}; sleep 30`);
    while (!existsSync(begun)) await new Promise((resolve) => setTimeout(resolve, 5));
    abort.abort(reason);
    const said = `begun\necho begun; touch ${begun}; sleep 30 : ${note} after `;
    const value: unknown = expect.stringContaining(said);
    expect(await running).toMatchObject({ value, retcode: 143, state, success: false });
  });
});

describe("cmd.script", () => {
  const bare = file("bare", "echo bare $# $1\n", 0o644);
  const marked = file("with 'quote", "#!/bin/sh -u\necho marked $1; exit 7\n", 0o644);
  const program = file("program", "#!/bin/sh\necho program $2\n", 0o755);
  const gone = { pid: 0, retcode: 1, stdout: "", cache_error: true };

  it.each<[string, string[], unknown, number]>([
    ["runs a file without a #! line by the shell", [bare, "'a b' c"], all(0, "bare 2 a b"), 0],
    ["heeds the #! line of a file that may not be executed", [marked, "x"], all(7, "marked x"), 7],
    ["runs a program", [program, "x y", "cwd=/usr"], all(0, "program y"), 0],
    [
      "does not know URLs yet",
      ["salt://x.sh"],
      { ...gone, stderr: "salt://x.sh: only paths on the minion can be run so far, no URLs" },
      1,
    ],
    ["wants a path from the root", ["x.sh"], { ...gone, stderr: "x.sh: give an absolute path on the minion" }, 1],
    ["wants a file that is there", ["/no/such.sh"], { ...gone, stderr: "/no/such.sh: no such file on this minion" }, 1],
  ])("%s", async (_case, words, value, retcode) => {
    expect(await call(host(), "cmd.script", ...words)).toMatchObject({ value, retcode });
  });
});

describe("cmd.script_source", () => {
  /** By name: one that ends with = would be taken for one. */
  const script = (text: string): string => `script=${Buffer.from(text).toString("base64")}`;

  it.each<[string, string[], unknown, number]>([
    ["runs a script without a #! line by the shell", [script("echo $# $1"), "args=['a b', c]"], "2 a b", 0],
    ["heeds the #! line", [script("#!/bin/sh -u\necho out; echo err >&2; exit 7\n")], "out\nerr", 7],
    ["takes bytes that are no text", [script("printf '\\377' | od -An -tx1")], " ff", 0],
    [
      "says what is wrong with the #! line",
      [script("#!/no/such/program\n")],
      expect.stringContaining("/no/such/program"),
      1,
    ],
    ["refuses what is no base64", ["script=%%%"], expect.stringContaining("must be base64"), 1],
    [
      "is ended by its time",
      [script("echo a; sleep 60"), "timeout=0.2"],
      "a\nscript : Timed out after 0.2 seconds",
      143,
    ],
  ])("%s", async (_case, words, value, retcode) => {
    expect(await call(host(), "cmd.script_source", ...words)).toMatchObject({ value, retcode });
  });

  it("leaves nothing behind, and nobody else could have read it", async () => {
    const { value } = await call(host(), "cmd.script_source", script('echo "$0"; stat -c %a "$0" "$(dirname "$0")"'));
    const [path = "", mode, folderMode] = String(value).split("\n");
    expect([mode, folderMode]).toEqual(["600", "700"]);
    expect([path.endsWith("/script"), existsSync(path), existsSync(join(path, ".."))]).toEqual([true, false, false]);
  });
});

describe("cmd.run_bg", () => {
  it("gives the pid and does not wait", async () => {
    const { value, retcode } = await call(host(), "cmd.run_bg", "exec sleep 30", `cwd=${folder}`);
    expect([value, retcode]).toEqual([{ pid: expect.any(Number) }, 0]);
    const { pid } = value as { pid: number };
    expect(existsSync(`/proc/${pid}`)).toBe(true);
    process.kill(-pid, "SIGKILL");
  });
});
