import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { findProgram, quoteWord, splitWords } from "../../../src/modules/programs.ts";

const texts = [
  "a b  c",
  `'a b' "c d"`,
  String.raw`a\ b "c\"d" 'e\f'`,
  `x''y ""`,
  `a"b c"d'e'`,
  "  ",
  String.raw`"a\b" "\\"`,
  "a\tb\nc",
];

describe("splitWords", () => {
  it.each(texts)("splits as a shell does: %j", (text) => {
    const words = execFileSync("sh", ["-c", `for w in ${text.replaceAll("\n", " ")}; do printf '%s\\0' "$w"; done`], {
      encoding: "utf8",
    });
    expect(splitWords(text)).toEqual(words.split("\0").slice(0, -1));
  });

  it.each(["'a", '"a', "a\\", `"a\\"`])("refuses what stays open: %j", (text) => {
    expect(splitWords(text)).toBeUndefined();
  });

  it("expands nothing", () => expect(splitWords("$HOME *.ts `id` ;|")).toEqual(["$HOME", "*.ts", "`id`", ";|"]));
});

describe("quoteWord", () => {
  it.each(["plain/path-1.sh", "", "a b", "it's", '"$x`', "a\nb", "-n", "*"])("survives a shell: %j", (word) => {
    expect(execFileSync("sh", ["-c", `printf %s ${quoteWord(word)}`], { encoding: "utf8" })).toBe(word);
  });
});

describe("findProgram", () => {
  it.each<[string, string, string | undefined, boolean]>([
    ["sh", "/no/such:/usr/bin:/bin", undefined, true],
    ["sh", "/no/such", undefined, false],
    ["", "/usr/bin", undefined, false],
    ["bin", "/usr", undefined, false],
    ["/bin/sh", "", undefined, true],
    ["bin/sh", "", "/usr", true],
    ["./sh", "", "/usr", false],
    ["/etc/passwd", "", undefined, false],
  ])("%j in %j from %s: %s", (name, path, cwd, found) => {
    expect(findProgram(name, path, cwd) !== undefined).toBe(found);
  });
});
