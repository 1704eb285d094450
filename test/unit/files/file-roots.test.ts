import { spawn, spawnSync } from "node:child_process";
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
  symlinkSync("../../secret", join(dir, "one/sub/leak"));
  spawnSync("mkfifo", [join(dir, "one/pipe")]);
  // Only root can make one; for others there is nothing of that name.
  spawnSync("mknod", [join(dir, "one/device"), "c", "1", "5"]);
  spawnSync(process.execPath, [
    "-e",
    `require("net").createServer().listen("${dir}/one/socket", () => process.kill(process.pid, 9))`,
  ]);
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

  it("RX-11: hashes a file once for all who ask at the same time", async () => {
    writeFileSync(join(dir, "one/sub/large"), Buffer.alloc(3_000_000, 1));
    const all = await Promise.all(Array.from({ length: 50 }, () => files.stat("sub/large")));
    expect(new Set(all.map((each) => each?.sha256)).size).toBe(1);
    rmSync(join(dir, "one/sub/large"));
  });

  it("FA-09: a folder that becomes a link while it is looked up leads nowhere", async () => {
    const one = join(dir, "one");
    mkdirSync(join(one, "swapped"));
    mkdirSync(join(dir, "outside"));
    writeFileSync(join(one, "swapped/f"), "inside");
    writeFileSync(join(dir, "outside/f"), "outside");
    symlinkSync(join(dir, "outside"), join(one, "link"));
    const swap = `
      const { renameSync } = require("node:fs");
      process.chdir(${JSON.stringify(one)});
      for (;;) {
        for (const [from, to] of [["swapped", "aside"], ["link", "swapped"], ["swapped", "link"], ["aside", "swapped"]])
          renameSync(from, to);
        for (let n = Math.random() * 1e5; n > 0; n -= 1);
      }`;
    const swapping = spawn(process.execPath, ["-e", swap], { stdio: "ignore" });
    const found = new Map<string | undefined, number>();
    for (let n = 0; n < 20_000 && (n < 2000 || found.size < 2); n += 1) {
      const read = text(await files.read("swapped/f", 0));
      found.set(read, (found.get(read) ?? 0) + 1);
    }
    swapping.kill("SIGKILL");
    await new Promise((resolve) => swapping.once("close", resolve));
    expect(new Set(found.keys())).toEqual(new Set(["inside", undefined]));
    for (const name of ["swapped", "link", "aside"]) rmSync(join(one, name), { recursive: true, force: true });
  });

  it("sees that a file has changed", async () => {
    await files.stat("c");
    writeFileSync(join(dir, "two/c"), "d");
    expect((await files.stat("c"))?.sha256).toEqual(createHash("sha256").update("d").digest());
  });

  it.each([
    "../secret",
    "..//secret",
    "./../secret",
    "../../../../../../../../etc/passwd",
    "/etc/passwd",
    "//etc/passwd",
    "one/../../secret",
    "sub/..",
    "sub/../a",
    "sub/.",
    "./a",
    "a/.",
    "a/b",
    "..\\secret",
    "%2e%2e/secret",
    "..%2fsecret",
    "..%c0%afsecret",
    "\u2025/secret",
    "\uff0e\uff0e/secret",
    "...",
    "~/secret",
    "~root/.ssh/id_rsa",
    "$HOME/secret",
    "file:///etc/passwd",
    "salt://a",
    "a\0",
    "\0",
    "../secret\0a",
    "x".repeat(4096),
    `${"x/".repeat(2000)}x`,
    "sub/leak",
    "up",
    "up/one/up/secret",
    "up/one/leak",
    "device",
    "socket",
    "socket/x",
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
  ])("FA-01, FA-06: gives nothing for %j", async (path) => {
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
