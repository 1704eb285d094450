import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isOutputter, outputters, render } from "../../../src/output/render.ts";

const plain = { color: false };
const hostile = "\u001b[31m\u0007\u009b2J\u202e\u200f\u2066\u061c\u007f\u2028\u2029\r\u0000\u0085x";
const forbidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

describe("isOutputter", () => {
  it("knows the outputters and nothing else", () => {
    expect(outputters.every((name) => isOutputter(name))).toBe(true);
    expect(isOutputter("pprint")).toBe(false);
    expect(isOutputter("toString")).toBe(false);
  });
});

describe("render", () => {
  it.each(outputters)("%s lets no control character of a minion through", (name) => {
    const nasty = fc.string({
      unit: fc.oneof(fc.constantFrom(...hostile.split(""), "\n", "a"), fc.string({ maxLength: 2 })),
    });
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof({ maxDepth: 3 }, nasty, fc.array(tie("tree")), fc.dictionary(nasty, tie("tree"))),
    }));
    fc.assert(
      fc.property(tree, fc.constantFrom(undefined, -1, 2), (value, indent) => {
        expect(render(name, value, { color: false, indent })).not.toMatch(forbidden);
      }),
    );
  });

  it("lets none through in bytes or colours either", () => {
    const value = { [hostile]: [hostile, new Uint8Array([27, 91, 51, 49, 109]), new Uint8Array([255, 27])] };
    for (const name of outputters) {
      const text = render(name, value, { color: true, failed: new Set([hostile]) });
      expect(text.replace(/\u001b\[0;(?:0|(?:1;)?3[012367])m/g, "")).not.toMatch(forbidden);
    }
  });

  it("keeps a key on its line, so that it cannot pass for another minion", () => {
    const value = { "m1:\n    True\nm2": 1 };
    expect(render("nested", value, plain)).toBe("m1:?    True?m2:\n    1\n");
    expect(render("txt", value, plain)).toBe("m1:?    True?m2: 1\n");
  });

  it.each(["json", "jsonl"] as const)("%s is JSON that reads back as what it was", (name) => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.parse(render(name, value, plain))).toEqual(value);
      }),
    );
    expect(JSON.parse(render(name, { [hostile]: hostile }, plain))).toEqual({ [hostile]: hostile });
  });

  it.each([
    ["json", { m1: "a\u009b\u202e\u007f" }, '{\n    "m1": "a\\u009b\\u202e\\u007f"\n}\n'],
    ["jsonl", { m1: ["a\u2028", 1], m2: {} }, '{"m1": ["a\\u2028", 1], "m2": {}}\n'],
    [
      "json",
      { m1: [Infinity, NaN, 1e22, 0.00001] },
      '{\n    "m1": [\n        null,\n        null,\n        1e+22,\n        1e-05\n    ]\n}\n',
    ],
    ["json", { m1: undefined, m2: 2 ** 53 }, '{\n    "m2": 9007199254740992\n}\n'],
    ["json", undefined, "null\n"],
    ["raw", { m1: [-0, NaN, -Infinity, 1e20, 0.5] }, "{'m1': [-0.0, nan, -inf, 1e+20, 0.5]}\n"],
    ["raw", "a\nb\u001b", "a\nb?\n"],
    ["raw", { m1: 'it\'s "so"' }, "{'m1': 'it\\'s \"so\"'}\n"],
    ["yaml", { m1: [Infinity, -Infinity, NaN, 1e22] }, "m1:\n- .inf\n- -.inf\n- .nan\n- 1.0e+22\n"],
    ["yaml", { m1: "\u202e" }, 'm1: "\\u202E"\n'],
    ["nested", { m1: new Uint8Array([255, 0]) }, "m1:\n    b'\\xff\\x00'\n"],
    ["txt", { m1: "a\u001b[2J\n\u0085b" }, "m1: a?[2J\nm1: \nm1: b\n"],
    ["newline_values_only", { m1: "a\u001b\r\nb", m2: ["c", 1] }, "a?\nb\nc\n1\n"],
    ["quiet", { m1: true }, ""],
  ] as const)("%s of %j", (name, value, text) => {
    expect(render(name, value, plain)).toBe(text);
  });

  it.each([
    ["nested", ["m3", "m4"], "- m3\n- m4\n"],
    ["nested", [], ""],
    ["nested", [{ a: 1 }], "|_\n  ----------\n  a:\n      1\n"],
    ["nested", "two\nlines", "two\nlines\n"],
    ["nested", null, "None\n"],
    ["txt", "two\nlines", "two\nlines\n"],
    ["txt", ["m3"], "['m3']\n"],
    ["yaml", ["m3"], "- m3\n"],
    ["yaml", "text", "text\n"],
    ["newline_values_only", ["m3", "m4"], "m3\nm4\n"],
    ["raw", true, "True\n"],
  ] as const)("%s of a runner's %j", (name, value, text) => {
    expect(render(name, value, plain)).toBe(text);
  });
});

describe("the colours of nested", () => {
  const esc = (text: string): string => text.replaceAll("<", "\u001b[").replaceAll(">", "m");
  it("are Salt's", () => {
    const value = { m1: { a: [true, "x\ny", [1]] } };
    const lines = [
      "<0;36>m1<0;0>:",
      "    <0;36>----------<0;0>",
      "    <0;36>a<0;0>:",
      "        <0;1;33>- True<0;0>",
      "        <0;32>- x<0;0>",
      "        <0;32>  y<0;0>",
      "        <0;32>|_<0;0>",
      "          <0;1;33>- 1<0;0>",
      "",
    ];
    expect(render("nested", value, { color: true })).toBe(esc(lines.join("\n")));
  });

  it("show the keys of failed minions in red, and only theirs", () => {
    const value = { m1: { m2: 1 }, m2: { a: 1 } };
    const lines = [
      "<0;36>m1<0;0>:",
      "    <0;36>----------<0;0>",
      "    <0;36>m2<0;0>:",
      "        <0;1;33>1<0;0>",
      "<0;31>m2<0;0>:",
      "    <0;31>----------<0;0>",
      "    <0;31>a<0;0>:",
      "        <0;1;33>1<0;0>",
      "",
    ];
    expect(render("nested", value, { color: true, failed: new Set(["m2"]) })).toBe(esc(lines.join("\n")));
  });

  it("are in no outputter that shows data only", () => {
    const looks: readonly string[] = ["nested", "table", "highstate"];
    for (const name of outputters.filter((other) => !looks.includes(other))) {
      expect(render(name, { m1: [1, "x"] }, { color: true })).toBe(render(name, { m1: [1, "x"] }, plain));
    }
  });
});
