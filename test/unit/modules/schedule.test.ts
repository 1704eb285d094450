import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Host } from "../../../src/modules/declare.ts";
import { call, fakeHost } from "../../support/host.ts";
import { tempFolder } from "../../support/keys.ts";
import { testScheduler } from "../../support/schedule.ts";

const own = { function: "test.ping", hours: 1 };
const written = { maxrunning: 1, name: "job1", enabled: true, jid_include: true };

let folder: ReturnType<typeof tempFolder>;
let made: ReturnType<typeof testScheduler>;
let host: Host;
beforeEach(() => {
  folder = tempFolder();
  made = testScheduler(folder.path, { own });
  made.scheduler.start();
  host = fakeHost({ schedule: made.scheduler });
});
afterEach(() => {
  made.scheduler.stop();
  folder[Symbol.dispose]();
});

const run = async (fun: string, ...words: string[]): Promise<unknown> =>
  (await call(host, `schedule.${fun}`, ...words)).value;
const jobs = async (): Promise<unknown> => run("list", "return_yaml=False");

describe("schedule.add", () => {
  it("takes the arguments of the function as Salt does, and says what was done", async () => {
    expect(
      await run("add", "job1", "function=test.arg", "job_args=[1, b]", "job_kwargs={c: 2}", "seconds=3600"),
    ).toEqual({
      comment: "Added job: job1 to schedule.",
      result: true,
      changes: { job1: "added" },
    });
    const job1 = { ...written, function: "test.arg", args: [1, "b"], kwargs: { c: 2 }, seconds: 3600 };
    expect(await jobs()).toEqual({ own: { ...own, enabled: true }, job1 });
    expect(await run("add", "job1", "function=test.ping", "seconds=1")).toEqual({
      comment: "Job job1 already exists in schedule.",
      result: false,
      changes: {},
    });
  });

  it.each([
    [["j"], "job j: function: must be the name of a function"],
    [["j", "function=test.ping"], "job j: must say when it runs: seconds, minutes, hours, days or cron"],
    [
      ["j", "function=test.ping", "seconds=9", "cron=* * * * *"],
      'job j: unable to use "seconds", "minutes", "hours", or "days" with "cron"',
    ],
    [["j", "function=test.ping", "seconds=0.2"], "job j: must not run more often than once a second"],
    [["j", "function=test.ping", "minutes=-1"], "job j: minutes: must be a number above 0"],
    [["j", "function=test.ping", "seconds=often"], "job j: seconds: must be a number above 0"],
    [["j", "function=test.pign", "seconds=9"], "job j: 'test.pign' is not available. Did you mean test.ping?"],
    [
      ["j", "function=test.ping", "cron=61 * * * *"],
      "job j: cron: not a cron line of five fields: Invalid value for minute: 61",
    ],
    [
      ["j", "function=test.ping", "seconds=9", "job_args=[1]"],
      "job j: Passed invalid arguments to test.ping: ping() takes 0 positional arguments but 1 was given",
    ],
    [["j", "function=test.ping", "seconds=9", "job_args=a"], "job j: args: must be a list"],
    [["j", "function=test.ping", "seconds=9", "maxrunning=0"], "job j: maxrunning: must be a whole number, 1 to 64"],
    [["a/b", "function=test.ping", "seconds=9"], "the name of a job must be 1 to 64 letters, digits and . _ @ : + -"],
    [["enabled", "function=test.ping", "seconds=9"], "the name of a job is no name for a job"],
  ])("%j is refused with one line", async (words, comment) => {
    const { value, retcode } = await call(host, "schedule.add", ...words);
    expect(value).toEqual({ comment, result: false, changes: {} });
    expect(retcode).toBe(1);
    expect(await jobs()).toEqual({ own: { ...own, enabled: true } });
  });

  it("names the fields that there are when one is not", async () => {
    const { comment } = (await run("add", "j", "function=test.ping", "when=noon")) as { comment: string };
    expect(comment).toMatch(/^job j: has no when; it may have function, args, kwargs, seconds, /);
  });
});

