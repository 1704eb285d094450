import { describe, expect, it } from "vitest";
import { argumentsOf, type Fields, fieldsOf } from "../../../src/dashboard/form.ts";
import type { FunctionInfo, Parameter } from "../../../src/dashboard/types.ts";

const parameter = (name: string, kind: Parameter["kind"], more: Partial<Parameter> = {}): Parameter => ({
  name,
  kind,
  required: false,
  ...more,
});
const cmd: FunctionInfo = {
  name: "cmd.run",
  summary: "",
  effects: "some",
  parameters: [
    parameter("cmd", "text", { required: true }),
    parameter("cwd", "text"),
    parameter("timeout", "number"),
    parameter("shell", "boolean", { default: true }),
    parameter("env", "map"),
    parameter("codes", "list"),
  ],
};
const rest: FunctionInfo = {
  ...cmd,
  parameters: [
    parameter("name", "text", { required: true }),
    parameter("n", "number"),
    parameter("more", "list", { variadic: "rest" }),
    parameter("others", "map", { variadic: "keywords" }),
  ],
};

describe("argumentsOf", () => {
  it.each<[string, FunctionInfo, Fields, unknown[], Record<string, unknown>]>([
    ["what is required by place, the rest by name", cmd, { cmd: "uptime", timeout: "5" }, ["uptime"], { timeout: 5 }],
    ["texts as typed", cmd, { cmd: "true", cwd: "16:34" }, ["true"], { cwd: "16:34" }],
    [
      "each kind",
      cmd,
      { cmd: "x", shell: "false", env: "{A: b}", codes: "1\n2" },
      ["x"],
      { shell: false, env: { A: "b" }, codes: ["1", "2"] },
    ],
    ["a list as a list", cmd, { cmd: "x", codes: "[1, 2]" }, ["x"], { codes: [1, 2] }],
    ["what is left empty not at all", cmd, { cmd: "x", cwd: "", timeout: "" }, ["x"], {}],
    ["the rest behind the places of all others", rest, { name: "a", more: "x\n5" }, ["a", null, "x", 5], {}],
    ["other keywords", rest, { name: "a", others: "k=v\nn2=7" }, ["a"], { k: "v", n2: 7 }],
  ])("gives %s", (_case, fn, fields, arg, kwarg) => {
    expect(argumentsOf(fn, fields)).toEqual({ arg, kwarg });
    expect(argumentsOf(fn, fieldsOf(fn, { arg, kwarg }) ?? {})).toEqual({ arg, kwarg });
  });

  it.each<[Fields, string]>([
    [{ cmd: "x", timeout: "soon" }, "timeout"],
    [{ cmd: "x", env: "A" }, "env"],
    [{ cmd: "x", shell: "perhaps" }, "shell"],
  ])("refuses %j and names the field", (fields, named) => {
    expect(() => argumentsOf(cmd, fields)).toThrow(named);
  });
});

describe("fieldsOf", () => {
  it("is undefined for a call that the form has no field for", () => {
    expect(fieldsOf(cmd, { arg: ["x", "/", 1, true, {}, [], "more"], kwarg: {} })).toBeUndefined();
    expect(fieldsOf(cmd, { arg: ["x"], kwarg: { odd: 1 } })).toBeUndefined();
  });
});
