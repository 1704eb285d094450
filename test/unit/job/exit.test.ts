import { describe, expect, it } from "vitest";
import { exitOf } from "../../../src/job/exit.ts";
import type { Target } from "../../../src/job/types.ts";
import type { MinionId } from "../../../src/wire/ids.ts";

const [m0, m1] = ["m0", "m1"] as [MinionId, MinionId];
const both = { minions: [m0, m1], missing: [] };
const good = (id: MinionId, more: Partial<Target> = {}): Target => ({ id, state: "succeeded", retcode: 0, ...more });
const silent = (id: MinionId, state: Target["state"]): Target => ({ id, state });

describe("exitOf", () => {
  it.each<[string, 0 | 1 | 2, Parameters<typeof exitOf>[0], Target[]]>([
    ["all succeeded", 0, both, [good(m0), good(m1)]],
    ["all succeeded, one late", 0, both, [good(m0), good(m1, { late: true })]],
    ["one failed", 1, both, [good(m0), good(m1, { state: "failed", retcode: 3 })]],
    ["all failed", 1, both, [m0, m1].map((id) => good(id, { state: "failed", retcode: 1 }))],
    ["one succeeded with a retcode", 1, both, [good(m0), good(m1, { retcode: 3 })]],
    ["one was killed", 1, both, [good(m0), good(m1, { state: "killed", retcode: 143 })]],
    ["one minion says its run was lost", 1, { minions: [m0], missing: [] }, [good(m0, { state: "lost", retcode: 1 })]],
    ["one is still running", 1, both, [good(m0), silent(m1, "running")]],
    ["one has no row", 1, both, [good(m0)]],
    ["one expired", 1, both, [good(m0), silent(m1, "expired")]],
    ["one was skipped", 1, both, [good(m0), silent(m1, "skipped")]],
    ["a name without a key", 1, { minions: [m0], missing: ["nosuch"] }, [good(m0)]],
    ["nothing came back", 2, both, [silent(m0, "lost"), silent(m1, "expired")]],
    ["nobody has begun", 2, both, []],
    ["only names without a key", 2, { minions: [], missing: ["nosuch"] }, []],
    ["nothing matched", 2, { minions: [], missing: [] }, []],
  ])("%s: %i", (_case, code, job, targets) => {
    expect(exitOf(job, targets)).toBe(code);
  });
});
