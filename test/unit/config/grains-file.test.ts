import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { saveGrains } from "../../../src/config/grains-file.ts";
import { loadMinionConfig } from "../../../src/config/load.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "msalt-grains-"));
  mkdirSync(join(root, "etc/msalt"), { recursive: true, mode: 0o755 });
});
afterEach(() => rmSync(root, { recursive: true }));

const file = (): string => join(root, "etc/msalt/grains");
const reread = (): unknown => loadMinionConfig({ rootDir: root, env: {}, overrides: { id: "m1" } }).customGrains;
const nested = (levels: number): unknown => (levels === 0 ? 1 : { k: nested(levels - 1) });

describe("saveGrains", () => {
  const shared = { a: 1 };
  it.each<[string, Record<string, unknown>]>([
    ["nothing", {}],
    ["words that YAML would guess at", { a: "yes", b: "1e3", c: "~", d: "", e: "2026-01-01", f: "null", g: "<<" }],
    ["text of several lines", { motd: "one\n  two\n\nthree\n", tail: "x\n\n" }],
    ["marks of YAML itself", { a: "- x", b: "a: b", c: "# c", d: "&x", e: "*x", f: "!x", g: "'", h: '"' }],
    ["the same list under two names", { x: shared, y: [shared, shared] }],
    ["null, numbers and truth", { n: null, i: -7, f: 1.5, t: true }],
    ["sixteen levels, as deep as an argument may be", { deep: nested(16) }],
  ])("writes %s so that the minion reads the same at its next start", async (_case, grains) => {
    await saveGrains(file(), grains);
    expect(reread()).toEqual(grains);
    expect(statSync(file()).mode & 0o777).toBe(0o600);
  });

  it.each<[string, Record<string, unknown>]>([
    ["nested too deep", { deep: nested(30) }],
    ["too large", { big: "x".repeat(1_100_000) }],
    ["binary", { raw: new Uint8Array(3) }],
  ])(
    "refuses what is %s and leaves the file as it was: the minion must be able to start again",
    async (_case, grains) => {
      await saveGrains(file(), { role: "web" });
      const before = readFileSync(file(), "utf8");
      await expect(saveGrains(file(), grains)).rejects.toMatchObject({ code: "ERR_FUNCTION_ARGS" });
      expect(readFileSync(file(), "utf8")).toBe(before);
      expect(readdirSync(join(root, "etc/msalt"))).toEqual(["grains"]);
    },
  );
});
