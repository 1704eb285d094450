import { describe, expect, it } from "vitest";
import { parseTime } from "../../../src/runners/job-search.ts";
import { findRunner } from "../../../src/runners/registry.ts";
import type { RunnerContext } from "../../../src/runners/runner.ts";
import type { Jid } from "../../../src/wire/ids.ts";
import type { JobSummary } from "../../../src/wire/local.ts";

const now = Date.UTC(2026, 10, 21, 12);
const jidOf = (n: number): Jid => `2026112110${String(n).padStart(10, "0")}` as Jid;

function line(n: number, more: Partial<JobSummary["job"]> = {}): JobSummary {
  const rest = { user: "root", fun: "test.ping", arg: [], tgt: "*", tgtType: "glob", options: {}, missing: [] };
  return { job: { jid: jidOf(n), created: 0, notAfter: 0, ...rest, ...more }, targets: 3 };
}

/** A record of these jobs, and the pages that were asked for. */
function contextOf(lines: readonly JobSummary[], pages: number[] = []): RunnerContext {
  const newestFirst = lines.toSorted((a, b) => (a.job.jid < b.job.jid ? 1 : -1));
  const call = async (cmd: string, load: { before?: Jid; limit: number }): Promise<unknown> => {
    if (cmd !== "job.list") throw new Error(cmd);
    const older = newestFirst.filter(({ job }) => load.before === undefined || job.jid < load.before);
    pages.push(Math.min(older.length, load.limit));
    return { jobs: older.slice(0, load.limit) };
  };
  return {
    call: call as RunnerContext["call"],
    returns: async function* () {},
    user: "root",
    now: () => now,
    sleep: async () => undefined,
    subscribe: async () => undefined,
    warn: () => undefined,
    write: () => undefined,
    config: {},
    lines: async function* () {},
    version: "1.2.3",
  };
}

async function run(
  name: string,
  context: RunnerContext,
  arg: unknown[] = [],
  kwarg: Record<string, unknown> = {},
): Promise<unknown> {
  return findRunner(name, { arg, kwarg }).run({ arg, kwarg }, context);
}

describe("jobs.list_jobs", () => {
  const lines = [
    line(1, { fun: "cmd.run", tgt: "web*" }),
    line(2, { fun: "cmd.run_all", tgt: "web1,db1", tgtType: "list" }),
    line(3, { options: { metadata: { ticket: 12, tags: ["a", "b"] } } }),
  ];

  it.each<[Record<string, unknown>, number[]]>([
    [{}, [1, 2, 3]],
    [{ search_function: "cmd.*" }, [1, 2]],
    [{ search_target: "web*" }, [1, 2]],
    [{ search_target: "db1" }, [2]],
    [{ search_metadata: "{ticket: 12}" }, [3]],
    [{ search_metadata: "{tags: b}" }, [3]],
    [{ search_metadata: "{ticket: 13}" }, []],
    [{ start_time: "10:00:02" }, []],
    [{ start_time: "2026-11-21", end_time: "2026-11-22" }, [1, 2, 3]],
    [{ end_time: "2026-11-20" }, []],
  ])("%j", async (search, expected) => {
    const found = await run("jobs.list_jobs", contextOf(lines), [], search);
    expect(Object.keys(found as object)).toEqual(expected.map(jidOf));
  });

  it("goes through all pages, and stops where the time does", async () => {
    const many = Array.from({ length: 2500 }, (_, n) => line(n * 1_000_000));
    const pages: number[] = [];
    expect(Object.keys((await run("jobs.list_jobs", contextOf(many, pages))) as object)).toHaveLength(2500);
    expect(pages).toEqual([1000, 1000, 500]);
    pages.length = 0;
    await run("jobs.list_jobs", contextOf(many, pages), [], { start_time: "2026-11-21 10:40:00" });
    expect(pages).toEqual([1000]);
  });

  it("jobs.list_jobs_filter gives the newest", async () => {
    expect(Object.keys((await run("jobs.list_jobs_filter", contextOf(lines), ["2"])) as object)).toEqual([
      jidOf(2),
      jidOf(3),
    ]);
    await expect(run("jobs.list_jobs_filter", contextOf(lines), ["few"])).rejects.toMatchObject({
      code: "ERR_FUNCTION_ARGS",
    });
  });

  it("jobs.last_run is false where nothing matches", async () => {
    expect(await run("jobs.last_run", contextOf(lines), [], { function: "pkg.*" })).toBe(false);
  });

  it("refuses what is no search argument, no time, no map", async () => {
    expect(() => findRunner("jobs.list_jobs", { arg: [], kwarg: { search_fun: "x" } })).toThrow("search_fun");
    for (const search of [{ start_time: "soon" }, { search_metadata: "ticket" }]) {
      await expect(run("jobs.list_jobs", contextOf(lines), [], search)).rejects.toMatchObject({
        code: "ERR_FUNCTION_ARGS",
      });
    }
  });
});

describe("parseTime", () => {
  it.each([
    ["2026-11-21", "2026-11-21T00:00:00Z"],
    ["2026-11-21 10:30", "2026-11-21T10:30:00Z"],
    ["2026-11-21T10:30:15Z", "2026-11-21T10:30:15Z"],
    ["2026-11-21T10:30:15+02:00", "2026-11-21T08:30:15Z"],
    ["2026, Nov 21 02:41:28.764813", "2026-11-21T02:41:28.764Z"],
    ["9:05", "2026-11-21T09:05:00Z"],
    ["10:00:02", "2026-11-21T10:00:02Z"],
  ])("%s", (text, expected) => {
    expect(parseTime(text, now)).toBe(Date.parse(expected));
  });
});
