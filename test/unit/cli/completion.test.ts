import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { candidates } from "../../../src/cli/candidates.ts";
import { completion } from "../../../src/cli/completion.ts";
import { programs } from "../../../src/cli/programs.ts";
import { builtins } from "../../../src/modules/registry.ts";
import { runners } from "../../../src/runners/registry.ts";

const has = (program: string): boolean => spawnSync(program, ["--version"]).error === undefined;
let dir = "";
const asked = (): string => readFileSync(join(dir, "asked"), "utf8");

// A msalt-run that notes what it was asked and offers a few words of each kind, one of them malicious.
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "msalt-completion-"));
  for (const shell of ["bash", "zsh", "fish"]) writeFileSync(join(dir, shell), completion([shell], "1.2.3"));
  const lines = [
    "#!/bin/sh",
    `for word; do printf '%s|' "$word"; done >>${dir}/asked`,
    'while [ "$1" != __complete ]; do shift; done',
    "case $2 in",
    "minions) printf '%s\\n' db1 web1 web2 '$(touch hacked)' ;;",
    "functions) printf '%s\\n' cmd.run cmd.run_all test.ping ;;",
    "runners) printf '%s\\n' completion jobs.kill jobs.lookup ;;",
    "jobs) printf '%s\\n' 20261121023503789569 20261121023503789570 ;;",
    "keys) echo new1 ;;",
    "esac",
  ];
  writeFileSync(join(dir, "msalt-run"), lines.join("\n"));
  chmodSync(join(dir, "msalt-run"), 0o755);
  writeFileSync(join(dir, "some-file"), "");
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));
beforeEach(() => writeFileSync(join(dir, "asked"), ""));

/** What bash would offer for the last of these words, split as readline splits them. */
function offered(...words: readonly string[]): string[] {
  const script = 'source ./bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _msalt; printf "%s\\n" "${COMPREPLY[@]}"';
  const { stdout, stderr } = spawnSync("bash", ["--norc", "-uc", script, "bash", ...words], {
    cwd: dir,
    env: { PATH: `${dir}:${process.env["PATH"] ?? ""}`, HOME: "/home/me" },
  });
  expect(stderr.toString()).toBe("");
  return stdout.toString().split("\n").filter(Boolean);
}

describe("bash", () => {
  it.each(programs("1.2.3").map((command) => [command.name(), command] as const))(
    "offers every visible option of %s",
    (name, command) => {
      const names = command
        .createHelp()
        .visibleOptions(command)
        .flatMap(({ short, long }) => [short, long]);
      expect(offered(name, "-").toSorted()).toEqual(names.filter((each) => each !== undefined).toSorted());
    },
  );

  it.each([
    [
      ["msalt", "--fail"],
      ["--fail-count", "--fail-rate", "--failhard", "--fail-kill"],
    ],
    [
      ["msalt", "--out", "js"],
      ["json", "jsonl"],
    ],
    [
      ["msalt", "--out", "=", "js"],
      ["json", "jsonl"],
    ],
    [["msalt", "--output", "=", "ya"], ["yaml"]],
    [["msalt-master", "-l", "de"], ["debug"]],
    [
      ["msalt-key", "-l", ""],
      ["acc", "pre", "un", "rej", "den", "all"],
    ],
    [
      ["msalt-key", "-d", "we"],
      ["web1", "web2"],
    ],
    [["msalt-cp", "d"], ["db1"]],
    [["msalt-call", "test.pi"], ["test.ping"]],
    [["msalt-key", "-a", ""], ["new1"]],
    [
      ["msalt", "we"],
      ["web1", "web2"],
    ],
    [
      ["msalt", "'we"],
      ["web1", "web2"],
    ],
    [["/opt/bin/nowhere/msalt", "we"], []],
    [
      ["msalt", "-L", "db1,we"],
      ["db1,web1", "db1,web2"],
    ],
    [["msalt", "-G", "os"], []],
    [
      ["msalt", "web1", "cmd."],
      ["cmd.run", "cmd.run_all"],
    ],
    [["msalt", "web1", "test.ping,cmd.run_"], ["test.ping,cmd.run_all"]],
    [["msalt", "-G", "os", ":", "Debian", "te"], ["test.ping"]],
    [["msalt", "-t", "5", "--out", "=", "json", "web1", "te"], ["test.ping"]],
    [["msalt", "--", "-L", "te"], ["test.ping"]],
    [["msalt", "web1", "cmd.run", "some"], ["some-file"]],
    [
      ["msalt-run", "jobs."],
      ["jobs.kill", "jobs.lookup"],
    ],
    [
      ["msalt-run", "jobs.kill", ""],
      ["20261121023503789569", "20261121023503789570"],
    ],
    [["msalt-run", "-d", "jobs.lookup", "2026112102350378957"], ["20261121023503789570"]],
    [["msalt-run", "manage.up", ""], []],
    [["msalt-run", "key.accept", ""], ["new1"]],
    [["msalt-run", "cache.grains", "d"], ["db1"]],
    [
      ["msalt-run", "completion", ""],
      ["bash", "zsh", "fish"],
    ],
  ])("%j offers %j", (words, expected) => {
    expect(offered(...words)).toEqual(expected);
  });

  it("takes a candidate for text", () => {
    expect(offered("msalt", "$")).toEqual(["$(touch hacked)"]);
    expect(spawnSync("ls", [dir]).stdout.toString()).not.toContain("hacked");
  });

  it("asks the master that the line names", () => {
    offered("msalt", "--root-dir", "=", "/srv/a b", "-c", "'/etc/x'", "we");
    expect(asked()).toBe("--root-dir|/srv/a b|-c|/etc/x|--|__complete|minions|we|");
    writeFileSync(join(dir, "asked"), "");
    offered("msalt", "-c", "~/etc", "we");
    expect(asked()).toBe("-c|/home/me/etc|--|__complete|minions|we|");
  });

  it("asks nobody for options", () => {
    offered("msalt", "--o");
    offered("msalt", "--out", "j");
    expect(asked()).toBe("");
  });
});

