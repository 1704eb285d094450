import { describe, expect, it } from "vitest";
import { type LogLevel, createLog } from "../../../src/log/log.ts";

function kit(level: LogLevel): { log: ReturnType<typeof createLog>; lines: string[] } {
  const lines: string[] = [];
  return {
    lines,
    log: createLog({ name: "msalt-test", level, write: (line) => lines.push(line), now: () => 1_763_690_794_330 }),
  };
}

describe("createLog", () => {
  it("writes one line with time, level, process, message and facts", () => {
    const { log, lines } = kit("info");
    log.warn("something odd", { id: "m1", count: 3, text: "two words", list: [1] });
    expect(lines).toEqual([
      '2025-11-21T02:06:34.330Z [warning] msalt-test: something odd id=m1 count=3 text="two words" list=[1]\n',
    ]);
  });

  it.each<[LogLevel, number]>([
    ["quiet", 0],
    ["error", 1],
    ["warning", 2],
    ["info", 3],
    ["debug", 4],
    ["all", 4],
  ])("says at level %s what belongs there", (level, count) => {
    const { log, lines } = kit(level);
    log.error("e");
    log.warn("w");
    log.info("i");
    log.debug("d");
    expect(lines).toHaveLength(count);
  });

  it("AZ-09: keeps a hostile text on its line and away from the terminal", () => {
    const { log, lines } = kit("info");
    log.info("a\nfake [info] line\u001b[2J", { "k\ny": "v\r\u202e" });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^[^\u0000-\u001f\u202e]*\n$/);
    expect(lines[0]).toContain("a\\u000afake [info] line\\u001b[2J");
  });

  it("LF-08: leaves out what a secret's name holds", () => {
    const { log, lines } = kit("info");
    log.info("enrolling", { token: "abc123", localSecret: "xyz" });
    expect(lines.join("")).not.toMatch(/abc123|xyz/);
  });

  it("LF-08: leaves secrets out at any depth", () => {
    const { log, lines } = kit("info");
    log.info("read", { key: "canary1", config: { id: "m1", token: "canary2", list: [{ password: "canary3" }] } });
    expect(lines.join("")).not.toContain("canary");
    expect(lines[0]).toContain('"id":"m1"');
  });

  it.each<[string, unknown, string]>([
    ["a big integer", 10n, "value=10"],
    ["an error", new Error("no space"), 'value="no space"'],
    ["an error inside", { cause: new Error("no space") }, '{"cause":"no space"}'],
    ["a circle", circle(), "(not printable)"],
    ["nothing", undefined, "undefined"],
  ])("writes %s without failing", (_case, value, expected) => {
    const { log, lines } = kit("info");
    log.info("m", { value });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain("value=");
    expect(lines[0]).toContain(expected);
  });

  it("cuts a text that would fill the disk", () => {
    const { log, lines } = kit("info");
    log.info("x".repeat(1_000_000), { value: "y".repeat(1_000_000) });
    expect(lines[0]?.length).toBeLessThan(20_000);
    expect(lines[0]).toContain("(1000000 characters)");
  });
});

function circle(): unknown {
  const ring: Record<string, unknown> = {};
  ring["self"] = ring;
  return ring;
}
