import { describe, expect, it } from "vitest";
import { MsaltError } from "../../../src/errors.ts";
import type { Data } from "../../../src/target/data.ts";
import type { Nodegroups } from "../../../src/target/nodegroups.ts";
import { type Candidate, resolveTarget } from "../../../src/target/target.ts";
import type { MinionId } from "../../../src/wire/ids.ts";
import type { TargetType } from "../../../src/wire/local.ts";
import { readDifferences, readFleet, readVectors } from "../../support/vectors.ts";

interface Vector {
  readonly n: number;
  readonly tgt: string;
  readonly tgt_type: TargetType;
  readonly delimiter?: string;
  readonly match: string[];
  readonly missing?: string[];
}

const fleet = readFleet();
const candidates: Candidate[] = Object.entries(fleet.minions).map(([id, { grains, pillar }]) => ({
  id: id as MinionId,
  grains: grains as Data,
  pillar: pillar as Data,
}));

/** What comes out, with nobody for an expression that is refused. */
function resolved(tgt: string, type: TargetType, delimiter: string | undefined, nodegroups: Nodegroups): unknown {
  try {
    const { minions, missing } = resolveTarget(tgt, type, candidates, { delimiter, nodegroups });
    return { minions: minions.toSorted(), missing };
  } catch (failure) {
    if (failure instanceof MsaltError && failure.code === "ERR_TARGET_INVALID") return { minions: [], missing: [] };
    throw failure;
  }
}

const files = [
  "target-glob",
  "target-list",
  "target-pcre",
  "target-grain",
  "target-grain-pcre",
  "target-pillar",
  "target-ipcidr",
  "target-compound",
];
const differences = readDifferences();

describe("targets as Salt resolves them, but for what docs/salt-differences.md lists", () => {
  for (const file of files) {
    it.each(readVectors<Vector>(`${file}.jsonl`))(
      `${file} $n $tgt`,
      ({ n, tgt, tgt_type, delimiter, match, missing = [] }) => {
        const expected = { minions: match.toSorted(), missing };
        const actual = resolved(tgt, tgt_type, delimiter, fleet.nodegroups);
        if (differences.has(`${file} ${n}`)) expect(actual).not.toEqual(expected);
        else expect(actual).toEqual(expected);
      },
    );
  }

  const groups = readVectors<{ n: number; name: string; nodegroups: Nodegroups; match: string[]; missing?: string[] }>(
    "nodegroups.jsonl",
  );
  it.each(groups)("nodegroups $n $name", ({ n, name, nodegroups, match, missing = [] }) => {
    const expected = { minions: match.toSorted(), missing };
    const actual = resolved(name, "nodegroup", undefined, nodegroups);
    if (differences.has(`nodegroups ${n}`)) expect(actual).not.toEqual(expected);
    else expect(actual).toEqual(expected);
  });
});

describe("expressions that are broken", () => {
  it.each([
    ["web1 and", "expected a target at the end of web1 and"],
    ["( web1 or db1", "expected and, or, or a closing bracket at the end of"],
    ["web1 db1", "expected and or or in web1 >>db1<<"],
    ["not ( )", "expected a target in not ( >>)<<"],
    ["N@gone", 'no nodegroup "gone"'],
    ["R@%x", "targets of type R@ are not supported"],
  ])("%s says where", (tgt, text) => {
    const message: unknown = expect.stringContaining(text);
    expect(() => resolveTarget(tgt, "compound", candidates)).toThrow(
      expect.objectContaining({ code: "ERR_TARGET_INVALID", message }),
    );
  });

  it("keeps a nodegroup together wherever it stands", () => {
    const nodegroups = { two: "web1 or web2" };
    const { minions } = resolveTarget("web* and not N@two", "compound", candidates, { nodegroups });
    expect(minions).not.toContain("web2");
    expect(resolveTarget("N@two and web2", "compound", candidates, { nodegroups }).minions).toEqual(["web2"]);
  });
});