describe.each(["bash", "zsh", "fish"])("the script for %s", (shell) => {
  it.skipIf(!has(shell))("has no error of syntax", () => {
    const { status, stderr } = spawnSync(shell, ["-n", join(dir, shell)]);
    expect({ status, stderr: stderr.toString() }).toEqual({ status: 0, stderr: "" });
  });

  it("knows every long option and every place of a runner", () => {
    const text = readFileSync(join(dir, shell), "utf8");
    for (const command of programs("1.2.3")) {
      for (const { long = "" } of command.createHelp().visibleOptions(command)) {
        expect(text).toMatch(new RegExp(`(--|-l )${long?.slice(2) ?? ""}\\b`));
      }
    }
    for (const { name, params } of runners.values()) if (params[0] === "jid") expect(text).toContain(name);
  });
});

describe.skipIf(!has("fish"))("fish", () => {
  const complete = (line: string): string[] => {
    const script = "source ./fish; complete -C $argv[1]";
    const env = { PATH: `${dir}:${process.env["PATH"] ?? ""}`, HOME: dir };
    const { stdout } = spawnSync("fish", ["--no-config", "-c", script, line], { cwd: dir, env });
    return stdout
      .toString()
      .split("\n")
      .filter(Boolean)
      .map((each) => each.replace(/\t.*/, ""));
  };

  it.each([
    ["msalt we", ["web1", "web2"]],
    ["msalt --out js", ["json", "jsonl"]],
    ["msalt -G os:Debian te", ["test.ping"]],
    ["msalt-run jobs.lookup 2026112102350378957", ["20261121023503789570"]],
    ["msalt-key -a ", ["new1"]],
  ])("%s", (line, expected) => {
    expect(complete(line)).toEqual(expected);
  });
});

describe("what is asked for", () => {
  it("functions and runners come without a master", async () => {
    const nowhere = { rootDir: dir };
    expect(await candidates(["functions", "test.p"], nowhere)).toEqual(
      [...builtins.keys()].filter((name) => name.startsWith("test.p")),
    );
    expect(await candidates(["runners"], nowhere)).toHaveLength(runners.size + 1);
  });

  it.each([["minions"], ["jobs"], ["keys"], ["toString"], [""], []])(
    "%s: nothing without a master",
    async (...what) => {
      expect(await candidates(what, { rootDir: dir })).toEqual([]);
    },
  );
});

describe("wrong use", () => {
  it.each([[[]], [["csh"]], [["bash", "zsh"]]])("completion %j", (words) => {
    expect(() => completion(words, "1.2.3")).toThrow(expect.objectContaining({ code: "ERR_USAGE" }));
  });
});
