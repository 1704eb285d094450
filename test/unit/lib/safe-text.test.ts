import { describe, expect, it } from "vitest";
import { isUnsafe, safeLine, safeText } from "../../../src/lib/safe-text.ts";

const controls = [...Array(32).keys(), 127, ...Array.from({ length: 32 }, (_, n) => 128 + n)].filter(
  (code) => code !== 9 && code !== 10,
);
const directions = [0x61c, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069];
const separators = [0x2028, 0x2029];

describe("safeText", () => {
  it.each([...controls, ...directions, ...separators])("replaces U+%i", (code) => {
    const character = String.fromCharCode(code);
    expect(safeText(`a${character}b${character}`)).toBe("a?b?");
    expect(isUnsafe(character)).toBe(true);
  });

  it("keeps newlines, tabs and other scripts", () => {
    const text = "a\tb\nc zürich 東京 😀 \u00a0\u200b";
    expect(safeText(text)).toBe(text);
  });
});

describe("safeLine", () => {
  it("replaces newlines too", () => {
    expect(safeLine("a\nb\u001b[2J\t")).toBe("a?b?[2J\t");
  });
});
