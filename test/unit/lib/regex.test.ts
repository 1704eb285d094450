import { describe, expect, it } from "vitest";
import { compileRegex } from "../../../src/lib/regex.ts";

describe("compileRegex", () => {
  it.each([
    ["is not anchored at the end", "web", "web10", true],
    ["is anchored at the start", "eb", "web1", false],
    ["anchors every alternative", "db|eb", "web1", false],
    ["knows \\Z", "web1\\Z", "web10", false],
    ["skips blanks and comments under x", "(?x) w e b # the web\n 1 $", "web1", true],
    ["keeps blanks in a class under x", "(?x)[ ]a", " a", true],
    ["takes several leading flags", "(?x)(?i) W E B", "web1", true],
    ["skips a comment group", "web(?#all of them)1", "web1", true],
    ["counts letters of every script as \\w", "\\w+$", "zürich東京", true],
    ["does so inside brackets", "[\\w-]+$", "zürich-1", true],
    ["keeps \\w to ASCII under a", "(?a)\\w+$", "zürich", false],
    ["takes a bracket in brackets literally", "[[:x]+$", "[:x", true],
    ["takes a closing bracket first in brackets", "[]a]+$", "]a", true],
    ["looks for nothing special inside brackets", "[(?=\\d]+$", "(?=1", true],
    ["takes {,n} for at most n times", "we{,2}b$", "web", true],
    ["takes {,n} literally in a class", "[{,1}]+$", "{,", true],
    ["takes code points by number", "\\u0077[\\U00000065]b", "web", true],
    ["takes a named group", "(?P<kind>web|db)\\d", "db1", true],
  ])("%s: %j against %j", (_case, pattern, text, expected) => {
    expect(compileRegex(pattern)(text)).toBe(expected);
  });

  it.each([
    ["look-ahead", "web(?=1)", "look-around"],
    ["look-behind", "(?<!x)web", "look-around"],
    ["a back-reference", "(a)\\1", "back-references"],
    ["a named back-reference", "(?P<n>a)(?P=n)", "back-references"],
    ["an atomic group", "(?>a)", "atomic"],
    ["a conditional group", "(a)?(?(1)b|c)", "conditional"],
    ["a possessive repeat", "a++", "possessive"],
    ["an unclosed group", "(web", "missing closing )"],
    ["a lone backslash", "web\\", "trailing backslash"],
    ["repeats of repeats", "(?:.{0,99}){99}", "repeat"],
    ["repeats that add up", ".{1000}".repeat(10), "repeats are too many"],
    ["a pattern that is too long", "a".repeat(4097), "4096"],
  ])("refuses %s and says so", (_case, pattern, named) => {
    expect(() => compileRegex(pattern)).toThrow(
      expect.objectContaining({ code: "ERR_TARGET_INVALID", message: expect.stringContaining(named) }),
    );
  });

  it("ends soon whatever the pattern", () => {
    expect(compileRegex("(a+)+$")(`${"a".repeat(50_000)}!`)).toBe(false);
  });
});
