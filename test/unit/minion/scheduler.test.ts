import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { encode } from "../../../src/wire/codec.ts";
import { limits } from "../../../src/wire/limits.ts";
import { tempFolder } from "../../support/keys.ts";
import { testScheduler } from "../../support/schedule.ts";

const ping = { function: "test.ping", seconds: 10 };
let folder: ReturnType<typeof tempFolder>;
let file: string;

beforeEach(() => {
  folder = tempFolder();
  file = join(folder.path, "schedule.json");
  // Files are real, time is not.
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"], now: new Date(2026, 10, 21, 12) });
});
afterEach(() => {
  vi.useRealTimers();
  folder[Symbol.dispose]();
});

describe("jobs of the configuration", () => {
  it("run at their times, with their arguments, from the start on", async () => {
    const { scheduler, begun } = testScheduler(folder.path, {
      often: { ...ping, maxrunning: 3 },
      line: { function: "test.arg", args: [1], kwargs: { a: 2 }, cron: "*/2 * * * *" },
    });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(begun).toEqual([]);
    scheduler.start();
    await vi.advanceTimersByTimeAsync(61_000);
    expect(begun.map(({ name }) => name)).toEqual(["often", "often", "often", "often", "often", "line", "often"]);
    expect(begun[0]).toEqual({ name: "often", call: { fun: "test.ping", arg: [] }, atMost: 3 });
    expect(begun[5]?.call).toEqual({ fun: "test.arg", arg: [1, { __kwarg__: true, a: 2 }] });
    expect(begun[5]?.atMost).toBe(1);
    scheduler.stop();
    await vi.advanceTimersByTimeAsync(600_000);
    expect(begun).toHaveLength(7);
  });

  it("wait longer than a timer of Node's can", async () => {
    const { scheduler, begun } = testScheduler(folder.path, { rare: { function: "test.ping", days: 30 } });
    scheduler.start();
    await vi.advanceTimersByTimeAsync(30 * 86_400_000 - 1000);
    expect(begun).toEqual([]);
    await vi.advanceTimersByTimeAsync(1000);
    expect(begun).toHaveLength(1);
  });

  it.each([
    [{ function: "test.pign", seconds: 1 }, /^schedule\.a: 'test\.pign' is not available\. Did you mean test\.ping/],
    [{ function: "test.ping", cron: "x" }, /^schedule\.a: cron: not a cron line/],
    [{ function: "test.ping", seconds: 1, args: [1] }, /^schedule\.a: Passed invalid arguments to test\.ping/],
  ])("%j keeps the minion from starting", (a, message) => {
    expect(() => testScheduler(folder.path, { a })).toThrow(
      expect.objectContaining({ code: "ERR_CONFIG_INVALID", message: expect.stringMatching(message) as unknown }),
    );
  });

  it("do not run while they, or all of them, are disabled", async () => {
    const off = testScheduler(folder.path, { a: { ...ping, enabled: false } });
    const allOff = testScheduler(folder.path, { enabled: false, a: ping });
    for (const { scheduler } of [off, allOff]) scheduler.start();
    await vi.advanceTimersByTimeAsync(60_000);
    expect([...off.begun, ...allOff.begun]).toEqual([]);
    expect(off.scheduler.nextTime("a")).toBeUndefined();
    await allOff.scheduler.enable(true);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(allOff.begun).toHaveLength(1);
  });
});

