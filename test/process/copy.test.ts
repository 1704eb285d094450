import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bus } from "../support/bus.ts";
import { until } from "../support/proc.ts";
import { FaultyPath } from "../support/faulty-path.ts";

let bus: Bus;
let srv: string;
const out = (id: string, ...names: string[]): string => join(bus.root, "out", id, ...names);
beforeAll(async () => {
  bus = await Bus.start({ minions: ["web1", "web2"], master: "file_recv: true\nfile_recv_max_size: 1" });
  srv = join(bus.masterRoot, "srv/salt");
  mkdirSync(join(srv, "app/conf.d"), { recursive: true });
  for (const id of ["web1", "web2"]) mkdirSync(out(id), { recursive: true });
});
afterAll(() => bus[Symbol.asyncDispose]());

const one = async (...words: string[]): Promise<unknown> => {
  const { stdout, stderr } = await bus.msalt("web1", ...words, "--out=json");
  if (stdout === "") throw new Error(stderr);
  return (JSON.parse(stdout) as Record<string, unknown>)["web1"];
};

describe("cp", () => {
  it("FA-07: a file that comes over a link that breaks again and again is whole and equal, or not there", async () => {
    const big = randomBytes(30_000_000);
    writeFileSync(join(srv, "broken"), big);
    await using path = await FaultyPath.to(bus.ports["ret_port"] ?? 0);
    const direct = bus.ports;
    bus.ports = { ...direct, ret_port: path.port };
    await bus.startMinion("far1");
    bus.ports = direct;
    mkdirSync(out("far1"), { recursive: true });
    const place = out("far1", "big");
    let tries = 0;
    for (let done = false; !done && tries < 10; tries += 1) {
      let over = false;
      const asking = bus.msalt("-t", "60", "far1", "cp.get_file", "salt://broken", place, "--out=json");
      void asking.then(() => (over = true));
      // Fewer breaks each time, so that it comes through in the end.
      for (let cut = 3 - tries; cut > 0; cut -= 1) {
        if (over) break;
        const before = path.passed;
        await until("bytes have passed", () => path.passed > before + 2_000_000 || over, 60_000);
        path.cut();
      }
      const { code } = await asking;
      done = code === 0;
      expect(existsSync(place)).toBe(done);
    }
    expect(readFileSync(place).equals(big)).toBe(true);
    await bus.minion("far1").stop();
    await bus.key("-y", "-d", "far1");
  }, 150_000);

  it("brings files and folders whole, with their mode, and says what is not there", async () => {
    const big = randomBytes(3_000_000);
    writeFileSync(join(srv, "app/big"), big);
    writeFileSync(join(srv, "app/run.sh"), "#!/bin/sh\n");
    chmodSync(join(srv, "app/run.sh"), 0o750);
    writeFileSync(join(srv, "app/conf.d/a.conf"), "a = 1\n");
    expect(await one("cp.list_master", "prefix=app")).toEqual(["app/big", "app/conf.d/a.conf", "app/run.sh"]);
    expect(await one("cp.get_file", "salt://app/big", out("web1", "deep/big"))).toContain("ENOENT");
    expect(await one("cp.get_file", "salt://app/big", out("web1", "deep/big"), "makedirs=True")).toBe(
      out("web1", "deep/big"),
    );
    expect(readFileSync(out("web1", "deep/big")).equals(big)).toBe(true);
    expect(await one("cp.get_dir", "salt://app", out("web1"))).toHaveLength(3);
    expect(statSync(out("web1", "app/run.sh")).mode & 0o777).toBe(0o750);
    expect(readdirSync(out("web1", "app"), { recursive: true, encoding: "utf8" }).toSorted()).toEqual([
      "big",
      "conf.d",
      "conf.d/a.conf",
      "run.sh",
    ]);
    expect(await one("cp.get_file_str", "salt://app/conf.d/a.conf")).toBe("a = 1\n");
    expect(await one("cp.get_file", "salt://none", out("web1", "x"))).toBe("");
    expect(await one("cp.get_file_str", "salt://../etc/msalt/master")).toContain("no file salt://../etc/msalt/master");
  });

  it("touches nothing that is the same, and keeps the mode of what it replaces", async () => {
    const place = out("web1", "app.conf");
    writeFileSync(join(srv, "app.conf"), "new");
    writeFileSync(place, "new");
    const { ino } = statSync(place);
    await one("cp.get_file", "salt://app.conf", place);
    expect(statSync(place).ino).toBe(ino);
    writeFileSync(place, "old");
    chmodSync(place, 0o604);
    await one("cp.get_file", "salt://app.conf", place);
    expect(readFileSync(place, "utf8")).toBe("new");
    expect(statSync(place).mode & 0o777).toBe(0o604);
  });

  it("cp.push: the master keeps what fits", async () => {
    const text = randomBytes(700_000);
    writeFileSync(out("web1", "log"), text);
    expect(await one("cp.push", out("web1", "log"))).toBe(true);
    const kept = join(bus.masterRoot, "var/lib/msalt/master/minions/web1/files", out("web1", "log"));
    expect(readFileSync(kept).equals(text)).toBe(true);
    writeFileSync(out("web1", "long"), randomBytes(1_100_000));
    expect(await one("cp.push", out("web1", "long"))).toContain("over the master's limit of 1048576 bytes");
  });
});

describe("msalt-cp", () => {
  const spool = (): string[] => readdirSync(join(bus.masterRoot, "var/lib/msalt/master/spool"));

  it("copies a file and folders to every target, and leaves nothing behind", async () => {
    const src = join(bus.root, "src");
    mkdirSync(join(src, "release/bin"), { recursive: true });
    writeFileSync(join(src, "release/bin/app"), "app", { mode: 0o755 });
    writeFileSync(join(src, "one"), "one");
    const place = join(bus.root, "placed");
    const tool = bus.spawn("msalt-cp", "web*", join(src, "one"), place, "--out=json");
    const { stdout, code } = await tool.exit;
    expect(JSON.parse(stdout)).toEqual({ web1: { [place]: true }, web2: { [place]: true } });
    expect(code).toBe(0);
    expect(readFileSync(place, "utf8")).toBe("one");
    const many = await bus.spawn(
      "msalt-cp",
      "web1",
      join(src, "one"),
      join(src, "release"),
      `${join(bus.root, "opt")}/`,
    ).exit;
    expect(many.code).toBe(0);
    expect(readFileSync(join(bus.root, "opt/release/bin/app"), "utf8")).toBe("app");
    expect(statSync(join(bus.root, "opt/release/bin/app")).mode & 0o777).toBe(0o755);
    expect(spool()).toEqual([]);
  });

  it("says what cannot be read here or written there", async () => {
    const missing = await bus.spawn("msalt-cp", "web1", join(bus.root, "nothing"), "/tmp/x").exit;
    expect(missing.code).toBe(64);
    expect(missing.stderr).toContain(`${bus.root}/nothing`);
    const source = join(bus.root, "small");
    writeFileSync(source, "small");
    const refused = await bus.spawn("msalt-cp", "web1", source, "/proc/nothing/here").exit;
    expect(refused.code).toBe(1);
    expect(refused.stdout).toContain("cannot write /proc/nothing/here");
    expect((await bus.spawn("msalt-cp", "web1", source, "relative").exit).code).toBe(64);
    expect((await bus.spawn("msalt-cp", "nobody", source, "/tmp/x").exit).code).toBe(2);
    expect(spool()).toEqual([]);
    rmSync(source);
    expect(existsSync("/tmp/x")).toBe(false);
  });
});
