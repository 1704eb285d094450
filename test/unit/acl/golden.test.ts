import { describe, expect, it } from "vitest";
import { callsOf } from "../../../src/acl/call.ts";
import { compileExpression } from "../../../src/acl/expression.ts";
import { type AclRules, type Blacklist, PublisherAcl } from "../../../src/acl/publisher-acl.ts";
import { compileRules, refusalOf } from "../../../src/acl/rules.ts";
import { MsaltError } from "../../../src/errors.ts";
import type { Data } from "../../../src/target/data.ts";
import { resolveTarget } from "../../../src/target/target.ts";
import type { MinionId } from "../../../src/wire/ids.ts";
import { readDifferences, readFleet, readVectors } from "../../support/vectors.ts";

interface Vector {
  readonly n: number;
  readonly op: string;
  readonly [field: string]: unknown;
}
interface AuthCheck {
  readonly n: number;
  readonly auth_list: readonly unknown[];
  readonly fun: string | readonly string[];
  readonly args: readonly unknown[];
  readonly targets: "ALL" | readonly MinionId[];
  readonly allowed: boolean;
}
interface BlacklistCase {
  readonly n: number;
  readonly blacklist: Blacklist;
  readonly user: string;
  readonly fun: string | readonly string[];
  readonly user_blacklisted: boolean;
  readonly fun_blacklisted: boolean;
}

const fleet = readFleet();
const candidates = Object.entries(fleet.minions).map(([id, { grains, pillar }]) => ({
  id: id as MinionId,
  grains: grains as Data,
  pillar: pillar as Data,
}));
const vectors = readVectors<Vector>("acl.jsonl");
const of = <T>(op: string): T[] => vectors.filter((vector) => vector.op === op) as T[];
const differences = readDifferences();
const namesOf = (fun: string | readonly string[]): readonly string[] => (typeof fun === "string" ? [fun] : fun);

/** A broken rule keeps the master from starting, so it allows nothing. */
function unlessRefused<T>(work: () => T, refused: T): T {
  try {
    return work();
  } catch (failure) {
    if (failure instanceof MsaltError && failure.code === "ERR_TARGET_INVALID") return refused;
    throw failure;
  }
}

function allows({ auth_list, fun, args, targets }: AuthCheck): boolean {
  const minions = targets === "ALL" ? candidates.map(({ id }) => id) : targets;
  const { calls } = callsOf({ fun: namesOf(fun).join(","), arg: args });
  const covers = (target: string): MinionId[] =>
    unlessRefused(() => resolveTarget(target, "compound", candidates, { nodegroups: fleet.nodegroups }).minions, []);
  return unlessRefused(() => refusalOf(compileRules(auth_list), calls, minions, covers) === undefined, false);
}

describe("publisher_acl as Salt reads it, but for what docs/salt-differences.md lists", () => {
  it.each(of<AuthCheck>("auth_check"))("acl $n $auth_list $fun $args", (vector) => {
    if (differences.has(`acl ${vector.n}`)) expect(allows(vector)).not.toBe(vector.allowed);
    else expect(allows(vector)).toBe(vector.allowed);
  });

  it.each(of<{ n: number; publisher_acl: AclRules; user: string; rules: string[] }>("user_rules"))(
    "acl $n the rules of $user",
    ({ publisher_acl, user, rules }) => {
      const texts = Object.values(publisher_acl).flat().map(String);
      const found = new PublisherAcl(publisher_acl).rulesOf(user);
      const names = texts.map((text) => text.replace("*", "x"));
      const allowed = names.filter((fun) => found.some(({ allows: test }) => test({ fun, readings: [] })));
      expect(allowed).toEqual(rules.map((text) => text.replace("*", "x")));
    },
  );

  it.each(of<BlacklistCase>("blacklist"))("acl $n blacklist $user $fun", (vector) => {
    const acl = new PublisherAcl({}, vector.blacklist);
    expect({
      user_blacklisted: acl.isUserBlacklisted(vector.user),
      fun_blacklisted: acl.blacklisted(namesOf(vector.fun)) !== undefined,
    }).toEqual({ user_blacklisted: vector.user_blacklisted, fun_blacklisted: vector.fun_blacklisted });
  });

  it.each(of<{ n: number; value: string; expr: string; matches: boolean }>("expr_match"))(
    "acl $n $value is $expr: $matches",
    ({ value, expr, matches }) => expect(compileExpression(expr)(value)).toBe(matches),
  );

  it("leaves out only what belongs to external_auth, which msalt has not", () => {
    const tested = new Set(["auth_check", "user_rules", "blacklist", "expr_match"]);
    const others = new Set(vectors.map(({ op }) => op).filter((op) => !tested.has(op)));
    expect([...others]).toEqual(["spec_check", "fill_auth_list"]);
  });
});
