import { describe, expect, it } from "vitest";
import { compileGlob } from "../../../src/lib/glob.ts";

describe("compileGlob", () => {
  it.each([
    ["a slash is a character", "a*c", "a/b/c", true],
    ["a slash matches ?", "a?c", "a/c", true],
    ["a slash in a class", "a[/]c", "a/c", true],
    ["* takes a name of dots", "*", "..", true],
    ["* takes nothing", "web*", "web", true],
    ["** is *", "**b", "a/b", true],
    ["a newline is a character", "a*c", "a\nc", true],
    ["case matters", "WEB*", "web1", false],
    ["a backslash is itself", "a\\b", "a\\b", true],
    ["a backslash escapes nothing", "a\\*", "a*", false],
    ["a backslash in a class is itself", "[\\]", "\\", true],
    ["a bracket in a class", "[[]", "[", true],
    ["a closing bracket first in a class", "[]]", "]", true],
    ["a closing bracket first in a negated class", "[!]]", "a", true],
    ["^ negates nothing", "[^a]", "^", true],
    ["^ negates nothing, other side", "[^a]", "b", false],
    ["POSIX classes are none", "[[:digit:]]", "1", false],
    ["an unclosed class is text", "web[12", "web[12", true],
    ["! negates nothing", "!web", "!web", true],
    ["# is text", "#web", "#web", true],
    ["braces are text", "{a,b}", "{a,b}", true],
    ["+( is text", "+(a)", "aa", false],
    ["an empty glob matches nothing but empty text", "", "a", false],
    ["a character beyond the BMP is one", "a?", "a😀", true],
  ])("%s: %j against %j", (_case, pattern, text, expected) => {
    expect(compileGlob(pattern)(text)).toBe(expected);
  });

  it("ends soon whatever the pattern", () => {
    expect(compileGlob(`${"*a".repeat(1000)}b`)("a".repeat(128))).toBe(false);
  });

  it("refuses a pattern of more than 4096 characters", () => {
    expect(() => compileGlob("*".repeat(4097))).toThrow(expect.objectContaining({ code: "ERR_TARGET_INVALID" }));
  });
});
