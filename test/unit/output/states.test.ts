import { describe, expect, it } from "vitest";
import { render } from "../../../src/output/render.ts";

const motd = {
  __run_num__: 1,
  result: true,
  comment: "File etc/motd updated",
  start_time: "02:11:04.123456",
  duration: 18.46,
  changes: { diff: "New file" },
};
const run = {
  "pkg_|-vim_|-vim_|-installed": {
    __run_num__: 0,
    result: true,
    comment: "All there",
    duration: "10.87 ms",
    changes: {},
  },
  "file_|-motd_|-etc/motd_|-managed": motd,
};
const plain = { color: false };

describe("highstate", () => {
  it("looks as Salt's, in the order of the run", () => {
    expect(render("highstate", { w1: run }, plain)).toBe(
      [
        "w1:",
        "----------",
        "          ID: vim",
        "    Function: pkg.installed",
        "      Result: True",
        "     Comment: All there",
        "    Duration: 10.87 ms",
        "     Changes:   ",
        "----------",
        "          ID: motd",
        "    Function: file.managed",
        "        Name: etc/motd",
        "      Result: True",
        "     Comment: File etc/motd updated",
        "     Started: 02:11:04.123456",
        "    Duration: 18.46 ms",
        "     Changes:   ",
        "              ----------",
        "              diff:",
        "                  New file",
        "",
        "Summary for w1",
        "------------",
        "Succeeded: 2 (changed=1)",
        "Failed:    0",
        "------------",
        "Total states run:     2",
        "Total run time:  29.330 ms",
        "",
      ].join("\n"),
    );
  });

  it("shows failures, runs that only say what they would do, and long runs", () => {
    const failed = { "cmd_|-a_|-a_|-run": { result: false, comment: "one\ntwo", duration: 2000, changes: {} } };
    const pending = { "cmd_|-b_|-b_|-run": { result: null, comment: "", changes: {}, __run_num__: 1 } };
    const text = render("highstate", { w1: { ...failed, ...pending } }, plain);
    expect(text).toContain("      Result: False\n     Comment: one\n              two\n");
    expect(text).toContain("      Result: None\n     Comment: \n");
    expect(text).toContain("Succeeded: 1 (unchanged=1)\nFailed:    1\n");
    expect(text).toContain("Total run time:   2.000 s\n");
  });

  it("is what state runs look like when nobody asks for an outputter, and nothing else does", () => {
    expect(render("default", { w1: run }, plain)).toBe(render("highstate", { w1: run }, plain));
    expect(render("default", { w1: ["a", "b"] }, plain)).toBe(render("nested", { w1: ["a", "b"] }, plain));
  });

  it("shows errors of rendering, and what is no state run as nested does", () => {
    expect(render("highstate", { w1: ["no matching sls found"] }, plain)).toBe(
      "w1:\n    Data failed to compile:\n----------\n    no matching sls found\n",
    );
    const other = { w1: { a: { result: true } }, w2: true, w3: {} };
    expect(render("highstate", other, plain)).toBe(render("nested", other, plain));
  });

  it("paints as Salt does: green, cyan for changes, red for failures, yellow for what would be done", () => {
    const text = render("highstate", { w1: run }, { color: true });
    expect(text).toContain("\u001b[0;32m          ID: vim\u001b[0;0m");
    expect(text).toContain("\u001b[0;36m          ID: motd\u001b[0;0m");
    const bad = { "a_|-b_|-b_|-c": { result: false, changes: {} }, "a_|-d_|-d_|-c": { result: null, changes: {} } };
    const painted = render("highstate", { w1: bad }, { color: true });
    expect(painted).toContain("\u001b[0;31m          ID: b\u001b[0;0m");
    expect(painted).toContain("\u001b[0;1;33m          ID: d\u001b[0;0m");
  });

  it("lets nothing of a minion through that steers a terminal", () => {
    const evil = "\u001b[2J\rx";
    const hostile = {
      [`a_|-${evil}_|-${evil}n_|-c`]: {
        result: true,
        comment: evil,
        start_time: evil,
        duration: evil,
        changes: { [evil]: evil },
      },
    };
    expect(render("highstate", { [evil]: hostile }, plain)).not.toMatch(/[\u001b\r]/);
  });
});

describe("table", () => {
  it("shows a list of maps as rows under their labels", () => {
    const disks = [
      { name: "sda", size: 10, ro: false },
      { name: "sdb10", size: 2000, tags: ["a", "b"] },
    ];
    expect(render("table", { w1: disks }, plain)).toBe(
      [
        "w1:",
        "    -------------------------------",
        "    | name  | ro    | size | tags |",
        "    -------------------------------",
        "    | sda   | False | 10   |      |",
        "    -------------------------------",
        "    | sdb10 |       | 2000 | a, b |",
        "    -------------------------------",
        "",
      ].join("\n"),
    );
  });

  it("shows a map of maps with its keys in front, and breaks what is too wide", () => {
    const text = render("table", { w1: { eth0: { mac: "aa", note: "x".repeat(60) }, lo: { mac: "" } } }, plain);
    const lines = text.split("\n");
    expect(lines[2]).toBe(`    |      | mac | note${" ".repeat(46)} |`);
    expect(lines[4]).toBe(`    | eth0 | aa  | ${"x".repeat(50)} |`);
    expect(lines[5]).toBe(`    |      |     | ${"x".repeat(10)}${" ".repeat(40)} |`);
  });

  it("shows anything else as text", () => {
    expect(render("table", { w1: true, w2: "a\nb", w3: { deep: { er: { still: 1 } } } }, plain)).toBe(
      "w1:\n    True\nw2:\n    a\n    b\nw3:\n    deep:\n        --------------\n        |    | still |\n" +
        "        --------------\n        | er | 1     |\n        --------------\n",
    );
  });
});
