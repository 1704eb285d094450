import { describe, expect, it } from "vitest";
import { difference, grouped } from "../../../src/dashboard/fold.ts";
import type { Target } from "../../../src/dashboard/types.ts";

const ended = (id: string, value: unknown, success = true): Target => ({
  id,
  state: success ? "succeeded" : "failed",
  success,
  return: value,
});

describe("grouped", () => {
  it("puts equal answers together, the largest group first, failures apart", () => {
    const groups = grouped([
      ended("a", "x"),
      ended("b", { k: [1] }),
      ended("c", { k: [1] }),
      ended("d", "x", false),
      { id: "e", state: "running" },
      ended("f", { k: [1] }),
    ]);
    expect(groups.map(({ ids, failed }) => [ids, failed])).toEqual([
      [["b", "c", "f"], false],
      [["a"], false],
      [["d"], true],
    ]);
  });
});

describe("difference", () => {
  it("shows what differs, with its surroundings", () => {
    expect(difference("1\n2\n3\n4\n5\n6", "1\n2\n3\n4\nfive\n6")).toEqual([" 3", " 4", "-5", "+five", " 6"]);
  });

  it("is none for more than can be compared at once", () => {
    expect(difference("x".repeat(200_001), "y")).toBeUndefined();
  });
});
