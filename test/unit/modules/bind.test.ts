import { describe, expect, it } from "vitest";
import * as z from "zod";
import { bindArguments } from "../../../src/modules/bind.ts";
import { declare } from "../../../src/modules/declare.ts";

const fn = declare({
  name: "some.thing",
  summary: "Do something.",
  params: z.strictObject({
    text: z.string(),
    count: z.number().optional(),
    flag: z.boolean().default(false),
    codes: z.array(z.int()).optional(),
    env: z.record(z.string(), z.string()).optional(),
    any: z.unknown().optional(),
    path: z.string().optional(),
  }),
  effects: "none",
  run: async () => true,
});
const open = declare({
  name: "some.open",
  summary: "Take anything.",
  params: z.strictObject({ tag: z.string(), args: z.array(z.unknown()), kwargs: z.record(z.string(), z.unknown()) }),
  rest: "args",
  keywords: "kwargs",
  effects: "none",
  run: async () => true,
});
const names = declare({
  name: "some.names",
  summary: "Take names.",
  params: z.strictObject({ names: z.array(z.string()).min(1), kwargs: z.record(z.string(), z.string()) }),
  rest: "names",
  keywords: "kwargs",
  effects: "none",
  run: async () => true,
});
const none = declare({
  name: "some.none",
  summary: "Take none.",
  params: z.strictObject({}),
  effects: "none",
  run: async () => true,
});

describe("bindArguments from words", () => {
  it.each<[string, string[], object]>([
    ["keeps text that looks like something else", ["true"], { text: "true" }],
    ["keeps a time", ["16:34"], { text: "16:34" }],
    ["keeps a leading zero", ["0755"], { text: "0755" }],
    ["keeps text under its keyword", ["text=010", "path=yes"], { text: "010", path: "yes" }],
    ["guesses what is typed otherwise", ["x", "1.5", "yes"], { text: "x", count: 1.5, flag: true }],
    ["guesses an untyped value as Salt does", ["x", "any=16:34"], { any: 994 }],
    ["takes a list", ["x", "codes=[1, 2]"], { codes: [1, 2] }],
    ["takes a list without brackets", ["x", "codes=1,2"], { codes: [1, 2] }],
    ["takes one member for a list", ["x", "codes=7"], { codes: [7] }],
    ["makes text of the members of a map of text", ["x", "env={A: 1, B: x}"], { env: { A: "1", B: "x" } }],
    ["takes None for not given", ["x", "None", "codes=None"], { text: "x", flag: false }],
  ])("%s", (_case, words, expected) => {
    const bound = bindArguments(fn, [], words);
    expect(bound).toMatchObject(expected);
  });

  it("leaves out what was not given, but for defaults", () => {
    expect(bindArguments(fn, [], ["x", "None"])).toEqual({ text: "x", flag: false });
  });

  it("gathers what is left over, text as text", () => {
    expect(bindArguments(open, [], ["010", "1", "two", "a=1"])).toEqual({
      tag: "010",
      args: [1, "two"],
      kwargs: { a: 1 },
    });
    expect(bindArguments(names, [], ["010", "yes", "a=1"])).toEqual({ names: ["010", "yes"], kwargs: { a: "1" } });
  });
});

describe("bindArguments from values", () => {
  it.each<[string, unknown[], object]>([
    ["takes positions and keywords", ["x", 2, { __kwarg__: true, flag: true }], { text: "x", count: 2, flag: true }],
    ["makes text of a number", [5], { text: "5" }],
    ["makes a number of text", ["x", "5"], { count: 5 }],
    ["makes a truth value of its name", ["x", { __kwarg__: true, flag: "True" }], { flag: true }],
    ["passes over what Salt adds", ["x", { __kwarg__: true, __pub_jid: "1" }], { text: "x" }],
  ])("%s", (_case, arg, expected) => {
    expect(bindArguments(fn, arg)).toMatchObject(expected);
  });
});

describe("bindArguments refuses, in Salt's words", () => {
  it.each<[typeof none | typeof fn | typeof open, unknown[], string]>([
    [none, ["x"], "Passed invalid arguments to some.none: none() takes 0 positional arguments but 1 was given"],
    [fn, [], "Passed invalid arguments to some.thing: thing() missing 1 required positional argument: 'text'"],
    [
      fn,
      [1, 2, true, 4, 5, 6, 7, 8],
      "Passed invalid arguments to some.thing: thing() takes from 1 to 7 positional arguments but 8 were given",
    ],
    [
      none,
      [{ __kwarg__: true, a: 1, b: 2 }],
      "Passed invalid arguments to some.none: the following keyword arguments are not valid: a, b",
    ],
    [
      fn,
      ["x", { __kwarg__: true, text: "y" }],
      "Passed invalid arguments to some.thing: thing() got multiple values for argument 'text'",
    ],
    [fn, ["x", "many"], "Passed invalid arguments to some.thing: count: expected number, received string"],
    [fn, [{ a: 1 }], "Passed invalid arguments to some.thing: text: expected string, received object"],
    [fn, [null], "Passed invalid arguments to some.thing: text: expected string, received null"],
  ])("%#: %s %j", (declaration, arg, message) => {
    expect(() => bindArguments(declaration, arg)).toThrow(
      expect.objectContaining({ code: "ERR_FUNCTION_ARGS", message }),
    );
  });

  it("does not take a parameter's name from the object's prototype", () => {
    expect(() => bindArguments(none, [], ["constructor=1"])).toThrow("not valid: constructor");
    expect(Object.getPrototypeOf(bindArguments(open, [], ["t", "__proto__={}"])["kwargs"])).toBe(Object.prototype);
  });
});
