import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { CommandRunner } from "../../../src/minion/command.ts";
import { findProgram } from "../../../src/modules/programs.ts";
import { call, fakeHost, hostJid } from "../../support/host.ts";

const runner = new CommandRunner();
const host = fakeHost({ command: (spec) => runner.run(hostJid, spec, new AbortController().signal) });
let dir: string;
let box: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "msalt-archive-"));
  box = join(dir, "in");
  mkdirSync(join(box, "sub"), { recursive: true });
  writeFileSync(join(box, "a.txt"), "first\n");
  writeFileSync(join(box, "b c.txt"), "second\n");
  writeFileSync(join(box, "sub", "d.log"), "third\n");
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));
afterAll(() => runner.close());

const oracle = (program: string, ...args: string[]): string => execFileSync(program, args, { encoding: "utf8" });
const value = async (fun: string, ...words: string[]): Promise<unknown> => (await call(host, fun, ...words)).value;
const lacks = (...programs: string[]): boolean =>
  programs.some((name) => findProgram(name, process.env["PATH"] ?? "/usr/bin:/bin") === undefined);

describe("archive.tar", () => {
  it("packs, lists and unpacks", async () => {
    const file = join(dir, "all.tar.gz");
    expect(await value("archive.tar", "czvf", file, "a.txt,sub", `cwd=${box}`)).toEqual(["a.txt", "sub/", "sub/d.log"]);
    expect(oracle("tar", "tzf", file)).toBe("a.txt\nsub/\nsub/d.log\n");
    expect(await value("archive.list", file)).toEqual(["a.txt", "sub/", "sub/d.log"]);
    const out = join(dir, "out");
    mkdirSync(out);
    expect(await value("archive.tar", "xf", file, "sub/d.log", `dest=${out}`)).toEqual([]);
    expect(readFileSync(join(out, "sub/d.log"), "utf8")).toBe("third\n");
    expect(existsSync(join(out, "a.txt"))).toBe(false);
  });

  it("FA-08: unpacks nothing beside or above its folder, whatever an archive names", async () => {
    const evil = join(box, "evil");
    writeFileSync(evil, "evil");
    const out = join(dir, "out");
    const names: Record<string, string> = { above: "../evil", absolute: `${dir}/evil`, winding: "x/../../evil" };
    for (const [what, name] of Object.entries(names)) {
      mkdirSync(out);
      const file = join(dir, `${what}.tar`);
      oracle("tar", "cPf", file, "-C", box, "--transform", `s,^evil$,${name},`, "evil");
      expect(oracle("tar", "tPf", file).trim()).toBe(name);
      await value("archive.tar", "xf", file, `dest=${out}`);
      expect([what, existsSync(join(dir, "evil"))]).toEqual([what, false]);
      rmSync(out, { recursive: true });
    }
    // A link that leads out, and a file below it.
    mkdirSync(out);
    mkdirSync(join(dir, "outside"));
    const file = join(dir, "link.tar");
    symlinkSync("../outside", join(box, "way"));
    oracle("tar", "cf", file, "-C", box, "way");
    oracle("tar", "rf", file, "-C", box, "--transform", "s,^evil$,way/evil,", "evil");
    await value("archive.tar", "xf", file, `dest=${out}`);
    expect(readdirSync(join(dir, "outside"))).toEqual([]);
  });

  it("takes globs from cwd, and no hidden files by `*`", async () => {
    writeFileSync(join(box, ".hidden.txt"), "");
    const file = join(dir, "some.tar");
    expect(await value("archive.tar", "cvf", file, "*.txt", `cwd=${box}`)).toEqual(["a.txt", "b c.txt"]);
    expect(await value("archive.tar", "cvPf", file, `${dir}/i[n]/*/*.log`)).toEqual([`${box}/sub/d.log`]);
    expect(await value("archive.tar", "cf", file, "*.none", `cwd=${box}`)).toMatch(
      /^ERROR: tar ended with 2: tar: \*\.none: Cannot stat: No such file or directory/,
    );
  });

  it("takes no source for an option, and no word for a shell", async () => {
    const name = "--checkpoint-action=exec=touch pwned";
    writeFileSync(join(box, name), "");
    const file = join(dir, "odd.tar");
    expect(await value("archive.tar", "cvf", file, `["${name}", "a.txt; touch pwned"]`, `cwd=${box}`)).toContain(
      "a.txt; touch pwned: Cannot stat",
    );
    expect(existsSync(join(box, "pwned"))).toBe(false);
    expect(await value("archive.list", file)).toEqual([name]);
  });

  it("lists names of any kind", async () => {
    const names = ["back\\slash", "new\nline", "tab\there", "umläut", "\\101"];
    for (const name of names) writeFileSync(join(box, "sub", name), "");
    const file = join(dir, "names.tar");
    oracle("tar", "cf", file, "--no-unquote", "-C", join(box, "sub"), "--", ...names);
    expect(await value("archive.list", file)).toEqual(names.toSorted());
    rmSync(join(box, "sub", "d.log"));
    expect(await value("archive.tar", "cf", file, "*", `cwd=${box}/sub`)).toEqual([]);
    expect(await value("archive.list", file)).toEqual(names.toSorted());
  });

  it("says what is wrong", async () => {
    expect(await call(host, "archive.tar", "xf", `${dir}/none.tar`)).toMatchObject({
      retcode: 1,
      value: expect.stringMatching(/^ERROR: tar ended with 2: .*none\.tar: Cannot open: No such file/),
    });
    expect(await value("archive.tar", " ", "x")).toContain("Tar options can not be empty");
    expect(await value("archive.tar", "cf", "x.tar", "a", `cwd=${dir}/none`)).toContain("does not exist");
    expect(await value("archive.list", `${box}/a.txt`)).toContain("give archive_format");
    expect(await value("archive.list", `${box}/a.txt`, "tar")).toContain("does not look like a tar archive");
    expect(await value("archive.list", `${dir}/none.tar`)).toContain("no such file or directory");
    expect(await value("archive.list", "some.tar")).toContain("give an absolute path");
  });

  it.skipIf(process.getuid?.() !== 0)("runs as another user", async () => {
    oracle("chmod", "711", dir);
    expect(await value("archive.tar", "cf", `${dir}/x.tar`, "a.txt", `cwd=${box}`, "runas=nobody")).toContain(
      "Permission denied",
    );
  });
});

