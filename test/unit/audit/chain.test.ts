import { describe, expect, it } from "vitest";
import {
  type Head,
  Verifier,
  type Verdict,
  firstHead,
  mendedAct,
  openLine,
  seal,
  sha256Hex,
} from "../../../src/audit/chain.ts";

function chain(count: number, from: Head = firstHead): { lines: string[]; head: Head } {
  const lines: string[] = [];
  let head = from;
  for (let i = 0; i < count; i += 1) {
    const sealed = seal({ act: "publish", user: "ann", fun: "test.ping", arg: [`zürich ${i}`] }, head);
    lines.push(sealed.line);
    head = sealed.head;
  }
  return { lines, head };
}

function verify(file: Uint8Array | string): Verdict {
  const verifier = new Verifier();
  let rest = Buffer.from(file);
  for (let end = rest.indexOf(10); rest.length > 0; end = rest.indexOf(10)) {
    verifier.add(end < 0 ? rest : rest.subarray(0, end), end >= 0);
    rest = end < 0 ? Buffer.alloc(0) : rest.subarray(end + 1);
  }
  return verifier.verdict;
}

const fileOf = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join("");

describe("the chain of the audit log", () => {
  it("holds from the first line, and from the middle on, as after a rotation", () => {
    const { lines } = chain(5);
    expect(verify(fileOf(lines))).toEqual({ lines: 5, mended: 0 });
    expect(verify(fileOf(lines.slice(2)))).toEqual({ lines: 3, mended: 0 });
    expect(openLine(Buffer.from(lines[1] ?? ""))).toMatchObject({ n: 2, prev: sha256Hex(lines[0] ?? "") });
  });

  it("shows every changed byte, also in the last line", () => {
    const file = Buffer.from(fileOf(chain(3).lines));
    for (let at = 0; at < file.length; at += 1) {
      for (const bit of [1, 0x80]) {
        const changed = Buffer.from(file);
        changed[at] = (changed[at] ?? 0) ^ bit;
        expect([at, verify(changed).broken === undefined]).toEqual([at, false]);
      }
    }
  });

  it("shows a line that is gone, doubled, moved, or whose end is missing", () => {
    const [a = "", b = "", c = "", d = ""] = chain(4).lines;
    expect(verify(fileOf([a, c, d])).broken).toEqual({
      line: 2,
      why: "the line before it is not the one that it follows",
    });
    expect(verify(fileOf([a, b, b, c])).broken?.line).toBe(3);
    expect(verify(fileOf([a, c, b, d])).broken?.line).toBe(2);
    expect(verify(fileOf([a, b]).slice(0, -1)).broken).toEqual({ line: 2, why: "the file ends in the middle of it" });
    expect(verify(fileOf([a, b.slice(0, 20)])).broken?.line).toBe(2);
  });

  it("takes an unfinished line when the next one speaks of it, and shows when that is changed", () => {
    const { lines, head } = chain(2);
    const torn = (lines[1] ?? "").slice(0, 40);
    const [first = ""] = lines;
    const mended = seal({ act: mendedAct }, { n: 1, prev: sha256Hex(torn) });
    const more = seal({ act: "publish" }, mended.head);
    const whole = fileOf([first, torn, mended.line, more.line]);
    expect(verify(whole)).toEqual({ lines: 4, mended: 1 });
    expect(verify(whole.replace(torn, `${torn.slice(0, -1)}x`)).broken?.line).toBe(3);
    expect(verify(fileOf([first, torn, seal({ act: "publish" }, head).line])).broken).toEqual({
      line: 3,
      why: "the line before it was changed",
    });
    const forged = (lines[1] ?? "").replace("ann", "bob");
    const after = seal({ act: mendedAct }, { n: 1, prev: sha256Hex(forged) });
    expect(verify(fileOf([first, forged, after.line])).broken?.line).toBe(2);
  });
});
