import { describe, expect, it } from "vitest";
import { LiveLines } from "../../../src/cli/live-lines.ts";
import type { MinionId } from "../../../src/wire/ids.ts";

const [m1, m2] = ["m1", "m2"] as [MinionId, MinionId];
const bytes = (text: string): Uint8Array => Buffer.from(text);

describe("LiveLines", () => {
  it("shows whole lines with their minion in front, and the rest at the end", () => {
    const lines = new LiveLines(false);
    expect(lines.add(m1, bytes("one\ntw"))).toBe("m1: one\n");
    expect(lines.add(m2, bytes("other\n\n"))).toBe("m2: other\nm2: \n");
    expect(lines.add(m1, bytes("o"))).toBe("");
    expect(lines.end(m1)).toBe("m1: two\n");
    expect(lines.end(m1) + lines.end(m2)).toBe("");
  });

  it("puts characters together that came in parts", () => {
    const lines = new LiveLines(false);
    const [first, second] = [bytes("é\n").subarray(0, 1), bytes("é\n").subarray(1)];
    expect(lines.add(m1, first) + lines.add(m1, second)).toBe("m1: é\n");
  });

  it("lets no minion write into the terminal, and shows what a carriage return leaves", () => {
    const lines = new LiveLines(false);
    expect(lines.add(m1, bytes("\u001b]0;evil\u0007\n10%\r100%\r\n"))).toBe("m1: ?]0;evil?\nm1: 100%\n");
  });

  it("shows a line without end in pieces", () => {
    const lines = new LiveLines(false);
    const text = lines.add(m1, bytes("x".repeat(10_000)));
    expect(text).toBe(`m1: ${"x".repeat(10_000)}\n`);
  });
});