describe("a program that is not there", () => {
  it("is named", async () => {
    const path = process.env["PATH"];
    process.env["PATH"] = join(dir, "none");
    try {
      expect(await call(host, "archive.cmd_zip", `${dir}/x.zip`, "a.txt", `cwd=${box}`)).toMatchObject({
        retcode: 1,
        value: "ERROR: Unable to run command 'zip': no such program, or it may not be executed",
      });
    } finally {
      process.env["PATH"] = path;
    }
  });
});

describe.skipIf(lacks("zip", "unzip"))("archive.zip and archive.unzip", () => {
  it("pack and unpack, and say what zip and unzip say", async () => {
    const file = join(dir, "all.zip");
    expect(await value("archive.cmd_zip", file, "a.txt", `cwd=${box}`)).toEqual([
      expect.stringMatching(/^\s+adding: a\.txt \(/),
    ]);
    expect(oracle("unzip", "-Z1", file)).toBe("a.txt\n");
    expect(await value("archive.cmd_unzip", file, `${dir}/out`)).toEqual(
      expect.arrayContaining([expect.stringMatching(/^ +(extracting|inflating): .*out\/a\.txt/)]),
    );
    expect(readFileSync(`${dir}/out/a.txt`, "utf8")).toBe("first\n");
  });

  it("list the names that went in and came out, over what was there", async () => {
    const file = join(dir, "all.zip");
    const packed = (await value("archive.zip", file, "*", `cwd=${box}`)) as string[];
    expect(packed.toSorted()).toEqual(["a.txt", "b c.txt", "sub/", "sub/d.log"]);
    expect(packed.toSorted()).toEqual(oracle("unzip", "-Z1", file).trimEnd().split("\n").toSorted());
    expect(await value("archive.list", file)).toEqual(packed.toSorted());
    mkdirSync(join(dir, "out"));
    writeFileSync(join(dir, "out", "a.txt"), "old\n");
    const came = (await value("archive.unzip", file, `${dir}/out`, "excludes=b c.txt")) as string[];
    expect(came.toSorted()).toEqual(["a.txt", "sub/", "sub/d.log"]);
    expect(readFileSync(`${dir}/out/a.txt`, "utf8")).toBe("first\n");
    expect(existsSync(`${dir}/out/b c.txt`)).toBe(false);
  });

  it("take the name of an archive as it is, not for a pattern", async () => {
    const odd = join(dir, "d[1]");
    mkdirSync(odd);
    await value("archive.zip", join(odd, "x1.zip"), "a.txt", `cwd=${box}`);
    await value("archive.zip", join(odd, "x[1].zip"), "b c.txt", `cwd=${box}`);
    await value("archive.zip", join(odd, "x?\\.zip"), "sub/d.log", `cwd=${box}`);
    expect(await value("archive.list", join(odd, "x1.zip"))).toEqual(["a.txt"]);
    expect(await value("archive.list", join(odd, "x[1].zip"))).toEqual(["b c.txt"]);
    expect(await value("archive.list", join(odd, "x?\\.zip"))).toEqual(["sub/d.log"]);
  });

  it("say what is wrong", async () => {
    expect(await value("archive.zip", `${dir}/x.zip`, "none", `cwd=${box}`)).toMatch(
      /^ERROR: zip ended with 12: [^]*Nothing to do/,
    );
    expect(await value("archive.zip", `${dir}/x.zip`, "[]")).toContain("no sources");
    expect(await value("archive.cmd_unzip", `${box}/a.txt`, `${dir}/out`)).toMatch(
      /^ERROR: unzip ended with 9: [^]*End-of-central-directory/,
    );
    expect(await value("archive.unzip", `${dir}/none.zip`, `${dir}/out`)).toContain("cannot find or open");
    expect(await value("archive.cmd_unzip", `${dir}/x.zip`, `${dir}/out`, "options=-P 'open")).toContain("stays open");
  });
});

describe("archive.gzip and archive.gunzip", () => {
  it("work in the place of the file", async () => {
    const file = join(box, "b c.txt");
    expect(await value("archive.gzip", file)).toEqual([]);
    expect(existsSync(file)).toBe(false);
    expect(oracle("gzip", "-dc", `${file}.gz`)).toBe("second\n");
    expect(await value("archive.gunzip", `${file}.gz`, "options=-k -v")).toEqual([expect.stringContaining("b c.txt")]);
    expect(readFileSync(file, "utf8")).toBe("second\n");
    expect(await value("archive.gzip", file)).toMatch(/^ERROR: gzip ended with 2: .*already exists/);
    expect(await value("archive.gunzip", `${dir}/none.gz`)).toMatch(/^ERROR: gunzip ended with 1: .*No such file/);
    expect(await value("archive.gzip", "-r")).toContain("give an absolute path");
  });
});
