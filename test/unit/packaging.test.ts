import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadMasterConfig, loadMinionConfig } from "../../src/config/load.ts";

const root = join(import.meta.dirname, "../..");
const text = (name: string): string => readFileSync(join(root, "packaging", name), "utf8");

/** Section → key → values, in order. A later file lies over the earlier ones, as systemd reads drop-ins. */
function unit(...names: readonly string[]): Map<string, Map<string, string[]>> {
  const sections = new Map<string, Map<string, string[]>>();
  for (const name of names) {
    let section = new Map<string, string[]>();
    for (const line of text(name).split("\n")) {
      const [, head] = /^\[(\w+)\]$/.exec(line) ?? [];
      if (head !== undefined) sections.set(head, (section = sections.get(head) ?? new Map<string, string[]>()));
      else if (!line.startsWith("#") && line !== "") {
        const [, key, value] = /^(\w+)=(.*)$/.exec(line) ?? [];
        if (key === undefined || value === undefined) throw new Error(`${name}: not a line of a unit: ${line}`);
        section.set(key, [...(section.get(key) ?? []), value]);
      }
    }
  }
  return sections;
}
const service = (...names: readonly string[]): Map<string, string[]> => unit(...names).get("Service") ?? new Map();
const one = (of: Map<string, string[]>, key: string): string | undefined => of.get(key)?.at(-1);

/** What neither daemon needs without the rights of root. */
const fences = {
  NoNewPrivileges: "yes",
  PrivateDevices: "yes",
  ProtectKernelTunables: "yes",
  ProtectKernelModules: "yes",
  ProtectKernelLogs: "yes",
  ProtectControlGroups: "yes",
  ProtectClock: "yes",
  RestrictNamespaces: "yes",
  RestrictRealtime: "yes",
  RestrictSUIDSGID: "yes",
  LockPersonality: "yes",
  CapabilityBoundingSet: "",
  AmbientCapabilities: "",
};
const masterFences = {
  ...fences,
  UMask: "0077",
  ProtectSystem: "strict",
  ProtectHome: "yes",
  PrivateTmp: "yes",
  ProtectHostname: "yes",
  ProtectProc: "invisible",
  RestrictAddressFamilies: "AF_INET AF_INET6 AF_UNIX",
  SystemCallArchitectures: "native",
  SystemCallFilter: "@system-service",
};
const units = [
  { names: ["msalt-master.service"], user: "msalt", wanted: masterFences },
  { names: ["msalt-api.service"], user: "msalt", wanted: masterFences },
  { names: ["msalt-minion.service", "msalt-minion-unprivileged.conf"], user: "msalt-minion", wanted: fences },
];

describe("the systemd units", () => {
  it.each(units)("$names run as $user, fenced in", ({ names, user, wanted }) => {
    const found = service(...names);
    expect(Object.fromEntries(Object.keys(wanted).map((key) => [key, one(found, key)]))).toEqual(wanted);
    expect([one(found, "User"), one(found, "Group")]).toEqual([user, user]);
    expect(text("msalt.sysusers")).toMatch(new RegExp(`^u ${user} - `, "m"));
  });

  it.each(units)("$names have limits, come back, and are stopped in order", ({ names }) => {
    const found = service(...names);
    expect(one(found, "Restart")).toBe("always");
    expect(one(found, "Type")).toBe("notify");
    expect(Number(one(found, "LimitNOFILE"))).toBeGreaterThanOrEqual(65_536);
    for (const key of ["MemoryMax", "OOMPolicy", "TimeoutStopSec", "KillMode"]) expect(one(found, key)).toBeDefined();
    expect(one(unit(...names).get("Unit") ?? new Map(), "StartLimitIntervalSec")).toBe("0");
  });

  it.each(units)("$names start a program of this package", ({ names }) => {
    const { bin } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { bin: Record<string, string> };
    const [, program = ""] = /^\/usr\/local\/bin\/([\w-]+)$/.exec(one(service(...names), "ExecStart") ?? "") ?? [];
    expect(Object.keys(bin)).toContain(program);
  });

  it("give the daemons the folders that they use unless configured otherwise", () => {
    const empty = mkdtempSync(join(tmpdir(), "msalt-unit-"));
    try {
      const master = loadMasterConfig({ rootDir: empty, env: {}, overrides: {} });
      const at = (path: string): string => path.slice(empty.length);
      const found = service("msalt-master.service");
      expect(`/var/lib/${one(found, "StateDirectory")}`).toBe(at(master.dataDir));
      expect(one(found, "RuntimeDirectory")?.split(" ")).toEqual(
        ["", "-users"].map((more) => `${at(master.sockDir)}${more}`.replace(/^\/run\//, "")),
      );
      expect(one(found, "ReadWritePaths")).toBe(at(master.pkiDir));
      expect(text("msalt.tmpfiles")).toContain(`\nd ${at(master.pkiDir)} 0700 msalt msalt -\n`);
      const minion = loadMinionConfig({ rootDir: empty, env: {}, overrides: { id: "m1" } });
      const own = service(...(units[2]?.names ?? []));
      expect(`/var/lib/${one(own, "StateDirectory")}`).toBe(at(minion.dataDir));
      expect(one(own, "ReadWritePaths")).toBe(at(minion.pkiDir));
    } finally {
      rmSync(empty, { recursive: true });
    }
  });

  it.skipIf(!existsSync("/usr/bin/systemd-analyze"))("are little exposed, systemd says of the master's", () => {
    const file = join(root, "packaging/msalt-master.service");
    const words = ["security", "--offline=true", "--threshold=25", "--no-pager", file];
    const { status, stdout, stderr } = spawnSync("systemd-analyze", words, { encoding: "utf8" });
    expect({ status, stdout, stderr }).toMatchObject({ status: 0 });
  });
});
