import { describe, expect, it } from "vitest";
import { type Candidate, resolveTarget } from "../../../src/target/target.ts";
import type { MinionId } from "../../../src/wire/ids.ts";
import type { TargetType } from "../../../src/wire/local.ts";
import { readVectors } from "../../support/vectors.ts";

interface Vector {
  readonly n: number;
  readonly tgt: string;
  readonly tgt_type: TargetType;
  readonly match: string[];
  readonly missing?: string[];
  readonly minion_error?: string;
}

// The whole fleet is what `*` matches. Matchers take any string: some of these ids would be refused at enrolment.
const globs = readVectors<Vector>("target-glob.jsonl");
const ids = (...names: string[]): Candidate[] => names.map((id) => ({ id: id as MinionId }));
const candidates = ids(...(globs.find(({ tgt }) => tgt === "*")?.match ?? []));
const refused = expect.objectContaining({ code: "ERR_TARGET_INVALID" });

/** pcre vectors that need what no linear-time matcher has; msalt says so instead of matching. */
const outOfReach = new Map([
  [36, "look-around"],
  [37, "look-around"],
  [38, "look-around"],
  [43, "look-around"],
  [63, "possessive"],
  [82, "back-references"],
  [83, "back-references"],
  [84, "back-references"],
]);

describe("resolveTarget", () => {
  const pcre = readVectors<Vector>("target-pcre.jsonl");
  it.each(pcre.filter(({ minion_error }) => minion_error !== undefined))(
    "refuses a broken pcre: $n $tgt",
    ({ tgt }) => {
      expect(() => resolveTarget(tgt, "pcre", candidates)).toThrow(refused);
    },
  );

  it.each(pcre.filter(({ n }) => outOfReach.has(n)))("says that it cannot: pcre $n $tgt", ({ n, tgt }) => {
    const message: unknown = expect.stringMatching(new RegExp(`${outOfReach.get(n)}.* not supported`));
    expect(() => resolveTarget(tgt, "pcre", candidates)).toThrow(
      expect.objectContaining({ code: "ERR_TARGET_INVALID", message }),
    );
  });

  it("names a missing minion once", () => {
    expect(resolveTarget("gone,b,gone", "list", ids("a", "b"))).toEqual({ minions: ["b"], missing: ["gone"] });
  });

  it.each<[string, string, TargetType]>([
    ["a glob that is too long", "a".repeat(4097), "glob"],
    ["a regular expression that is too long", "a".repeat(4097), "pcre"],
    ["a target of too many bytes", "é".repeat(32_769), "list"],
    ["a list of too many names", Array.from({ length: 1001 }, (_, n) => `m${n}`).join(","), "list"],
  ])("refuses %s", (_case, tgt, type) => {
    expect(() => resolveTarget(tgt, type, candidates)).toThrow(refused);
  });

  it("RX-12: reads a grain of many levels once, in however many ways it could be read", () => {
    const nested = (depth: number): unknown => (depth === 0 ? ["a", { a: "a" }] : { a: nested(depth - 1), b: ["a"] });
    const deep = [{ id: "m1" as MinionId, grains: { a: nested(14) } }];
    const path = "a:".repeat(31);
    expect(resolveTarget(`${path}b`, "grain", deep).minions).toEqual([]);
    expect(resolveTarget(`${path}[ab]`, "grain_pcre", deep).minions).toEqual([]);
    expect(resolveTarget(`${"*:".repeat(31)}z`, "grain", deep).minions).toEqual([]);
    expect(resolveTarget(`${"a:".repeat(16)}a`, "grain", deep).minions).toEqual(["m1"]);
    expect(() => resolveTarget(`${path}a:b`, "grain", deep)).toThrow(refused);
    expect(() => resolveTarget("a|".repeat(40), "grain", deep, { delimiter: "|" })).toThrow(refused);
  });

  it("RX-12: a pattern and a text that are both huge do not meet", () => {
    const grains = { text: "a".repeat(60_000) };
    expect(resolveTarget(`text:${"(a|b|c*)*".repeat(400)}`, "grain_pcre", [{ id: "m1" as MinionId, grains }])).toEqual({
      minions: [],
      missing: [],
    });
    expect(resolveTarget("text:a+$", "grain_pcre", [{ id: "m1" as MinionId, grains }]).minions).toEqual(["m1"]);
  });

  it.each<[string, string, TargetType]>([
    ["a regular expression", "(.*)*".repeat(100), "pcre"],
    ["a thousand words", Array.from({ length: 1000 }, (_, n) => (n % 2 ? "or" : `w${n}`)).join(" ") + " x", "compound"],
  ])("RX-12: %s that takes too long is refused, whatever is asked", (_case, tgt, type) => {
    const many = ids(...Array.from({ length: 2000 }, (_, n) => `m${n}`));
    expect(resolveTarget("m1*", "glob", many, { now: () => 0 }).minions).toHaveLength(1111);
    let calls = 0;
    const now = (): number => ((calls += 1) > 5 ? 1e6 : 0);
    expect(() => resolveTarget(tgt, type, many, { now })).toThrow(refused);
    expect(calls).toBeLessThan(20);
  });

  it("RX-12: a list of many ranges is refused before it is written out", () => {
    const ranges = Array.from({ length: 5000 }, (_, n) => `m[1-99999]${n}`).join(",");
    expect(() => resolveTarget(ranges.slice(0, 60_000), "list", candidates)).toThrow("more than 1000 minions");
  });

  it("takes a list of a thousand names", () => {
    const names = Array.from({ length: 1000 }, (_, n) => `m${n}`);
    expect(resolveTarget(names.join(" "), "list", ids("m7")).missing).toHaveLength(999);
  });
});
