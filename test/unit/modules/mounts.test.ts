import { execFileSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { CommandRunner } from "../../../src/minion/command.ts";
import { call, fakeHost, hostJid } from "../../support/host.ts";

const runner = new CommandRunner();
const host = fakeHost({ command: (spec) => runner.run(hostJid, spec, new AbortController().signal) });
const value = async (fun: string, ...words: string[]): Promise<unknown> => (await call(host, fun, ...words)).value;

let dir: string;
let table: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "msalt-mounts-"));
  table = join(dir, "fstab");
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));
afterAll(() => runner.close());

const first = "# comment stays\n\nUUID=1-2 /  ext4   rw,noatime 0 1\n";
const rest = "/dev/sdb1\t/data xfs defaults\n  # tail\nbroken line\n/dev/sdc none swap sw 0 0\n";

describe("mount.fstab", () => {
  it("gives every entry by its mount point", async () => {
    writeFileSync(table, `${first}//srv/a\\040b /mnt/with\\040blank cifs ro 0 0\n${rest}/dev/sdd none swap pri=1\n`);
    const entries = (await value("mount.fstab", table)) as Record<string, Record<string, unknown>>;
    expect(entries).toEqual({
      "/": { device: "UUID=1-2", dump: "0", fstype: "ext4", opts: ["rw", "noatime"], pass: "1" },
      "/mnt/with blank": { device: "//srv/a b", dump: "0", fstype: "cifs", opts: ["ro"], pass: "0" },
      "/data": { device: "/dev/sdb1", dump: "0", fstype: "xfs", opts: ["defaults"], pass: "0" },
      none: { device: "/dev/sdc", dump: "0", fstype: "swap", opts: ["sw"], pass: "0" },
      none_: { device: "/dev/sdd", dump: "0", fstype: "swap", opts: ["pri=1"], pass: "0" },
    });
    expect(await value("mount.fstab", `${dir}/none`)).toEqual({});
    expect(await value("mount.fstab", "fstab")).toContain("give an absolute path");
  });
});

describe("mount.set_fstab and mount.rm_fstab", () => {
  const set = (...words: string[]): Promise<unknown> => value("mount.set_fstab", ...words, `config=${table}`);

  it("add, change and find an entry, and leave the others as they are", async () => {
    writeFileSync(table, `${first}${rest}`, { mode: 0o600 });
    const added = "/dev/sdz1\t\t/mnt/foo\text4\tnoexec,nosuid\t0 2\n";
    const words = ["/mnt/foo", "/dev/sdz1", "ext4", "noexec,nosuid", "pass_num=2"];
    expect(await set(...words, "test=True")).toBe("new");
    expect(readFileSync(table, "utf8")).toBe(`${first}${rest}`);
    expect(await set(...words)).toBe("new");
    expect(readFileSync(table, "utf8")).toBe(`${first}${rest}${added}`);
    expect(statSync(table).mode & 0o777).toBe(0o600);
    expect(await set(...words)).toBe("present");
    expect(await set("/mnt/foo", "/dev/sdz1", "ext4", "nosuid,noexec", "pass_num=2")).toBe("present");
    expect(await set("/data2", "/dev/sdb1", "xfs")).toBe("change");
    const changed = rest.replace("/dev/sdb1\t/data xfs defaults\n", "/dev/sdb1\t\t/data2\txfs\tdefaults\t0 0\n");
    expect(readFileSync(table, "utf8")).toBe(`${first}${changed}${added}`);
    expect(readdirSync(dir)).toEqual(["fstab"]);
  });

  it("know what has no device by its mount point", async () => {
    writeFileSync(table, "tmpfs /tmp tmpfs defaults 0 0\ntmpfs /run tmpfs defaults 0 0");
    expect(await set("/scratch", "tmpfs", "tmpfs", "opts=size=1m")).toBe("new");
    expect(await set("/run", "tmpfs", "tmpfs", "opts=size=2m")).toBe("change");
    expect(readFileSync(table, "utf8")).toBe(
      "tmpfs /tmp tmpfs defaults 0 0\ntmpfs\t\t/run\ttmpfs\tsize=2m\t0 0\ntmpfs\t\t/scratch\ttmpfs\tsize=1m\t0 0\n",
    );
  });

  it("write names so that the system reads them back", async () => {
    writeFileSync(table, "");
    expect(await set("/mnt/a b\\c", "#odd device", "ext4")).toBe("new");
    expect(await set("/mnt/a\\040b\\134c", "#odd\\040device", "ext4")).toBe("present");
    const findmnt = ["--fstab", "--tab-file", table, "--raw", "--noheadings", "--output", "SOURCE,TARGET"];
    expect(execFileSync("findmnt", findmnt, { encoding: "utf8" }).trim()).toBe(
      String.raw`#odd\x20device /mnt/a\x20b\x5cc`,
    );
    expect(Object.keys((await value("mount.fstab", table)) as object)).toEqual(["/mnt/a b\\c"]);
    expect(await value("mount.rm_fstab", "/mnt/a b\\c", `config=${table}`)).toBe(true);
    expect(readFileSync(table, "utf8")).toBe("");
  });

  it("take entries out", async () => {
    writeFileSync(table, `${first}${rest}`);
    expect(await value("mount.rm_fstab", "/data", "/dev/other", `config=${table}`)).toBe(true);
    expect(readFileSync(table, "utf8")).toBe(`${first}${rest}`);
    expect(await value("mount.rm_fstab", "/data", `config=${table}`)).toBe(true);
    expect(readFileSync(table, "utf8")).toBe(`${first}${rest.replace(/.*\/data.*\n/, "")}`);
    expect(await value("mount.rm_fstab", "none", "/dev/sdc", `config=${table}`)).toBe(true);
    expect(readFileSync(table, "utf8")).toBe(`${first}  # tail\nbroken line\n`);
  });

  it("write what a link points to, and no table that is not there", async () => {
    writeFileSync(join(dir, "real"), first);
    symlinkSync("real", table);
    expect(await set("/mnt/foo", "/dev/sdz1", "ext4")).toBe("new");
    expect(lstatSync(table).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(dir, "real"), "utf8")).toContain("/dev/sdz1");
    rmSync(table);
    expect(await set("/mnt/foo", "/dev/sdz1", "ext4")).toContain("no such file or directory");
    expect(await set("/mnt/foo", "", "ext4")).toContain("must not be empty");
  });
});

