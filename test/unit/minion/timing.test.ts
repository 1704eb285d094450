import { describe, expect, it } from "vitest";
import { type Timing, timingOf } from "../../../src/minion/timing.ts";

const noon = new Date(2026, 10, 21, 12, 0, 0).getTime();

/** A job and clocks that move when told to: both together, or the machine's alone. */
function timed(job: Parameters<typeof timingOf>[0], random: () => number = () => 0) {
  let [monotonic, wall] = [5_000_000, noon];
  const timing: Timing = timingOf(job, { monotonic: () => monotonic, wall: () => wall, random });
  return {
    timing,
    pass: (ms: number): void => {
      monotonic += ms;
      wall += ms;
    },
    setWall: (ms: number): void => void (wall += ms),
  };
}

describe("an interval", () => {
  it("adds up its units, and keeps its beat however late a turn is taken", () => {
    const { timing, pass } = timed({ function: "test.ping", minutes: 1, seconds: 30 });
    expect(timing.wait()).toBe(90_000);
    pass(90_700);
    expect(timing.wait()).toBe(-700);
    timing.advance();
    expect(timing.wait()).toBe(89_300);
  });

  it("leaves out what was missed", () => {
    const { timing, pass } = timed({ function: "test.ping", seconds: 10 });
    pass(57_000);
    timing.advance();
    expect(timing.wait()).toBe(3000);
  });

  it("does not heed the machine's clock", () => {
    const { timing, setWall } = timed({ function: "test.ping", hours: 1 });
    setWall(86_400_000);
    expect(timing.wait()).toBe(3_600_000);
    setWall(-2 * 86_400_000);
    expect(timing.wait()).toBe(3_600_000);
  });
});

describe("a cron line", () => {
  it("is due at its minutes, once each", () => {
    const { timing, pass } = timed({ function: "test.ping", cron: "*/5 * * * *" });
    expect(timing.wait()).toBe(300_000);
    pass(300_000);
    expect(timing.wait()).toBe(0);
    timing.advance();
    expect(timing.wait()).toBe(300_000);
  });

  it("follows a clock that is put forward, and runs once for all that was jumped over", () => {
    const { timing, setWall } = timed({ function: "test.ping", cron: "0 * * * *" });
    setWall(3 * 3_600_000 + 60_000);
    expect(timing.wait()).toBeLessThan(0);
    timing.advance();
    expect(timing.wait()).toBe(59 * 60_000);
  });

  it("runs nothing twice when the clock is put back a little, and follows it when it is put back far", () => {
    const { timing, pass, setWall } = timed({ function: "test.ping", cron: "*/5 * * * *" });
    pass(300_000);
    timing.advance();
    setWall(-1000);
    expect(timing.wait()).toBe(301_000);
    setWall(-86_400_000);
    expect(timing.wait()).toBe(1000);
  });

  it.each([
    ["61 * * * *", "cron: not a cron line of five fields: Invalid value for minute: 61"],
    ["* * * * * *", "requires exactly 5 parts"],
    ["often", "cron: not a cron line of five fields: "],
    ["0 0 31 2 *", 'cron: no such day ever comes: "0 0 31 2 *"'],
  ])("%s is refused", (cron, text) => {
    expect(() => timed({ function: "test.ping", cron })).toThrow(
      expect.objectContaining({ code: "ERR_FUNCTION_ARGS", message: expect.stringContaining(text) as unknown }),
    );
  });
});

describe("a splay", () => {
  it("puts each run off by a time of its own and leaves the beat as it is", () => {
    const draws = [0.5, 0.1];
    const { timing, pass } = timed({ function: "test.ping", seconds: 60, splay: 20 }, () => draws.shift() ?? 0);
    expect(timing.wait()).toBe(70_000);
    pass(70_000);
    timing.advance();
    expect(timing.wait()).toBe(52_000);
  });

  it("holds for cron lines, also while the time of the line is over", () => {
    const { timing, pass } = timed({ function: "test.ping", cron: "*/5 * * * *", splay: 100 }, () => 0.5);
    pass(320_000);
    expect(timing.wait()).toBe(30_000);
    pass(30_000);
    expect(timing.wait()).toBe(0);
    timing.advance();
    expect(timing.wait()).toBe(300_000);
  });
});
