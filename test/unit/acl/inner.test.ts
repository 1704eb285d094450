import { describe, expect, it } from "vitest";
import { callsOf } from "../../../src/acl/call.ts";
import { withInner } from "../../../src/acl/inner.ts";
import { compileRules, refusalOf } from "../../../src/acl/rules.ts";
import type { MinionId } from "../../../src/wire/ids.ts";

const kwarg = (values: Record<string, unknown>): unknown => ({ ...values, __kwarg__: true });
const functionsOf = (fun: string, arg: unknown[]): string[] =>
  callsOf({ fun, arg }).calls.flatMap((call) => withInner(call).map((each) => each.fun));

describe("withInner", () => {
  it.each<[string, unknown[], string[]]>([
    ["test.ping", ["cmd.run"], ["test.ping"]],
    ["mine.send", ["cmd.run", "id"], ["mine.send", "cmd.run"]],
    ["mine.send", [kwarg({ name: "cmd.run" })], ["mine.send", "cmd.run"]],
    ["mine.send", ["x", kwarg({ mine_function: "cmd.run" })], ["mine.send", "cmd.run"]],
    ["mine.send", ["mine.send", "cmd.run"], ["mine.send", "mine.send", "cmd.run"]],
    ["mine.update", [], ["mine.update"]],
    ["schedule.add", ["j", kwarg({ function: "cmd.run", seconds: 1 })], ["schedule.add", "cmd.run"]],
    ["schedule.modify", ["j", kwarg({ seconds: 1 })], ["schedule.modify"]],
    ["schedule.modify", ["j", kwarg({ job_args: ["x"] })], ["schedule.modify", ""]],
    ["schedule.add", ["j", kwarg({ function: ["cmd.run"] })], ["schedule.add", '["cmd.run"]']],
    ["publish.publish", ["*", "cmd.run", "id"], ["publish.publish", "cmd.run"]],
    ["publish.publish", ["*", "test.ping,cmd.run"], ["publish.publish", "test.ping", "cmd.run"]],
    ["publish.publish", [kwarg({ tgt: "*", fun: "cmd.run" })], ["publish.publish", "cmd.run"]],
    ["test.ping,mine.send", [[], ["cmd.run"]], ["test.ping", "mine.send", "cmd.run"]],
  ])("finds what %s with %j would run", (fun, arg, functions) => {
    expect(functionsOf(fun, arg)).toEqual(functions);
  });

  it("gives the inner function its own arguments, for conditions on them", () => {
    const rules = compileRules([{ m1: ["mine.send", "schedule.add", { "cmd.run": { args: ["uptime$"] } }] }]);
    const minions = ["m1"] as MinionId[];
    const isAllowed = (fun: string, arg: unknown[]): boolean => {
      const calls = callsOf({ fun, arg }).calls.flatMap((call) => withInner(call));
      return refusalOf(rules, calls, minions, () => minions) === undefined;
    };
    expect(isAllowed("mine.send", ["cmd.run", "uptime"])).toBe(true);
    expect(isAllowed("mine.send", ["cmd.run", "id"])).toBe(false);
    expect(isAllowed("mine.send", ["x", "uptime", kwarg({ mine_function: "cmd.run" })])).toBe(true);
    expect(isAllowed("mine.send", ["uptime", kwarg({ mine_function: "cmd.run" })])).toBe(false);
    const job = { function: "cmd.run", seconds: 1 };
    expect(isAllowed("schedule.add", ["j", kwarg({ ...job, job_args: ["uptime"] })])).toBe(true);
    expect(isAllowed("schedule.add", ["j", kwarg({ ...job, job_args: ["id"] })])).toBe(false);
    expect(isAllowed("schedule.add", ["j", kwarg({ ...job, args: ["id"] })])).toBe(false);
    // As the minion reads them: job_args win.
    expect(isAllowed("schedule.add", ["j", kwarg({ ...job, job_args: ["id"], args: ["uptime"] })])).toBe(false);
    expect(isAllowed("schedule.add", ["j", kwarg({ ...job, job_args: null, args: ["uptime"] })])).toBe(false);
  });

  it("wants a rule for all minions for what runs on others", () => {
    const minions = ["m1"] as MinionId[];
    const calls = callsOf({ fun: "publish.publish", arg: ["*", "cmd.run"] }).calls.flatMap((call) => withInner(call));
    const refused = (...rules: unknown[]): unknown => refusalOf(compileRules(rules), calls, minions, () => minions);
    expect(refused({ m1: ["publish.*", "cmd.run"] })).toEqual({ fun: "cmd.run", minions: [] });
    expect(refused({ m1: ["publish.*"] }, "cmd.run")).toBeUndefined();
  });

  it("has no rule for what is nested without end", () => {
    const deep = Array.from({ length: 20 }, () => "mine.send");
    expect(functionsOf("mine.send", deep)).toContain("");
  });
});
