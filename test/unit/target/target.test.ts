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

  it("takes a list of a thousand names", () => {
    const names = Array.from({ length: 1000 }, (_, n) => `m${n}`);
    expect(resolveTarget(names.join(" "), "list", ids("m7")).missing).toHaveLength(999);
  });
});
