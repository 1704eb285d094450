import { describe, expect, it } from "vitest";
import { callsOf } from "../../../src/acl/call.ts";
import { compileExpression, compileWhole } from "../../../src/acl/expression.ts";
import { PublisherAcl } from "../../../src/acl/publisher-acl.ts";
import { compileRules, refusalOf } from "../../../src/acl/rules.ts";
import { compileGlob } from "../../../src/lib/glob.ts";
import type { Words } from "../../../src/wire/args.ts";
import type { MinionId } from "../../../src/wire/ids.ts";

const fleet = ["db1", "web1", "web2"] as MinionId[];
const covers = (target: string): MinionId[] => fleet.filter(compileGlob(target));

function refused(rules: unknown[], fun: string, words: Words, minions = fleet): unknown {
  return refusalOf(
    compileRules(rules),
    callsOf({ fun, arg: fun.includes(",") ? words : [], words }).calls,
    minions,
    covers,
  );
}

describe("refusalOf", () => {
  it("names the function and the minions that no rule allows", () => {
    const rules = [{ "web*": ["cmd.run"] }, "test.ping"];
    expect(refused(rules, "cmd.run", ["id"])).toEqual({ fun: "cmd.run", minions: ["db1"] });
    expect(refused(rules, "cmd.run", ["id"], ["web1" as MinionId])).toBeUndefined();
    expect(refused(rules, "test.ping,cmd.run", [[], ["id"]])).toEqual({ fun: "cmd.run", minions: ["db1"] });
    expect(refused(rules, "cmd.run,test.echo", [["id"], []])).toEqual({ fun: "cmd.run", minions: ["db1"] });
    expect(refused(rules, "test.echo", ["x"])).toEqual({ fun: "test.echo", minions: [] });
  });

  it("takes a rule for each minion", () => {
    const rules = [{ "web*": ["cmd.run"] }, { "db*": ["cmd.*"] }];
    expect(refused(rules, "cmd.run", ["id"])).toBeUndefined();
    expect(refused(rules, "cmd.retcode", ["id"])).toEqual({ fun: "cmd.retcode", minions: ["web1", "web2"] });
  });

  it.each<[string, Words]>([
    ["a comment that guessing would drop", ["5 # ; id"]],
    ["a number that is written otherwise", ["0x5"]],
    ["a number over 60 places", ["1:30"]],
  ])("holds a word to what it is typed as and to what it is guessed to be: %s", (_case, words) => {
    const rules = [{ "*": [{ "cmd.run": { args: ["[0-9]+$"] } }] }];
    expect(refused(rules, "cmd.run", words)).toEqual({ fun: "cmd.run", minions: [] });
    expect(refused(rules, "cmd.run", ["5"])).toBeUndefined();
  });

  it("wants one rule for all readings of all arguments", () => {
    // The first word is typed 1:30 and guessed 90: neither rule alone allows both.
    const rules = [{ "*": [{ "test.arg": [{ args: ["1:30$"] }, { args: ["90$"] }] }] }];
    expect(refused(rules, "test.arg", ["1:30"])).toEqual({ fun: "test.arg", minions: [] });
  });
});

describe("callsOf", () => {
  it("gives the arguments that the words stand for, whatever came with them", () => {
    expect(callsOf({ fun: "test.arg", arg: ["harmless"], words: ["5", "a=yes"] }).arg).toEqual([
      5,
      { a: true, __kwarg__: true },
    ]);
    expect(callsOf({ fun: "a.b,c.d", arg: [["x"], []], words: [["1"], ["2"]] }).arg).toEqual([[1], [2]]);
  });

  it.each<[string, unknown[], Words | undefined]>([
    ["a.b", [], [["x"]]],
    ["a.b,c.d", [["x"]], undefined],
    ["a.b,c.d", ["x", []], undefined],
    ["a.b,c.d", [[], []], ["x", "y"]],
    ["a.b,c.d", [[], []], []],
  ])("refuses lists that minions would read otherwise: %s %j %j", (fun, arg, words) => {
    expect(() => callsOf({ fun, arg, words })).toThrow(expect.objectContaining({ code: "ERR_WIRE_INVALID" }));
  });
});

describe("expressions", () => {
  it("are whole, also with alternatives and without a bracket too many", () => {
    expect(compileWhole("a|b")("bc")).toBe(false);
    expect(compileWhole(".*")("a\nb")).toBe(false);
    expect(() => compileWhole("a)|(.*")).toThrow(expect.objectContaining({ code: "ERR_TARGET_INVALID" }));
  });

  it("take a negative look-ahead at their beginning, and say no to others", () => {
    const test = compileExpression("^(?!a(?:b|[)]c)|x\\)).*$");
    expect(["abz", "a)c", "x)"].map(test)).toEqual([false, false, false]);
    expect(["ax", "xy", ""].map(test)).toEqual([true, true, true]);
    for (const expression of ["a(?!b).*", "(?=a).*", "(a)\\1", "^(?!(?=a)b).*"]) {
      expect(() => compileExpression(expression)).toThrow(expect.objectContaining({ code: "ERR_TARGET_INVALID" }));
    }
    expect(() => new PublisherAcl({ ann: [{ "*": ["te(st"] }] })).toThrow("te(st");
  });
});
