import { describe, expect, it } from "vitest";
import { yaml } from "../../../src/output/yaml.ts";

const words = (count: number): string => Array.from({ length: count }, () => "word").join(" ");
const long = `${words(20)} end`;
const key = "k".repeat(129);

describe("yaml, as PyYAML lays it out", () => {
  it.each([
    ["a long plain text", { m1: long }, `m1: ${words(16)}\n  ${words(4)} end`],
    ["a long quoted text", { m1: `it's: ${long}` }, `m1: 'it''s: ${words(14)}\n  ${words(6)} end'`],
    ["a long escaped text", { m1: `\t${long}` }, `m1: "\\t${words(15)}\n  ${words(5)} end"`],
    ["a key of two lines", { "a\nb": 1 }, "? 'a\n\n  b'\n: 1"],
    ["a key too long to be simple", { [key]: [1] }, `? ${key}\n: - 1`],
  ])("%s", (_, value, text) => {
    expect(yaml(value, 2).trimEnd()).toBe(text);
  });

  it("breaks a flow list that grows too wide", () => {
    const list = ["x".repeat(70), "y".repeat(20), "z"];
    expect(yaml({ m1: list }, -1).trimEnd()).toBe(`{m1: [${list[0]}, ${list[1]},\n    z]}`);
  });

  it.each([
    "",
    "1",
    "1.",
    "0x1f",
    "1:20",
    ".5",
    ".inf",
    "~",
    "null",
    "on",
    "2024-01-01",
    "<<",
    "=",
    "- a",
    "a: b",
    "a #b",
    "? a",
  ])("quotes %j, which would read as something else", (text) => {
    expect(yaml({ m1: text }, 2).trimEnd()).toBe(`m1: '${text}'`);
  });

  it.each(["None", "a:b", "a#b", "-a", "1.2.3", "1e3", "10.0.0.1", "it's"])("leaves %j plain", (text) => {
    expect(yaml({ m1: text }, 2).trimEnd()).toBe(`m1: ${text}`);
  });
});
