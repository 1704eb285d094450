import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, describe, expect, it } from "vitest";
import { CommandRunner } from "../../../src/minion/command.ts";
import { call, fakeHost, hostJid } from "../../support/host.ts";

const runner = new CommandRunner();
const host = fakeHost({ command: (spec) => runner.run(hostJid, spec, new AbortController().signal) });
afterAll(() => runner.close());

/** What the system's own tools say of the same thing. */
const oracle = (program: string, ...args: string[]): string =>
  execFileSync(program, args, { encoding: "utf8", env: { ...process.env, LC_ALL: "C" } }).trim();
const value = async (fun: string, ...words: string[]): Promise<unknown> => (await call(host, fun, ...words)).value;
const map = async (fun: string, ...words: string[]): Promise<Record<string, Record<string, unknown>>> =>
  (await value(fun, ...words)) as Record<string, Record<string, unknown>>;

describe("status", () => {
  it("is what /proc says", async () => {
    const total = /MemTotal:\s+(\d+)/.exec(oracle("cat", "/proc/meminfo"))?.[1];
    expect((await map("status.meminfo"))["MemTotal"]).toEqual({ unit: "kB", value: total });
    expect(await value("status.nproc")).toBe(Number(oracle("nproc")));
    expect(Object.keys((await value("status.loadavg")) as object)).toEqual(["1-min", "5-min", "15-min"]);
    const { seconds } = (await value("status.uptime")) as { seconds: number };
    expect(Math.abs(seconds - Number(oracle("cut", "-d.", "-f1", "/proc/uptime")))).toBeLessThan(30);
    expect((await map("status.procs"))[String(process.pid)]?.["user"]).toBe(oracle("id", "-un"));
    expect(Object.keys(await map("status.cpuinfo"))).toContain("processor");
  });
});

describe("disk", () => {
  it("is what df says", async () => {
    const [filesystem, size] = oracle("df", "-P", "-k", "/").split("\n")[1]?.split(/\s+/) ?? [];
    expect((await map("disk.usage"))["/"]).toMatchObject({ "1K-blocks": size, filesystem });
    expect(await value("disk.percent", "/")).toMatch(/^\d+%$/);
    expect((await map("disk.percent"))["/"]).toBe(await value("disk.percent", "/"));
    expect((await map("disk.inodeusage"))["/"]).toMatchObject({ filesystem });
  });
});

describe("ps", () => {
  it("finds, shows and ends a process", async () => {
    const child = spawn("sleep", ["98765"], { stdio: "ignore" });
    await once(child, "spawn");
    const pid = Number(child.pid);
    expect(await value("ps.pgrep", "98765", "full=True")).toContain(pid);
    expect(await value("ps.proc_info", String(pid))).toMatchObject({
      cmdline: "sleep 98765",
      name: "sleep",
      ppid: process.pid,
    });
    expect(await value("ps.kill_pid", String(pid))).toBe(true);
    await once(child, "exit");
    expect(await value("ps.kill_pid", String(pid))).toBe(false);
    expect(await value("ps.proc_info", String(pid))).toContain("no process");
  });

  it("lists the busiest", async () => {
    const top = (await value("ps.top", "num_processes=2", "interval=0.1")) as unknown[];
    expect(top).toHaveLength(2);
    const { total, used, available } = (await value("ps.virtual_memory")) as Record<string, number>;
    expect(total).toBe((used ?? 0) + (available ?? 0));
  });
});

describe("network, sysctl and mount", () => {
  it("are what the system says", async () => {
    expect((await map("network.interfaces"))["lo"]).toMatchObject({ inet: [{ address: "127.0.0.1" }] });
    expect(await value("network.ip_addrs", "lo")).toEqual(["127.0.0.1"]);
    expect(await value("network.ip_addrs")).not.toContain("127.0.0.1");
    expect(await value("network.hw_addr", "lo")).toBe("00:00:00:00:00:00");
    expect(await value("network.hw_addr", "../etc")).toContain("no interface");
    expect(await value("network.get_hostname")).toBe(oracle("hostname"));
    expect(await value("sysctl.get", "kernel.ostype")).toBe("Linux");
    expect(await value("sysctl.get", "kernel.../etc/passwd")).toContain("no kernel setting");
    expect((await map("mount.active"))["/proc"]).toMatchObject({ fstype: "proc" });
  });
});

describe("user and group", () => {
  it("are what getent and id say", async () => {
    const [, , uid, gid, , home, shell] = oracle("getent", "passwd", "daemon").split(":");
    expect(await value("user.info", "daemon")).toMatchObject({ uid: Number(uid), gid: Number(gid), home, shell });
    expect(await value("user.info", "nobody-here")).toEqual({});
    expect(await value("user.list_groups", "root")).toEqual(oracle("id", "-Gn", "root").split(" ").toSorted());
    const names = oracle("cut", "-d:", "-f1", "/etc/passwd").split("\n");
    expect(await value("user.list_users")).toEqual(names.toSorted());
    expect(await value("group.info", "daemon")).toMatchObject({
      gid: Number(oracle("getent", "group", "daemon").split(":")[2]),
    });
  });

  it("take no name that is an option", async () => {
    expect(await value("user.add", "--", "-r")).toContain("must be an account name");
  });

  it.skipIf(process.getuid?.() !== 0)("are made, changed and removed", async () => {
    const name = `msalt-t${process.pid % 10_000}`;
    try {
      expect(await value("user.add", name, "createhome=False", "shell=/bin/sh", "fullname=A B")).toBe(true);
      expect(await value("group.add", `${name}g`)).toBe(true);
      expect(await value("user.chgroups", name, `${name}g`, "append=True")).toBe(true);
      expect(oracle("id", "-Gn", name).split(" ")).toContain(`${name}g`);
      expect(await value("user.info", name)).toMatchObject({ fullname: "A B", shell: "/bin/sh" });
      expect(await value("user.add", name)).toContain("already exists");
      expect(await value("group.deluser", `${name}g`, name)).toBe(true);
      expect(oracle("id", "-Gn", name).split(" ")).not.toContain(`${name}g`);
    } finally {
      await value("user.delete", name);
      await value("group.delete", `${name}g`);
    }
    expect(await value("user.info", name)).toEqual({});
  });
});

describe("service and pkg", () => {
  it("service.get_all lists what is there", async () => {
    const all = (await value("service.get_all")) as string[];
    expect(await value("service.available", all[0] ?? "none")).toBe(all.length > 0);
    expect(await value("service.missing", "no-such-service-here")).toBe(true);
    expect(await value("service.status", "--version")).toContain("must be the name of a service");
  });

  it("pkg is what dpkg says", async () => {
    const version = oracle("dpkg-query", "-W", "-f=${Version}", "bash");
    expect(await value("pkg.version", "bash")).toBe(version);
    expect(await value("pkg.version", "bash", "no-such-package")).toEqual({ bash: version, "no-such-package": "" });
    const installed = (await value("pkg.list_pkgs")) as Record<string, string>;
    const listed = oracle("dpkg-query", "-W", "-f=${db:Status-Abbrev} ${Package}\n").split("\n");
    expect(Object.keys(installed)).toHaveLength(new Set(listed.filter((line) => /^[ih]i/.test(line))).size);
    expect(await value("pkg.remove", "no-such-package")).toEqual({});
    expect(await value("pkg.install", "--allow-unauthenticated")).toContain("is no name of a package");
    expect(await value("pkg.install")).toContain("no package named");
  });
});
