import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { escaped, manPages } from "../../../src/cli/man.ts";
import { programs } from "../../../src/cli/programs.ts";

const pages = manPages("1.2.3", "2026-11-21");
const commands = programs("1.2.3");
const has = (program: string): boolean => spawnSync(program, ["--version"]).error === undefined;

/** What a reader sees, on a terminal so wide that nothing is wrapped. */
function plain(roff: string): string {
  const { stdout } = spawnSync("groff", ["-man", "-Tascii", "-P-cbou", "-rLL=2000n"], { input: roff });
  return stdout.toString();
}

/** The characters that roff text stands for, by the few rules that the pages use. */
function meant(roff: string): string {
  const names: Readonly<Record<string, string>> = { rs: "\\", aq: "'", ga: "`", ha: "^", ti: "~", dq: '"' };
  return roff
    .replace(/\\f[BR]/g, "")
    .replace(/\\([-&])/g, (_all, char: string) => (char === "-" ? "-" : ""))
    .replace(/\\\((..)/g, (_all, name: string) => names[name] ?? `?${name}`);
}

describe("the manual pages", () => {
  it("are there for every tool", () => {
    expect(pages.map(({ name, section }) => `${name}.${section}`)).toEqual([
      "msalt.1",
      "msalt-key.1",
      "msalt-run.1",
      "msalt-call.1",
      "msalt-cp.1",
      "msalt-master.8",
      "msalt-minion.8",
      "msalt-api.8",
      "msalt-swarm.1",
    ]);
  });

  it.each(pages.map((page) => [page.name, page.text] as const))("%s has every part", (_name, text) => {
    const heads = [...text.matchAll(/^\.SH (.*)$/gm)].map(([, head = ""]) => head.replaceAll('"', ""));
    const parts = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "EXIT STATUS", "FILES", "SEE ALSO"];
    expect(heads.filter((head) => parts.includes(head))).toEqual(parts);
  });

  it.each(pages.map((page) => [page.name, page.text] as const))("%s shows every visible option", (name, text) => {
    const command = commands.find((each) => each.name() === name);
    if (command === undefined) throw new Error(`no program ${name}`);
    const lines = meant(text).split("\n");
    const help = command.createHelp();
    const options = help.visibleOptions(command);
    expect(options.length).toBeGreaterThanOrEqual(5);
    for (const option of options) {
      const at = lines.indexOf(help.optionTerm(option));
      expect(lines.slice(at - 1, at + 2)).toEqual([".TP", help.optionTerm(option), help.optionDescription(option)]);
    }
    expect(meant(text)).not.toMatch(/--no-colour|--batch <|__complete/);
  });

  it("puts the options under the headings of the help", () => {
    const text = meant(pages[0]?.text ?? "");
    const at = (what: string): number => text.indexOf(what);
    expect(at('.SS "Stop when too much fails"')).toBeGreaterThan(at("--batch-safe-size"));
    expect(at('.SS "Stop when too much fails"')).toBeLessThan(at("--fail-count"));
  });

  it("keeps the examples as they are typed", () => {
    expect(meant(pages[0]?.text ?? "")).toContain(
      "\n.nf\nmsalt '*' test.ping\nmsalt 'web*' cmd.run 'uptime'\nmsalt -L web1,web2",
    );
    expect(meant(pages[2]?.text ?? "")).toContain("\n.TP\njobs.lookup <jid>\nShow every answer of a job");
  });

  it("has no line that roff would take for a request of its own, and no bare special character", () => {
    for (const { text } of pages) {
      for (const each of text.split("\n")) {
        if (each.startsWith(".")) expect(each).toMatch(/^\.(TH|nh|ad l|SH|SS|TP|B|BR|nf|fi)\b/);
        expect(each).not.toMatch(/^'/);
        expect(each.replace(/^\.TH .*/, "")).not.toMatch(/(?<!\\)-|['`^~]|\\(?![-(&f[])/);
      }
    }
  });
});

describe("escaping", () => {
  it.each([
    ["E@db\\d", "E@db\\(rsd"],
    ["--out", "\\-\\-out"],
    ["it's", "it\\(aqs"],
    ["a × b", "a \\[u00D7] b"],
    ["~/^`", "\\(ti/\\(ha\\(ga"],
  ])("of %j", (text, roff) => {
    expect(escaped(text)).toBe(roff);
  });
});

describe.skipIf(!has("groff"))("groff", () => {
  it.each(pages.map((page) => [page.name, page.text] as const))("reads %s without a warning", (_name, text) => {
    const { status, stderr, stdout } = spawnSync("groff", ["-man", "-ww", "-Tutf8"], { input: text });
    expect({ status, stderr: stderr.toString() }).toEqual({ status: 0, stderr: "" });
    expect(stdout.length).toBeGreaterThan(1000);
  });

  it("prints what the help says, to the letter", () => {
    const shown = plain(pages[0]?.text ?? "");
    expect(shown).toContain("any of these, combined: 'G@os:Debian and not ( web1 or E@db\\d )'");
    expect(shown).toContain("-t, --timeout <seconds>");
    expect(shown).toContain("msalt -C 'G@os:Debian and not db*' cmd.run 'apt-get -y upgrade' --parallel 10%");
    expect(shown).toContain("kept with the job: '{ticket: 123}'");
  });
});

describe.skipIf(!has("mandoc"))("mandoc", () => {
  it.each(pages.map((page) => [page.name, page.text] as const))("finds nothing wrong with %s", (_name, text) => {
    const { stdout } = spawnSync("mandoc", ["-T", "lint", "-W", "warning"], { input: text });
    expect(stdout.toString()).toBe("");
  });
});

describe.skipIf(!has("man"))("man", () => {
  it.each(pages.map((page) => [page.name, page.text] as const))("reads %s without a warning", (_name, text) => {
    const options = { input: text, env: { ...process.env, MANWIDTH: "80", LC_ALL: "C.UTF-8" } };
    const { status, stderr, stdout } = spawnSync("man", ["--warnings", "-l", "-"], options);
    expect({ status, stderr: stderr.toString() }).toEqual({ status: 0, stderr: "" });
    expect(stdout.toString()).toContain("SEE ALSO");
  });
});
