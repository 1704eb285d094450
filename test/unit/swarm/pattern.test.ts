import { describe, expect, it } from "vitest";
import { fillGrains, fillIn, idOf } from "../../../src/swarm/pattern.ts";
import { code } from "../../support/keys.ts";

describe("fillIn", () => {
  it.each([
    ["web{n}", "web17"],
    ["dc{n%4}-web{n}", "dc1-web17"],
    ["{n}{n}", "1717"],
    ["{m}", "{m}"],
    ["{n%}", "{n%}"],
  ])("%s of number 17 is %s", (pattern, filled) => {
    expect(fillIn(pattern, 17)).toBe(filled);
  });

  it("refuses to divide by nothing", () => {
    expect(() => fillIn("{n%0}", 1)).toThrow(code("ERR_USAGE"));
  });
});

describe("fillGrains", () => {
  it("gives numbers as numbers and the rest as text", () => {
    expect(fillGrains(["dc={n%4}", "role=web", "url=a=b", "rack{n}=r{n}", "empty="], 6)).toEqual({
      dc: 2,
      role: "web",
      url: "a=b",
      rack6: "r6",
      empty: "",
    });
  });

  it.each(["role", "=web", "a b=c"])("refuses %j", (grain) => {
    expect(() => fillGrains([grain], 1)).toThrow(code("ERR_USAGE"));
  });
});

describe("idOf", () => {
  it.each(["../{n}", "web {n}", "{n}-", ""])("refuses %j, naming the number", (pattern) => {
    expect(() => idOf(pattern, 3)).toThrow(/number 3/);
  });
});
