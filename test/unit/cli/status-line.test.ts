import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { StatusLine } from "../../../src/cli/status-line.ts";

let written: string;
let text: string;
let line: StatusLine;

beforeEach(() => {
  vi.useFakeTimers();
  written = "";
  text = "0/2 done";
  const add = (more: string): void => void (written += more);
  line = new StatusLine(
    { color: false, out: add, err: add },
    () => 20,
    () => text,
  );
});
afterEach(() => {
  line.close();
  vi.useRealTimers();
});

/** What stands on the terminal's last line. */
const shown = (): string => written.split("\n").at(-1)?.split("\r\u001b[K").at(-1) ?? "";

describe("StatusLine", () => {
  it("comes after a second, changes with its text, and goes before anything else is written", () => {
    vi.advanceTimersByTime(900);
    expect(written).toBe("");
    vi.advanceTimersByTime(400);
    expect(shown()).toBe("0/2 done");
    text = "1/2 done";
    vi.advanceTimersByTime(400);
    expect(shown()).toBe("1/2 done");
    line.out("m1:\n    True\n");
    expect(written).toContain("\r\u001b[Km1:\n    True\n");
    expect(shown()).toBe("");
    vi.advanceTimersByTime(400);
    expect(shown()).toBe("1/2 done");
    line.close();
    expect(shown()).toBe("");
  });

  it("is cut to the terminal's width, and not written again while it is the same", () => {
    text = "x".repeat(100);
    vi.advanceTimersByTime(1300);
    expect(shown()).toBe("x".repeat(19));
    const before = written.length;
    vi.advanceTimersByTime(5000);
    expect(written).toHaveLength(before);
  });
});
