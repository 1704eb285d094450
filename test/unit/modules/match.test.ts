import { describe, expect, it } from "vitest";
import type { Host } from "../../../src/modules/declare.ts";
import { builtins } from "../../../src/modules/registry.ts";
import { runFunction } from "../../../src/modules/run.ts";
import type { MinionId } from "../../../src/wire/ids.ts";
import { call, fakeHost } from "../../support/host.ts";
import { readDifferences, readFleet, readVectors } from "../../support/vectors.ts";

interface Vector {
  readonly n: number;
  readonly tgt: string;
  readonly delimiter?: string;
  readonly match: string[];
}

const hosts = Object.entries(readFleet().minions).map(([id, { grains }]) =>
  fakeHost({ id: id as MinionId, grains: grains as Host["grains"] }),
);
const differences = readDifferences();

/** Those of the fleet that say of themselves that they are meant. */
async function meant(fun: string, tgt: string, delimiter: string | undefined): Promise<string[]> {
  const arg = [tgt, ...(delimiter === undefined ? [] : [{ __kwarg__: true, delimiter }])];
  const said = await Promise.all(
    hosts.map(async (host) => ((await runFunction(builtins, { fun, arg }, host)).value === true ? [host.id] : [])),
  );
  return said.flat();
}

describe("every machine of the fleet knows whether it is meant", () => {
  const files = { glob: "glob", list: "list", pcre: "pcre", grain: "grain", grain_pcre: "grain-pcre" };
  for (const [name, kind] of Object.entries({ ...files, ipcidr: "ipcidr", compound: "compound" })) {
    const file = `target-${kind}`;
    const vectors = readVectors<Vector>(`${file}.jsonl`).filter(
      // Nodegroups and pillar are the master's.
      ({ n, tgt }) => !differences.has(`${file} ${n}`) && (kind !== "compound" || !/[NIJ](?:.)?@/.test(tgt)),
    );
    it(`match.${name}: ${vectors.length} cases`, async () => {
      expect(vectors.length).toBeGreaterThan(15);
      for (const { n, tgt, delimiter, match } of vectors) {
        const actual = await meant(`match.${name}`, tgt, delimiter);
        expect({ n, tgt, match: actual.toSorted() }).toEqual({ n, tgt, match: match.toSorted() });
      }
    });
  }
});

describe("match", () => {
  const host = fakeHost();

  it.each<[string, string[], boolean]>([
    ["match.glob", ["m*"], true],
    ["match.glob", ["m*", "minion_id=web1"], false],
    ["match.glob", ["web?", "web1"], true],
    ["match.list", ["db1,web1", "web1"], true],
    ["match.pcre", ["web\\d$", "web1"], true],
    ["match.compound", ["web1 and G@os:Debian", "web1"], true],
    ["match.compound", ["web1 and G@os:Debian"], false],
    ["match.grain", ["dns|nameservers|10.0.0.1", "delimiter=|"], true],
    ["match.grain", ["dns|nameservers|10.0.0.1"], false],
  ])("%s %j is %s, and no failure", async (fun, words, value) => {
    expect(await call(host, fun, ...words)).toMatchObject({ value, retcode: 0 });
  });

  it.each<[string, string[], RegExp]>([
    ["match.compound", ["web1 or N@group"], /a minion knows no nodegroups: N@ can only be resolved by the master/],
    ["match.compound", ["web1 and"], /broken target: expected a target at the end/],
    ["match.pcre", ["("], /^ERROR: /],
    ["match.glob", ["*", "minion_id=../etc"], /minion_id: must be the name of a minion/],
  ])("%s %j is refused", async (fun, words, text) => {
    const { value, retcode } = await call(host, fun, ...words);
    expect(value).toMatch(text);
    expect(retcode).toBe(1);
  });
});
