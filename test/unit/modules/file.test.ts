import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { CommandRunner } from "../../../src/minion/command.ts";
import { call, fakeHost, hostJid } from "../../support/host.ts";

const runner = new CommandRunner();
const host = fakeHost({ command: (spec) => runner.run(hostJid, spec, new AbortController().signal) });
let dir: string;
let file: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "msalt-file-"));
  file = join(dir, "some");
  writeFileSync(file, "one\ntwo\nthree\n", { mode: 0o640 });
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));
afterAll(() => runner.close());

/** What coreutils say of the same thing. */
const oracle = (program: string, ...args: string[]): string => execFileSync(program, args, { encoding: "utf8" }).trim();
const value = async (fun: string, ...words: string[]): Promise<unknown> => (await call(host, fun, ...words)).value;

describe("what is to be known of files", () => {
  it("is what stat says", async () => {
    const stats = (await value("file.stats", file)) as Record<string, unknown>;
    const [mode, user, group, size, inode] = oracle("stat", "-c", "%a %U %G %s %i", file).split(" ");
    expect(stats).toMatchObject({
      mode: `0${mode}`,
      user,
      group,
      size: Number(size),
      inode: Number(inode),
      type: "file",
    });
    expect(await value("file.get_mode", file)).toBe(`0${mode}`);
    expect(await value("file.get_user", file)).toBe(user);
    expect(await value("file.get_group", file)).toBe(group);
    expect(await value("file.stats", "/dev/null")).toMatchObject({ type: "char" });
    expect(await value("file.stats", dir)).toMatchObject({ type: "dir" });
  });

  it.each(["md5", "sha1", "sha256", "sha512"])("%s is what the tool for it says", async (form) => {
    expect(await value("file.get_hash", file, form)).toBe(oracle(`${form}sum`, file).split(" ")[0]);
  });

  it("knows what is there and what is not", async () => {
    expect(await value("file.file_exists", file)).toBe(true);
    expect(await value("file.file_exists", dir)).toBe(false);
    expect(await value("file.directory_exists", dir)).toBe(true);
    expect(await value("file.directory_exists", `${dir}/none`)).toBe(false);
    expect(await value("file.read", file)).toBe("one\ntwo\nthree\n");
    expect(await value("file.readdir", dir)).toEqual([".", "..", "some"]);
    expect(await value("file.contains", file, "wo")).toBe(true);
    expect(await value("file.contains", file, "four")).toBe(false);
  });

  it("says in one line what is wrong", async () => {
    const failed = await call(host, "file.read", `${dir}/none`);
    expect(failed).toMatchObject({ value: `ERROR: ${dir}/none: no such file or directory (ENOENT)`, retcode: 1 });
    expect(await value("file.get_hash", file, "sha3000")).toContain("no hash is called sha3000");
  });

  it("greps and finds", async () => {
    expect(await value("file.grep", file, "t", "-c")).toMatchObject({ retcode: 0, stdout: "2" });
    writeFileSync(join(dir, "b.log"), "");
    expect(await value("file.find", dir, "name=*.log")).toEqual([join(dir, "b.log")]);
    expect(await value("file.find", dir, "type=d")).toEqual([dir]);
  });
});

describe("changes of files", () => {
  it("writes, appends and prepends lines, and leaves owner and mode", async () => {
    expect(await value("file.append", file, "four", "5")).toBe(`Wrote 2 lines to "${file}"`);
    expect(await value("file.prepend", file, "zero")).toBe(`Prepended 1 lines to "${file}"`);
    expect(readFileSync(file, "utf8")).toBe("zero\none\ntwo\nthree\nfour\n5\n");
    expect(await value("file.write", file, "new")).toBe(`Wrote 1 lines to "${file}"`);
    expect(readFileSync(file, "utf8")).toBe("new\n");
    expect(oracle("stat", "-c", "%a", file)).toBe("640");
    expect(readdirSync(dir)).toEqual(["some"]);
  });

  it("begins a new line where the last one had no end", async () => {
    writeFileSync(file, "no end");
    await value("file.append", file, "more");
    expect(readFileSync(file, "utf8")).toBe("no end\nmore\n");
  });

  it("copies, renames, moves and removes", async () => {
    expect(await value("file.mkdir", `${dir}/a/b`, "mode=0750")).toBe(true);
    expect(oracle("stat", "-c", "%a", `${dir}/a/b`)).toBe("750");
    expect(await value("file.copy", file, `${dir}/a/b/`)).toBe(true);
    expect(await value("file.copy", `${dir}/a`, `${dir}/c`)).toContain("give recurse=True");
    expect(await value("file.copy", `${dir}/a`, `${dir}/c`, "recurse=True")).toBe(true);
    expect(oracle("diff", "-r", `${dir}/a`, `${dir}/c`)).toBe("");
    expect(await value("file.rename", file, `${dir}/other`)).toBe(true);
    expect(await value("file.move", `${dir}/other`, file)).toEqual({
      comment: `'${dir}/other' moved to '${file}'`,
      result: true,
    });
    expect(await value("file.remove", `${dir}/a`)).toBe(true);
    expect(existsSync(`${dir}/a`)).toBe(false);
    expect(await value("file.remove", `${dir}/a`)).toContain("no such file");
    expect(await value("file.remove", "//")).toContain("not removed");
  });

  it("sets modes, owners and links", async () => {
    expect(await value("file.set_mode", file, "4755")).toBe("04755");
    expect(await value("file.set_mode", file, "rwx")).toContain("is no mode");
    expect(await value("file.chown", file, "nobody", "nogroup")).toBeNull();
    expect(oracle("stat", "-c", "%U:%G", file)).toBe("nobody:nogroup");
    expect(await value("file.chown", file, "nobody-of-this-name", "root")).toContain("no user");
    expect(await value("file.symlink", file, `${dir}/link`)).toBe(true);
    expect(await value("file.readlink", `${dir}/link`)).toBe(file);
    expect(await value("file.is_link", `${dir}/link`)).toBe(true);
    expect(await value("file.symlink", file, `${dir}/link`)).toContain("it exists already");
    expect(await value("file.touch", `${dir}/fresh`)).toBe(true);
    expect(statSync(`${dir}/fresh`).size).toBe(0);
    expect(await value("file.makedirs", `${dir}/x/y/file`)).toBeNull();
    expect(existsSync(`${dir}/x/y`)).toBe(true);
    expect(await value("file.makedirs", `${dir}/x/y/file`)).toBe(`Directory '${dir}/x/y' already exists`);
  });

  it("replaces what a pattern finds", async () => {
    expect(await value("file.replace", file, String.raw`^t(\w+)$`, String.raw`T\1`)).toBe(`2 changes in ${file}`);
    expect(readFileSync(file, "utf8")).toBe("one\nTwo\nThree\n");
    expect(await value("file.replace", file, "e", "E", "count=1")).toBe(`1 change in ${file}`);
    expect(readFileSync(file, "utf8")).toBe("onE\nTwo\nThree\n");
    expect(await value("file.replace", file, "none", "x")).toBe("");
    expect(await value("file.replace", file, "none", "x", "append_if_not_found=True")).toBe(`1 change in ${file}`);
    expect(await value("file.replace", file, "(", "x")).toContain("bad regular expression");
    expect(readFileSync(file, "utf8")).toBe("onE\nTwo\nThree\nx\n");
  });
});
