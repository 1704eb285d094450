import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { takeLock } from "../../../src/lib/lock-file.ts";

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "msalt-lock-"));
  file = join(folder, "data/lock");
});
afterEach(() => rmSync(folder, { recursive: true }));

const take = (): (() => void) => takeLock(file, "msalt-master");
/** A lock as a process that is gone would have left it. */
const left = (text: string): void => {
  take()();
  writeFileSync(file, text);
};

describe("takeLock", () => {
  it("makes the folder, names this process in the file, and leaves nothing else", () => {
    const release = take();
    expect(readFileSync(file, "utf8")).toMatch(new RegExp(`^${process.pid} \\d+\n$`));
    expect(readdirSync(join(folder, "data"))).toEqual(["lock"]);
    release();
    expect(readdirSync(join(folder, "data"))).toEqual([]);
  });

  it("refuses a second holder while the first lives, naming it", () => {
    const release = take();
    expect(take).toThrow(
      expect.objectContaining({
        code: "ERR_LOCKED",
        message: expect.stringContaining(`msalt-master runs on ${join(folder, "data")} (pid ${process.pid})`),
      }),
    );
    expect(existsSync(file)).toBe(true);
    release();
    take()();
  });

  it("may be released twice; the second time it does not take the lock from the next holder", () => {
    const release = take();
    release();
    writeFileSync(file, "1 1\n");
    release();
    expect(readFileSync(file, "utf8")).toBe("1 1\n");
  });

  it("takes over the lock of a process that is gone", () => {
    const { pid } = spawnSync("true");
    left(`${pid} 12345\n`);
    take();
    expect(readFileSync(file, "utf8")).toMatch(new RegExp(`^${process.pid} `));
    expect(readdirSync(join(folder, "data"))).toEqual(["lock"]);
  });

  it("takes over a lock whose pid was given to another process since", () => {
    left(`${process.ppid} 1\n`);
    take();
    expect(readFileSync(file, "utf8")).toMatch(new RegExp(`^${process.pid} `));
  });

  it.each(["", "\n", "garbage\n", "-1 0\n", "0 0\n"])("takes over a lock that names nobody: %j", (text) => {
    left(text);
    expect(take).not.toThrow();
  });

  it("says which file cannot be written", () => {
    writeFileSync(join(folder, "data"), "a file, no folder");
    expect(take).toThrow(expect.objectContaining({ code: "ERR_STORE", message: expect.stringContaining("data") }));
  });
});
