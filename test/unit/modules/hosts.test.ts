import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { hostsFunctionsOn } from "../../../src/modules/hosts.ts";
import { runFunction } from "../../../src/modules/run.ts";
import { call, fakeHost } from "../../support/host.ts";

const text = `# top
127.0.0.1\tlocalhost  local

  10.0.0.5   db.example.com db # the database
\t# indented
::1 localhost
10.0.0.5 db2
10.0.0.50 other`;
let dir: string;
let file: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "msalt-hosts-"));
  file = join(dir, "hosts");
  writeFileSync(file, text);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const oracle = (program: string, ...args: string[]): string => execFileSync(program, args, { encoding: "utf8" });

async function value(name: string, ...words: string[]): Promise<unknown> {
  const functions = new Map(hostsFunctionsOn(file).map((fn) => [fn.name, fn]));
  return (await runFunction(functions, { fun: `hosts.${name}`, arg: [], words }, fakeHost())).value;
}
const now = (): string => readFileSync(file, "utf8");

describe("hosts", () => {
  it("tells what is there, as Salt does", async () => {
    expect(await value("list_hosts")).toEqual({
      "comment-0": ["# top"],
      "127.0.0.1": { aliases: ["localhost", "local"] },
      "10.0.0.5": { aliases: ["db.example.com", "db", "db2"], comment: "the database" },
      "comment-1": ["# indented"],
      "::1": { aliases: ["localhost"] },
      "10.0.0.50": { aliases: ["other"] },
    });
    expect(await value("get_ip", "localhost")).toBe("127.0.0.1");
    expect(await value("get_ip", "db2")).toBe("10.0.0.5");
    expect(await value("get_ip", "database")).toBe("");
    expect(await value("get_alias", "10.0.0.5")).toEqual(["db.example.com", "db", "db2"]);
    expect(await value("get_alias", "10.0.0.6")).toEqual([]);
    expect(await value("has_pair", "10.0.0.5", "db2")).toBe(true);
    expect(await value("has_pair", "10.0.0.5", "other")).toBe(false);
    expect(await value("has_pair", "comment-0", "# top")).toBe(false);
  });

  it("reads /etc/hosts of this machine", async () => {
    const words = oracle("awk", '{ sub(/#.*/, ""); for (n = 2; n <= NF; n++) print $1, $n }', "/etc/hosts");
    const listed = (await call(fakeHost(), "hosts.list_hosts")).value as Record<string, { aliases?: string[] }>;
    const pairs = Object.entries(listed).flatMap(([ip, { aliases }]) => (aliases ?? []).map((name) => `${ip} ${name}`));
    expect(pairs.toSorted()).toEqual(words.split("\n").filter(Boolean).toSorted());
  });

  it("adds a name to the line of its address, or a line", async () => {
    expect(await value("add_host", "10.0.0.5", "db2")).toBe(true);
    expect(now()).toBe(text);
    expect(await value("add_host", "10.0.0.5", "db3")).toBe(true);
    expect(await value("add_host", "fe80::1", "six")).toBe(true);
    expect(now()).toBe(`${text.replace("5 db2", "5 db2 db3")}\nfe80::1\t\tsix\n`);
    await value("rm_host", "10.0.0.5", "db2");
    await value("rm_host", "10.0.0.5", "db3");
    await value("add_host", "10.0.0.5", "again");
    expect(now()).toContain("\n  10.0.0.5   db.example.com db again # the database\n");
  });

  it("removes a name, and a line with none left", async () => {
    expect(await value("rm_host", "127.0.0.1", "local")).toBe(true);
    expect(await value("rm_host", "10.0.0.5", "db")).toBe(true);
    expect(await value("rm_host", "10.0.0.5", "db2")).toBe(true);
    expect(await value("rm_host", "10.0.0.5", "localhost")).toBe(true);
    expect(now()).toBe(
      "# top\n127.0.0.1\t\tlocalhost\n\n10.0.0.5\t\tdb.example.com\t# the database\n\t# indented\n::1 localhost\n10.0.0.50 other\n",
    );
  });

  it("sets the names of an address", async () => {
    expect(await value("set_host", "10.0.0.5", "one two")).toBe(true);
    expect(await value("set_host", "10.0.0.7", "seven")).toBe(true);
    const expected =
      "# top\n127.0.0.1\tlocalhost  local\n\n10.0.0.5\t\tone two\t# the database\n\t# indented\n::1 localhost\n10.0.0.50 other\n10.0.0.7\t\tseven\n";
    expect(now()).toBe(expected);
    const { ino } = statSync(file);
    expect(await value("set_host", "10.0.0.7", "seven")).toBe(true);
    expect(statSync(file).ino).toBe(ino);
    expect(await value("set_host", "10.0.0.7", "")).toBe(true);
    expect(now()).toBe(expected.replace("10.0.0.7\t\tseven\n", ""));
  });

  it("replaces the file whole, with the mode and the owner it had, also behind a link", async () => {
    const isRoot = process.getuid?.() === 0;
    if (isRoot) chownSync(file, 1, 1);
    chmodSync(file, 0o640);
    const before = statSync(file);
    const target = file;
    file = join(dir, "link");
    symlinkSync(target, file);
    expect(await value("add_host", "10.0.0.9", "nine")).toBe(true);
    const after = statSync(target);
    expect([after.mode, after.uid, after.gid]).toEqual([before.mode, before.uid, before.gid]);
    expect(after.ino).not.toBe(before.ino);
    expect(lstatSync(file).isSymbolicLink()).toBe(true);
    expect(readdirSync(dir).toSorted()).toEqual(["hosts", "link"]);
  });

  it("makes a file that is not there", async () => {
    rmSync(file);
    expect(await value("list_hosts")).toEqual({});
    expect(await value("rm_host", "10.0.0.9", "nine")).toBe(true);
    expect(readdirSync(dir)).toEqual([]);
    expect(await value("add_host", "10.0.0.9", "nine")).toBe(true);
    expect(now()).toBe("10.0.0.9\t\tnine\n");
  });

  it("leaves a file alone that it would spoil", async () => {
    const bytes = Buffer.from("10.0.0.5 db # caf\u00e9\n", "latin1");
    writeFileSync(file, bytes);
    expect(await value("add_host", "10.0.0.9", "nine")).toBe(`ERROR: ${file} is not UTF-8: left as it is`);
    expect(readFileSync(file).equals(bytes)).toBe(true);
  });

  it.each([
    ["add_host", ["10.0.0", "x"], "ip: must be an IP address"],
    ["add_host", ["10.0.0.1", "x\n6.6.6.6 bank"], "alias: must be the name of a host"],
    ["add_host", ["10.0.0.1", "#x"], "alias: must be the name of a host"],
    ["set_host", ["10.0.0.1", "x #y"], "alias: must be names of hosts"],
    ["rm_host", ["x", "10.0.0.1"], "ip: must be an IP address"],
  ])("%s %j is refused", async (name, words, reason) => {
    expect(await value(name, ...words)).toContain(reason);
    expect(now()).toBe(text);
  });
});