describe("changes", () => {
  it("lie over the configuration, and over its next version after a restart", async () => {
    const { scheduler } = testScheduler(folder.path, { kept: ping, gone: ping, off: ping, changed: ping });
    await scheduler.put("new", ping);
    await scheduler.put("changed", { ...ping, seconds: 99 });
    await scheduler.remove(["gone"]);
    await scheduler.enable(false, "off");
    const expected = {
      kept: { ...ping, enabled: true },
      off: { ...ping, enabled: false },
      changed: { ...ping, seconds: 99, enabled: true },
      new: { ...ping, enabled: true },
    };
    expect(Object.fromEntries(scheduler.jobs())).toEqual(expected);
    const next = { kept: ping, gone: ping, off: { ...ping, seconds: 20 }, changed: ping };
    const again = testScheduler(folder.path, next).scheduler;
    expect(Object.fromEntries(again.jobs())).toEqual({ ...expected, off: { ...ping, seconds: 20, enabled: false } });
    expect(readdirSync(folder.path)).toEqual(["schedule.json"]);
  });

  it("start and stop timers, and leave those of others as they are", async () => {
    const { scheduler, begun } = testScheduler(folder.path, { a: ping });
    scheduler.start();
    await vi.advanceTimersByTimeAsync(9000);
    await scheduler.put("b", { ...ping, seconds: 5 });
    await vi.advanceTimersByTimeAsync(1000);
    expect(begun.map(({ name }) => name)).toEqual(["a"]);
    await vi.advanceTimersByTimeAsync(4000);
    expect(begun.map(({ name }) => name)).toEqual(["a", "b"]);
    await scheduler.remove(["a", "b"]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(begun).toHaveLength(2);
  });

  it("that come together are all kept", async () => {
    const { scheduler } = testScheduler(folder.path);
    const names = Array.from({ length: 20 }, (_, n) => `job${n}`);
    await Promise.all(names.map(async (name) => scheduler.put(name, ping)));
    expect([...testScheduler(folder.path).scheduler.jobs().keys()]).toEqual(names);
  });

  it("that cannot be written do not count", async () => {
    const { scheduler } = testScheduler(join(folder.path, "none"));
    await expect(scheduler.put("a", ping)).rejects.toThrow("ENOENT");
    expect(scheduler.jobs().size).toBe(0);
    const big = { function: "test.echo", args: ["x".repeat(2_000_000)], seconds: 1 };
    await expect(testScheduler(folder.path).scheduler.put("a", big)).rejects.toThrow("larger than 1048576 bytes");
    expect(existsSync(file)).toBe(false);
  });

  it.each(["{", '{"jobs":{"a":{"function":1}},"switched":{}}', "[]"])(
    "in a damaged file (%s) are put aside",
    (text) => {
      writeFileSync(file, text);
      const { scheduler, logged } = testScheduler(folder.path, { a: ping });
      expect([...scheduler.jobs().keys()]).toEqual(["a"]);
      expect(logged).toEqual(["cannot read the schedule, going on without it"]);
      expect(readFileSync(`${file}.damaged`, "utf8")).toBe(text);
    },
  );

  it("that this minion cannot run any more are kept, but not run", async () => {
    const gone = { function: "gone.away", seconds: 1 };
    writeFileSync(file, JSON.stringify({ jobs: { gone, a: ping }, switched: {} }));
    const { scheduler, begun, logged } = testScheduler(folder.path);
    scheduler.start();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(begun.map(({ name }) => name)).toEqual(["a"]);
    expect(logged).toContain("a scheduled job cannot run");
    expect([...scheduler.jobs().keys()]).toEqual(["gone", "a"]);
  });
});

describe("results", () => {
  const ending = (value: unknown, retcode = 0) =>
    testScheduler(folder.path, { a: ping, quiet: { ...ping, return_job: false } }, async () => ({
      value,
      retcode,
      success: retcode === 0,
      state: retcode === 0 ? "succeeded" : "failed",
    }));

  it("are logged and fired, unless the job says otherwise", async () => {
    const { scheduler, fired, logged } = ending({ a: [1] }, 3);
    for (const name of ["quiet", "a"]) scheduler.run(name);
    await vi.advanceTimersByTimeAsync(0);
    expect(fired).toEqual([
      { tag: "schedule/a", data: { fun: "test.ping", retcode: 3, success: false, return: { a: [1] } } },
    ]);
    expect(logged).toEqual(["a scheduled job has failed", "a scheduled job has failed"]);
  });

  it.each([
    ["long text", "ä".repeat(20_000), /^ä{8190}$/],
    ["much data", Array.from({ length: 9000 }, (_, n) => n), /^\[0,1,2,3,/],
    ["deep data", JSON.parse(`${"[".repeat(30)}${"]".repeat(30)}`) as unknown, /^\[{30}\]{30}$/],
  ])("%s is cut to what an event can carry", async (_what, value, expected) => {
    const { scheduler, fired } = ending(value);
    scheduler.run("a");
    await vi.advanceTimersByTimeAsync(0);
    const sent = fired[0]?.data["return"];
    expect(sent).toMatch(expected);
    expect(encode(sent).length).toBeLessThanOrEqual(limits.eventBytes);
  });

  it("are none of a run that is left out", async () => {
    const { scheduler, fired, logged } = testScheduler(folder.path, { a: ping }, async () => undefined);
    scheduler.start();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(fired).toEqual([]);
    expect(logged).toEqual(["a scheduled job is left out: it still runs"]);
  });
});