describe("schedule.modify", () => {
  it("changes what is named, and replaces the times as a whole", async () => {
    const changed = { ...own, enabled: true };
    expect(await run("modify", "own", "hours=1")).toEqual({
      comment: "Job own in correct state",
      result: true,
      changes: {},
    });
    expect(await run("modify", "own", "splay=5")).toMatchObject({
      comment: "Modified job: own in schedule.",
      changes: { own: { old: changed, new: { ...changed, splay: 5 } } },
    });
    await run("modify", "own", "cron=0 3 * * *");
    expect(await jobs()).toEqual({ own: { function: "test.ping", cron: "0 3 * * *", splay: 5, enabled: true } });
    await run("modify", "own", "splay=None", "function=test.version");
    expect(await jobs()).toEqual({ own: { function: "test.version", cron: "0 3 * * *", enabled: true } });
  });

  it("refuses what is no job", async () => {
    expect(await run("modify", "none", "seconds=1")).toMatchObject({ comment: "Job none does not exist in schedule." });
    expect(await run("modify", "own", "cron=x")).toMatchObject({ result: false });
    expect(await jobs()).toEqual({ own: { ...own, enabled: true } });
  });
});

describe("schedule", () => {
  it("test=True changes nothing", async () => {
    for (const [fun, comment] of [
      ["add job1 function=test.ping seconds=1", "Job: job1 would be added to schedule."],
      ["modify own seconds=1", "Job: own would be modified in schedule."],
      ["delete own", "Job: own would be deleted from schedule."],
      ["purge", ["Job: own would be deleted from schedule."]],
      ["disable_job own", "Job: own would be disabled in schedule."],
      ["disable", "Schedule would be disabled."],
    ] as const) {
      expect(await run(...(fun.split(" ") as [string]), "test=True")).toMatchObject({ comment, result: true });
    }
    expect(await jobs()).toEqual({ own: { ...own, enabled: true } });
  });

  it("delete and purge take jobs away", async () => {
    await run("add", "job1", "function=test.ping", "seconds=9");
    expect(await run("delete", "own")).toEqual({
      comment: "Deleted Job own from schedule.",
      result: true,
      changes: { own: "removed" },
    });
    expect(await run("delete", "own")).toMatchObject({ comment: "Job own does not exist.", result: false });
    expect(await run("purge")).toEqual({
      comment: ["Deleted job: job1 from schedule."],
      result: true,
      changes: { job1: "removed" },
    });
    expect(await run("list")).toEqual({ schedule: {} });
  });

  it("enables and disables one job, and all", async () => {
    expect(await run("disable_job", "own")).toEqual({
      comment: "Disabled Job own in schedule.",
      result: true,
      changes: { own: "disabled" },
    });
    expect(await run("is_enabled", "own")).toEqual({ ...own, enabled: false });
    expect(await run("list", "show_disabled=False")).toEqual({ schedule: {} });
    expect(await run("show_next_fire_time", "own")).toEqual({ result: true, next_fire_time: null });
    expect(await run("run_job", "own")).toEqual({ comment: "Job own is disabled.", result: true });
    expect(made.begun).toEqual([]);
    await run("run_job", "own", "force=True");
    expect(made.begun).toHaveLength(1);
    expect(await run("enable_job", "own")).toMatchObject({ comment: "Enabled Job own in schedule." });
    expect(await run("disable")).toEqual({
      comment: "Disabled schedule on minion.",
      result: true,
      changes: { schedule: "disabled" },
    });
    expect(await run("is_enabled")).toBe(false);
    expect(await jobs()).toEqual({ own: { ...own, enabled: true }, enabled: false });
    await run("enable");
    expect(await run("is_enabled")).toBe(true);
    expect(await run("is_enabled", "none")).toEqual({});
  });

  it("run_job begins a run at once", async () => {
    expect(await run("run_job", "own")).toEqual({ comment: "Scheduling Job own on minion.", result: true });
    expect(made.begun).toEqual([{ name: "own", call: { fun: "test.ping", arg: [] }, atMost: 1 }]);
    expect(await run("run_job", "none")).toEqual({ comment: "Job none does not exist.", result: false });
  });

  it("list writes YAML as Salt does, and hides jobs with two underscores", async () => {
    await run("add", "__hidden", "function=test.ping", "cron=@daily");
    expect(await run("list")).toBe("schedule:\n  own:\n    enabled: true\n    function: test.ping\n    hours: 1\n");
    expect(await run("list", "show_all=True")).toContain("  __hidden:\n    cron: '@daily'\n    enabled: true\n");
  });

  it("show_next_fire_time gives local time", async () => {
    const { next_fire_time: next } = (await run("show_next_fire_time", "own")) as { next_fire_time: string };
    expect(next).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/);
    const wait = new Date(next).getTime() - Date.now();
    expect(wait).toBeGreaterThan(3_590_000);
    expect(wait).toBeLessThanOrEqual(3_600_000);
    expect(await run("show_next_fire_time", "none")).toMatchObject({ result: false });
  });
});
