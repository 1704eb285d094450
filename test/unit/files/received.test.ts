import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { receivePart } from "../../../src/files/received.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "msalt-received-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const whole = Buffer.from("first second");
const sha256 = createHash("sha256").update(whole).digest();
const part = (path: string, offset: number, end = whole.length): Parameters<typeof receivePart>[2] => ({
  path,
  offset,
  total: whole.length,
  sha256,
  data: whole.subarray(offset, end),
});

describe("receivePart", () => {
  it("puts a file in its place when its last part has come, and not before", async () => {
    const place = join(dir, "m1/files/var/log/a");
    await receivePart(dir, "m1", part("/var/log/a", 0, 6), 100);
    await receivePart(dir, "m1", part("/var/log/a", 0, 6), 100);
    expect(existsSync(place)).toBe(false);
    await receivePart(dir, "m1", part("/var/log/a", 6), 100);
    expect(readFileSync(place, "utf8")).toBe("first second");
    expect(readdirSync(join(dir, "m1")).toSorted()).toEqual(["files"]);
  });

  it("takes the same bytes for two places at once", async () => {
    for (const path of ["a", "b"]) await receivePart(dir, "m1", part(path, 0, 6), 100);
    for (const path of ["b", "a"]) await receivePart(dir, "m1", part(path, 6), 100);
    for (const path of ["a", "b"]) expect(readFileSync(join(dir, "m1/files", path), "utf8")).toBe("first second");
  });

  it("keeps nothing of a file that is not what was announced", async () => {
    await receivePart(dir, "m1", part("a", 0, 6), 100);
    const wrong = { ...part("a", 6), data: Buffer.from("SECOND") };
    await expect(receivePart(dir, "m1", wrong, 100)).rejects.toThrow("changed while it was sent");
    expect(readdirSync(join(dir, "m1"), { recursive: true })).toEqual(["files"]);
  });

  it.each(["", "/", "..", "../../m2/files/x", "a/../../x", "./a", "a\0b"])(
    "FA-02: refuses the path %j",
    async (path) => {
      await expect(receivePart(dir, "m1", part(path, 0), 100)).rejects.toMatchObject({ code: "ERR_NOT_ALLOWED" });
      expect(readdirSync(dir)).toEqual([]);
    },
  );

  it("takes nothing when it is off, and nothing too long", async () => {
    await expect(receivePart(dir, "m1", part("a", 0), undefined)).rejects.toThrow("file_recv is off");
    await expect(receivePart(dir, "m1", part("a", 0), 11)).rejects.toThrow("over the master's limit of 11 bytes");
    const beyond = { ...part("a", 0), total: 5 };
    await expect(receivePart(dir, "m1", beyond, 100)).rejects.toThrow("beyond the end");
    expect(readdirSync(dir, { recursive: true }).filter((name) => String(name).endsWith("a"))).toEqual([]);
  });
});
