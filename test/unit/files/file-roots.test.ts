import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FileRoots } from "../../../src/files/file-roots.ts";

const token = "0123456789abcdef0123456789abcdef";
let dir: string;
let files: FileRoots;
const text = (data: Uint8Array | undefined): string | undefined =>
  data === undefined ? undefined : Buffer.from(data).toString();

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "msalt-roots-"));
  const make = (name: string, content: string): void => {
    mkdirSync(join(dir, name, ".."), { recursive: true });
    writeFileSync(join(dir, name), content, { mode: 0o640 });
  };
  make("one/a", "first a");
  make("one/sub/b", "b");
  make("two/a", "second a");
  make("two/c", "c");
  make("secret", "secret");
  make(`spool/${token}/x/y`, "y");
  make("spool/other", "other");
  symlinkSync("../secret", join(dir, "one/leak"));
  symlinkSync("..", join(dir, "one/up"));
  symlinkSync("sub/b", join(dir, "one/inside"));
  spawnSync("mkfifo", [join(dir, "one/pipe")]);
  files = new FileRoots([join(dir, "one"), join(dir, "two"), join(dir, "none")], join(dir, "spool"));
});
afterAll(() => rmSync(dir, { recursive: true }));

describe("FileRoots", () => {
  it("gives the file of the first root that has it, in parts", async () => {
    expect(text(await files.read("a", 0))).toBe("first a");
    expect(text(await files.read("/sub//b", 0))).toBe("b");
    expect(text(await files.read("c", 1))).toBe("");
    expect(text(await files.read("inside", 0))).toBe("b");
    expect(await files.stat("a")).toEqual({
      size: 7,
      mode: 0o640,
      sha256: createHash("sha256").update("first a").digest(),
    });
  });

  it("sees that a file has changed", async () => {
    await files.stat("c");
    writeFileSync(join(dir, "two/c"), "d");
    expect((await files.stat("c"))?.sha256).toEqual(createHash("sha256").update("d").digest());
  });

  it.each([
    "../secret",
    "sub/../../secret",
    "leak",
    "up/secret",
    "pipe",
    "sub",
    "",
    ".",
    "nothing",
    "a\0b",
    "/../secret",
    `.cp/${token}`,
    `.cp/${token}/../other`,
    ".cp/other",
    ".cp/../spool/other",
    `.cp/${token.slice(1)}/x/y`,
  ])("gives nothing for %j", async (path) => {
    expect(await files.stat(path)).toBeUndefined();
    expect(await files.read(path, 0)).toBeUndefined();
  });

  it("gives what was laid out for a job, to who knows its token", async () => {
    expect(text(await files.read(`.cp/${token}/x/y`, 0))).toBe("y");
    expect(await files.list(`.cp/${token}`, "")).toEqual({ files: ["x/y"], more: false });
  });

  it("lists what it would give, without links, page by page", async () => {
    expect(await files.list("", "")).toEqual({ files: ["a", "c", "sub/b"], more: false });
    expect(await files.list("", "a")).toEqual({ files: ["c", "sub/b"], more: false });
    expect(await files.list("sub", "")).toEqual({ files: ["b"], more: false });
    expect(await files.list("..", "")).toEqual({ files: [], more: false });
    expect(await files.list("up", "")).toEqual({ files: [], more: false });
  });
});
