import { describe, expect, it } from "vitest";
import { parseWords, splitArg, toArg } from "../../../src/wire/args.ts";
import { readVectors } from "../../support/vectors.ts";

interface Vector {
  n: number;
  argv: string[];
  arg: unknown[];
  kwarg: Record<string, unknown>;
  no_parse?: string[];
}

const vectors = readVectors<Vector>("cli-args.jsonl");

/** What the arguments of msalt cannot say, and what stands in its place. A whole float (`1.0`) is the number 1. */
const exceptions: Readonly<Record<string, { because: string; arg?: unknown[]; kwarg?: Record<string, unknown> }>> = {
  24: { because: "integers beyond 2^53 stay text", arg: ["9007199254740992"] },
  25: { because: "integers beyond 2^53 stay text", arg: ["9007199254740993"] },
  27: { because: "integers beyond 2^53 stay text", arg: ["-12345678901234567890"] },
  28: { because: "integers beyond 2^53 stay text", arg: ["123456789012345678901234567890"] },
  146: { because: "keys are text, as spelled", arg: [{ "1": 2 }] },
  280: { because: "keys are text, as spelled", arg: [{ yes: false }] },
  281: { because: "keys are text, as spelled", arg: [{ null: 1 }] },
  282: { because: "keys are text, as spelled", arg: [{ "1.5": "x" }] },
  283: { because: "there are no sets, the word stays text", arg: ["[!!set {a}]"] },
  377: { because: "integers beyond 2^53 stay text", kwarg: { foo: "12345678901234567890" } },
  378: { because: "integers beyond 2^53 stay text", kwarg: { foo: "20240101123456123456" } },
  388: { because: "integers beyond 2^53 stay text", kwarg: { jid: "20240101123456123456" } },
  424: { because: "integers beyond 2^53 stay text", arg: [["20240101123456123456"]] },
  425: { because: "integers beyond 2^53 stay text", kwarg: { jid: "20240101123456123456" } },
};

describe("parseWords", () => {
  it.each(vectors)("agrees with Salt on vector $n $argv", ({ n, argv, arg, kwarg, no_parse = [] }) => {
    const expected = { arg, kwarg };
    const { because, ...instead } = exceptions[n] ?? {};
    const parsed = parseWords(argv, (where) => no_parse.includes(String(where)));

    expect(parsed).toStrictEqual({ ...expected, ...instead });
    if (because !== undefined) expect(parsed).not.toStrictEqual(expected);
  });

  it.each([
    ["-010", -8],
    ["+017", 15],
    ["[0_7, 1_000]", [7, 1000]],
    ["-.INF", -Infinity],
    ["1:2:3.5", 3723.5],
    ["-1:30.5", -90.5],
    [" None", "None"],
    ["[None]", ["None"]],
    [">-", ""],
    ["|2+", ""],
    [">  # c", ">  # c"],
    ["--- 1", 1],
    ["'a#b'", "'a#b'"],
    ["!!int |", "!!int |"],
    [" 1_ ", " 1_ "],
    ["true # c", true],
    ["~ # c", "~ # c"],
    ['{"a":1,"b":[x]}', { a: 1, b: ["x"] }],
    ["{a:[1], b:}", { a: [1], b: null }],
    ["[a :b, -c, -]", ["a :b", "-c", "-"]],
    ["[a: 1, b: ]", [{ a: 1 }, { b: null }]],
    ["[a,]", ["a"]],
    ["[a,,b]", "[a,,b]"],
    ["[,]", "[,]"],
    ["{: 1}", "{: 1}"],
    ["{[a]: 1}", "{[a]: 1}"],
    ["[- a]", "[- a]"],
    ["[a, #b]", "[a, #b]"],
    ["[*a]", "[*a]"],
    ["[&x, &y 1, !!str 2, ! 3]", [null, 1, "2", 3]],
    ["[!!int x]", "[!!int x]"],
    ["[!!python/name:os.system x]", "[!!python/name:os.system x]"],
    ["{<<: {a: 1}}", "{<<: {a: 1}}"],
    ["[=]", "[=]"],
    [String.raw`"\u00e9\U0001F600\e\/"`, "é😀\u001b/"],
    [String.raw`"\q"`, String.raw`"\q"`],
    [String.raw`"\U00110000"`, String.raw`"\U00110000"`],
    ["[\u0001]", "[\u0001]"],
    ["[1]\u2028", "[1]\u2028"],
  ])("makes %j %j", (word, value) => {
    expect(parseWords([word]).arg).toStrictEqual([value]);
  });

  it("keeps positions and keywords as typed where told to", () => {
    const keep = (where: number | string): boolean => where === 1 || where === "cmd";

    expect(parseWords(["1", "cmd=16:34", "2", "n=3", "4"], keep)).toStrictEqual({
      arg: [1, "2", 4],
      kwarg: { cmd: "16:34", n: 3 },
    });
  });

  it("takes __proto__ for a name like any other", () => {
    const { arg, kwarg } = parseWords(["__proto__={a: 1}", "{__proto__: {b: 2}}", "[__proto__: 3]"]);

    expect(Object.entries(kwarg)).toStrictEqual([["__proto__", { a: 1 }]]);
    expect(arg.map((item) => JSON.stringify(item))).toStrictEqual(['{"__proto__":{"b":2}}', '[{"__proto__":3}]']);
    expect(Object.getPrototypeOf(kwarg)).toBe(Object.prototype);
    expect(JSON.stringify(splitArg(toArg(arg, kwarg)))).toBe(JSON.stringify({ arg, kwarg }));
  });

  it.each([
    ["nesting", "[".repeat(100_000)],
    ["a long text", `[${"a b:c ".repeat(200_000)}`],
    ["a long quotation", `["${"x".repeat(1_000_000)}`],
    ["many anchors", "&a ".repeat(300_000)],
    ["many blanks", `a${" ".repeat(1_000_000)}: b`],
  ])("survives %s", (_, word) => {
    expect(parseWords([word]).arg[0] === word).toBe(true);
  });
});

describe("toArg and splitArg", () => {
  it.each([
    [["a", 1], {}, ["a", 1]],
    [["a"], { b: 1 }, ["a", { b: 1, __kwarg__: true }]],
    [[], { b: null }, [{ b: null, __kwarg__: true }]],
    [[{ c: 1 }], {}, [{ c: 1 }]],
  ])("%j and %j travel as %j", (arg, kwarg, travelling) => {
    expect(toArg(arg, kwarg)).toStrictEqual(travelling);
    expect(splitArg(travelling)).toStrictEqual({ arg, kwarg });
  });

  it.each([[[null]], [[{ __kwarg__: false }]], [["__kwarg__"]], [[]]])("sees no keywords in %j", (arg) => {
    expect(splitArg(arg)).toStrictEqual({ arg, kwarg: {} });
  });
});
