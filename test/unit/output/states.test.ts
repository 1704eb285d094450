import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { render } from "../../../src/output/render.ts";
import { readDifferences, readVectors } from "../../support/vectors.ts";

interface Vector {
  readonly n: number;
  readonly ret: unknown;
  readonly text: string;
  readonly color: string;
}

const differences = readDifferences();
const plain = { color: false };
const lines = (...parts: string[]): string => `${parts.join("\n")}\n`;
const forbidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;
const hostile = "\u001b[2J\u009b1A\u202e\u2028\r\u0085\u0007\nweb2:\n    True";

describe.each(["table", "highstate"] as const)("%s as Salt prints it, but for docs/salt-differences.md", (name) => {
  it.each(readVectors<Vector>(`${name}-output.jsonl`))("$n", ({ n, ret, text, color }) => {
    const ours = { text: render(name, ret, plain), color: render(name, ret, { color: true }) };
    if (differences.has(`${name}-output ${n}`)) expect(ours).not.toEqual({ text, color });
    else expect(ours).toEqual({ text, color });
  });
});

describe("table", () => {
  it("shows all of a cell that takes more lines than its neighbour", () => {
    const ret = { web1: [{ a: "two\nlines", b: "short" }] };
    expect(render("table", ret, plain)).toBe(
      lines(
        "web1:",
        "----------",
        "    -----------------",
        "    |   A   |   B   |",
        "    -----------------",
        "    |  two  | short |",
        "    | lines |       |",
        "    -----------------",
      ),
    );
  });

  it("puts each value under its own label, in whatever rows it is", () => {
    const ret = { web1: [{ a: 1 }, { b: 2 }, {}] };
    expect(render("table", ret, plain)).toBe(
      lines(
        "web1:",
        "----------",
        "    ---------",
        "    | A | B |",
        "    ---------",
        "    | 1 |   |",
        "    ---------",
        "    |   | 2 |",
        "    ---------",
        "    |   |   |",
        "    ---------",
      ),
    );
  });

  it("breaks at 50 characters, of whatever planes", () => {
    const words = (count: number): string => Array.from({ length: count }, () => "😀😀😀😀").join(" ");
    const widths = render("table", { web1: [words(11)] }, plain)
      .split("\n")
      .filter((line) => line.includes("|"))
      .map((line) => line.replace(/^ *\| | \|$/g, "").trim());
    expect(widths).toEqual([words(10), words(1)]);
  });

  it("reads bytes as text where they are text", () => {
    const ret = { web1: [new Uint8Array([97, 27]), new Uint8Array([255])] };
    const rule = "    -----------";
    expect(render("table", ret, plain)).toBe(
      lines("web1:", "----------", rule, "    |    a?   |", rule, "    | b'\\xff' |", rule),
    );
  });

  it.each([
    ["one wide cell", ["x".repeat(2 ** 20), ...Array.from({ length: 1000 }, () => "x")]],
    ["one tall cell", [Array.from({ length: 2000 }, (_, column) => (column === 0 ? "x\n".repeat(2 ** 18) : "x"))]],
    ["a key of its own in every row", Array.from({ length: 10_000 }, (_, row) => ({ [`k${row}`]: row }))],
  ])("leaves to nested what a small return with %s would make huge", (_, rows) => {
    expect(render("table", { web1: rows }, plain)).toBe(render("nested", { web1: rows }, plain));
  });

  it("leaves what cannot be rows to nested, failures in red", () => {
    const ret = { web1: [1, 2], web2: [{ a: 1 }] };
    for (const options of [plain, { color: true, failed: new Set(["web1"]) }]) {
      expect(render("table", ret, options)).toBe(render("nested", ret, options));
    }
  });

  it("keeps a hostile cell within its borders and a hostile key on its line", () => {
    const text = render("table", { [hostile]: [{ [hostile]: hostile }] }, plain);
    expect(text).not.toMatch(forbidden);
    const [key, , ...rest] = text.trimEnd().split("\n");
    expect(key).toMatch(/^\?\[2J.*web2:\?    True:$/);
    for (const line of rest) expect(line).toMatch(/^    (?:-+|\| .* \|)$/);
  });

  it("draws straight borders around anything", () => {
    const cell = fc.oneof(fc.string({ unit: "grapheme" }), fc.integer(), fc.constant(null), fc.constant(hostile));
    fc.assert(
      fc.property(fc.array(fc.dictionary(fc.string(), cell, { minKeys: 1 }), { minLength: 1 }), (rows) => {
        const text = render("table", rows, plain).trimEnd();
        expect(new Set(text.split("\n").map((line) => Array.from(line).length)).size).toBe(1);
      }),
    );
  });
});

describe("highstate", () => {
  const chunk = {
    result: true,
    comment: "",
    changes: {},
    __run_num__: 0,
    start_time: "10:20:30.123456",
    duration: 12.3,
  };
  const tag = "pkg_|-nginx_|-nginx_|-installed";

  it("shows states in the order in which they ran, and sums up", () => {
    const ret = {
      web1: {
        "file_|-conf_|-/etc/nginx.conf_|-managed": {
          ...chunk,
          comment: "File updated\nTwice",
          changes: { mode: { old: "0600", new: "0644" } },
          __run_num__: 1,
          duration: 11.1,
        },
        [tag]: { ...chunk, comment: "Already installed" },
      },
    };
    expect(render("highstate", ret, plain)).toBe(
      lines(
        "web1:",
        "----------",
        "          ID: nginx",
        "    Function: pkg.installed",
        "      Result: True",
        "     Comment: Already installed",
        "     Started: 10:20:30.123456",
        "    Duration: 12.3 ms",
        "     Changes:   ",
        "----------",
        "          ID: conf",
        "    Function: file.managed",
        "        Name: /etc/nginx.conf",
        "      Result: True",
        "     Comment: File updated",
        "              Twice",
        "     Started: 10:20:30.123456",
        "    Duration: 11.1 ms",
        "     Changes:   ",
        "              ----------",
        "              mode:",
        "                  ----------",
        "                  new:",
        "                      0644",
        "                  old:",
        "                      0600",
        "",
        "Summary for web1",
        "------------",
        "Succeeded: 2 (changed=1)",
        "Failed:    0",
        "------------",
        "Total states run:     2",
        "Total run time:  23.400 ms",
      ),
    );
  });

  it.each([
    ["32", "32", { result: true }],
    ["32", "36", { result: true, changes: { a: "b" } }],
    ["31", "31", { result: false }],
    ["1;33", "1;33", { result: null, changes: { a: "b" } }],
  ])("has the minion in %s and the state in %s for %j", (minion, state, more) => {
    const [first, second, third] = render(
      "highstate",
      { web1: { [tag]: { ...chunk, ...more } } },
      { color: true },
    ).split("\n");
    expect(first).toBe(`\u001b[0;${minion}mweb1:\u001b[0;0m`);
    expect(second).toBe(`\u001b[0;${state}m----------\u001b[0;0m`);
    expect(third).toBe(`    \u001b[0;${state}m      ID: nginx\u001b[0;0m`);
  });

  it("indents what follows the first line of a rendering error", () => {
    const text = render("highstate", { web1: ["first\nweb2:", "second"] }, plain);
    const rule = "----------";
    expect(text).toBe(
      lines("web1:", "    Data failed to compile:", rule, "    first", "    web2:", rule, "    second"),
    );
  });

  it.each([
    { web1: { [tag]: "no map" } },
    { web1: { [tag]: { comment: "no result" } } },
    { web1: { [tag]: { ...chunk, result: "yes" } } },
    { web1: { "pkg_|-nginx_|-installed": chunk } },
    { web1: { [tag]: chunk, retcode: 2 } },
    { web1: ["text", 1] },
    { web1: {} },
    { web1: "Minion did not return. [No response]" },
    ["a"],
    7,
  ])("leaves %j to nested", (ret) => {
    for (const options of [plain, { color: true, failed: new Set(["web1"]) }]) {
      expect(render("highstate", ret, options)).toBe(render("nested", ret, options));
    }
  });

  it("decides for each minion on its own", () => {
    const ret = { web1: "text", web2: { [tag]: chunk } };
    expect(render("highstate", ret, plain)).toBe(
      render("nested", { web1: "text" }, plain) + render("highstate", { web2: { [tag]: chunk } }, plain),
    );
  });

  it("takes what lies between id and function for the name", () => {
    const text = render("highstate", { web1: { "cmd_|-run_|-echo _|-_|-run": chunk } }, plain);
    expect(text).toContain("          ID: run\n    Function: cmd.run\n        Name: echo _|-\n");
  });

  it("lets no text of a minion pass for a line of its own", () => {
    const nasty = {
      ...chunk,
      comment: `x${hostile}`,
      changes: { [hostile]: hostile },
      start_time: hostile,
      duration: hostile,
      warnings: [hostile],
      data: { [hostile]: hostile },
    };
    const ret = {
      [hostile]: {
        [`${hostile}_|-${hostile}_|-x${hostile}_|-${hostile}`]: nasty,
        [tag]: { ...nasty, changes: hostile, data: [hostile] },
      },
    };
    const text = render("highstate", ret, plain);
    expect(text).not.toMatch(forbidden);
    const atMargin = text.split("\n").filter((line) => /^\S/.test(line));
    const ownLines = /^(?:-+|\?\[2J.*:|Summary for \?\[2J.*|Succeeded: .*|Failed: .*|Warnings: .*|Total .*)$/;
    expect(atMargin.filter((line) => !ownLines.test(line))).toEqual([]);
    expect(render("highstate", ret, { color: true }).replace(/\u001b\[0;(?:0|(?:1;)?3[12367])m/g, "")).toBe(text);
  });

  it("survives states of any shape", () => {
    const value = fc.oneof(fc.jsonValue(), fc.constant(hostile));
    const chunks = fc.record({
      result: fc.constantFrom(true, false, null),
      comment: value,
      changes: value,
      duration: value,
      start_time: value,
      warnings: value,
      data: value,
      __run_num__: value,
    });
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string().map((id) => `pkg_|-${id}_|-n_|-installed`),
          chunks,
          { minKeys: 1 },
        ),
        (ret) => {
          const text = render("highstate", { web1: ret }, plain);
          expect(text).not.toMatch(forbidden);
          expect(Number(/^Total states run: +(\d+)$/m.exec(text)?.[1])).toBe(Object.keys(ret).length);
        },
      ),
    );
  });
});

describe("without an outputter asked for", () => {
  const run = { "test_|-a_|-a_|-nop": { result: true, comment: "", changes: {}, __run_num__: 0 } };

  it("state runs look as such, and nothing else does", () => {
    expect(render("default", { w1: run }, plain)).toBe(render("highstate", { w1: run }, plain));
    for (const other of [{ w1: ["a", "b"] }, { w1: true }, { w1: { a: { result: true } } }]) {
      expect(render("default", other, plain)).toBe(render("nested", other, plain));
    }
  });
});