describe("mount.swaps", () => {
  it("is what swapon shows", async () => {
    const shown = execFileSync("swapon", ["--show=NAME", "--noheadings", "--raw"], { encoding: "utf8" });
    expect(Object.keys((await value("mount.swaps")) as object).toSorted()).toEqual(
      shown.split("\n").filter(Boolean).toSorted(),
    );
    expect(await value("mount.swapoff", `${dir}/none`)).toBeNull();
    writeFileSync(join(dir, "no swap"), "text");
    expect(await call(host, "mount.swapon", `${dir}/no swap`)).toMatchObject({
      retcode: 1,
      value: expect.stringMatching(/^ERROR: swapon .* ended with \d+: swapon: /),
    });
  });
});

/** Root alone does not say it: a container may forbid mounting. */
function mayMount(): boolean {
  const probe = mkdtempSync(join(tmpdir(), "msalt-probe-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "none", probe], { stdio: "ignore" });
    execFileSync("umount", [probe], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  } finally {
    rmSync(probe, { recursive: true, force: true });
  }
}

describe("mount.mount and mount.umount", () => {
  const permitted = mayMount();

  it("mount, remount and unmount a real file system", async ({ skip }) => {
    skip(!permitted, "mounting is not permitted here");
    const point = join(dir, "a b");
    const options = (): string => execFileSync("findmnt", ["-n", "-o", "OPTIONS", point], { encoding: "utf8" }).trim();
    try {
      expect(await value("mount.mount", point, "tmpfs", "fstype=tmpfs")).toContain("no such file or directory");
      expect(await value("mount.mount", point, "tmpfs", "True", "tmpfs", "opts=size=64k,nosuid")).toBe(true);
      expect(options()).toMatch(/rw,nosuid.*size=64k/);
      expect(await value("mount.is_mounted", `${point}/`)).toBe(true);
      expect((await value("mount.active")) as object).toHaveProperty(
        [point],
        expect.objectContaining({ device: "tmpfs", fstype: "tmpfs" }),
      );
      expect(await value("mount.remount", point, "tmpfs", "fstype=tmpfs", "opts=ro")).toBe(true);
      expect(options()).toMatch(/^ro/);
      expect(() => writeFileSync(join(point, "x"), "")).toThrow("EROFS");
      expect(await value("mount.umount", point)).toBe(true);
      expect(await value("mount.is_mounted", point)).toBe(false);
      expect(await value("mount.remount", point, "tmpfs", "fstype=tmpfs")).toBe(true);
      expect(await value("mount.is_mounted", point)).toBe(true);
    } finally {
      if (existsSync(point) && (await value("mount.is_mounted", point)) === true) execFileSync("umount", [point]);
    }
  });

  it("say what is wrong", async () => {
    mkdirSync(join(dir, "here"));
    expect(await call(host, "mount.umount", `${dir}/here`)).toMatchObject({
      value: `${dir}/here does not have anything mounted`,
      retcode: 1,
    });
    expect(await value("mount.mount", `${dir}/here`, `${dir}/none`, "fstype=ext4")).toMatch(
      /^ERROR: mount .* ended with \d+: mount: /,
    );
    expect(await value("mount.mount", "--all")).toContain("give an absolute path");
    expect(await value("mount.is_mounted", "/proc")).toBe(true);
  });
});
