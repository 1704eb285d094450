import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { arch, hostname, networkInterfaces, tmpdir, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { gatherGrains } from "../../../src/grains/gather.ts";
import { encode } from "../../../src/wire/codec.ts";
import type { MinionId } from "../../../src/wire/ids.ts";
import { limits } from "../../../src/wire/limits.ts";

const id = "web1.example" as MinionId;
const root = mkdtempSync(join(tmpdir(), "msalt-grains-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Grains of an invented machine that consists of these files. */
async function grainsOf(name: string, files: Readonly<Record<string, string>>): Promise<Record<string, unknown>> {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name, path)), { recursive: true });
    writeFileSync(join(root, name, path), text);
  }
  return gatherGrains({ root: join(root, name), id, version: "1.2.3" });
}

const output = (file: string, ...args: string[]): string => execFileSync(file, args, { encoding: "utf8" }).trim();

describe("gatherGrains on this machine", async () => {
  const grains = await gatherGrains({
    id,
    master: "salt",
    version: "1.2.3",
    custom: { role: "web", os: "Mine", id: "forged" },
  });

  it.each<[string, unknown]>([
    ["kernel", output("uname", "-s")],
    ["kernelrelease", output("uname", "-r")],
    ["kernelversion", output("uname", "-v")],
    ["cpuarch", output("uname", "-m")],
    ["nodename", output("uname", "-n")],
    ["num_cpus", readFileSync("/proc/cpuinfo", "utf8").match(/^processor\s*:/gm)?.length],
    ["mem_total", Math.floor(totalmem() / 1_048_576)],
    ["pid", process.pid],
    ["uid", Number(output("id", "-u"))],
    ["gid", Number(output("id", "-g"))],
    ["username", output("id", "-un")],
    ["groupname", output("id", "-gn")],
    ["cwd", process.cwd()],
    ["path", process.env["PATH"]],
    ["master", "salt"],
    ["msaltversion", "1.2.3"],
    ["nodeversion", process.version.slice(1)],
    ["server_id", Number(BigInt(`0x${createHash("sha256").update(id).digest("hex")}`) % 2n ** 31n)],
    ["localhost", hostname()],
  ])("gives %s as the system says", (name, expected) => {
    expect(grains[name]).toEqual(expected);
  });

  it("lists the addresses of this machine", () => {
    const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
    const of = (family: string) => [
      ...new Set(addresses.filter((each) => each.family === family).map((each) => each.address)),
    ];
    expect(grains["ipv4"]).toEqual(of("IPv4").toSorted());
    expect(grains["ipv6"]).toEqual(of("IPv6").toSorted());
    const usable = addresses.filter(({ family, internal }) => family === "IPv4" && !internal);
    expect(grains["usable_ipv4"]).toEqual([...new Set(usable.map(({ address }) => address))].toSorted());
    expect(grains["ip4_interfaces"]).toMatchObject({ lo: ["127.0.0.1"] });
    expect(grains["hwaddr_interfaces"]).toMatchObject({ lo: "00:00:00:00:00:00" });
  });

  it.runIf(statSync("/etc/debian_version", { throwIfNoEntry: false }) !== undefined && arch() === "x64")(
    "knows the architecture's name on Debian",
    () => expect(grains["osarch"]).toBe(output("dpkg", "--print-architecture")),
  );

  it("lets custom grains win, but not over the id", () => {
    expect([grains["role"], grains["os"], grains["id"]]).toEqual(["web", "Mine", id]);
  });

  it("fits into one message", () => {
    expect(encode(grains).length).toBeLessThan(limits.grainsBytes / 4);
  });
});

describe("gatherGrains on an empty machine", () => {
  it("gives what it can and fails at nothing", async () => {
    const grains = await grainsOf("empty", {});
    expect(grains).toMatchObject({
      id,
      mem_total: 0,
      disks: [],
      ip4_gw: false,
      ip6_gw: false,
      init: "unknown",
      machine_id: "",
    });
    expect(Object.keys(grains)).not.toContain("serialnumber");
    expect(Object.keys(grains)).not.toContain("systemd");
  });
});

describe("the operating system", () => {
  const deb = { os_family: "Debian" };
  const red = { os_family: "RedHat" };
  it.each<[string, string, object]>([
    [
      "Debian",
      'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\nID=debian\n',
      {
        ...deb,
        os: "Debian",
        osfullname: "Debian GNU/Linux",
        osrelease: "12",
        osmajorrelease: 12,
        osfinger: "Debian-12",
        oscodename: "bookworm",
      },
    ],
    [
      "Ubuntu",
      'NAME="Ubuntu"\nVERSION_ID="22.04"\nVERSION="22.04.4 LTS (Jammy Jellyfish)"\nVERSION_CODENAME=jammy\nID=ubuntu\nID_LIKE=debian\n',
      {
        ...deb,
        os: "Ubuntu",
        osrelease: "22.04",
        osrelease_info: [22, 4],
        osmajorrelease: 22,
        osfinger: "Ubuntu-22.04",
        oscodename: "jammy",
      },
    ],
    [
      "Rocky",
      'NAME="Rocky Linux"\nVERSION="9.3 (Blue Onyx)"\nID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.3"\n',
      {
        ...red,
        os: "Rocky",
        osfullname: "Rocky Linux",
        osmajorrelease: 9,
        osfinger: "Rocky Linux-9",
        oscodename: "Blue Onyx",
      },
    ],
    [
      "Alpine",
      "NAME='Alpine Linux'\nID=alpine\nVERSION_ID=3.19.1\n",
      { os: "Alpine", os_family: "Alpine", osrelease: "3.19.1" },
    ],
    [
      "Arch",
      'NAME="Arch Linux"\nID=arch\nBUILD_ID=rolling\n',
      { os: "Arch", osrelease: "rolling", osfinger: "Arch Linux-rolling" },
    ],
    [
      "a cousin of Debian",
      'NAME="Devuan"\nID=devuan\nID_LIKE=debian\nVERSION_ID="5"\n',
      { ...deb, os: "Devuan", osfinger: "Devuan-5" },
    ],
  ])("is named as Salt names it: %s", async (name, text, expected) => {
    const grains = await grainsOf(`os-${name}`, { "etc/os-release": text });
    expect(grains).toMatchObject(expected);
  });
});

describe("hardware", () => {
  it("comes from proc and sys", async () => {
    const grains = await grainsOf("hardware", {
      "proc/cpuinfo":
        "processor\t: 0\nmodel name\t: Fast One\nflags\t\t: fpu sse hypervisor\n\nprocessor\t: 1\nmodel name\t: Other\n",
      "proc/meminfo": "MemTotal:        2048000 kB\nMemFree: 1 kB\nSwapTotal:       1048576 kB\n",
      "sys/block/sda/queue/rotational": "1\n",
      "sys/block/nvme0n1/queue/rotational": "0\n",
      "sys/block/loop0/queue/rotational": "1\n",
      "sys/class/dmi/id/bios_version": "1.16.2\n",
      "sys/class/dmi/id/sys_vendor": "QEMU\n",
      "sys/class/dmi/id/product_name": "Standard PC\n",
      "sys/class/dmi/id/product_uuid": "4C4C4544-0001\n",
      "proc/1/comm": "systemd\n",
      "usr/lib/systemd/libsystemd-shared-252.so": "",
      "etc/machine-id": "abc\n",
    });
    expect(grains).toMatchObject({
      cpu_model: "Fast One",
      cpu_flags: ["fpu", "sse", "hypervisor"],
      mem_total: 2000,
      swap_total: 1024,
      disks: ["sda"],
      ssds: ["nvme0n1"],
      biosversion: "1.16.2",
      manufacturer: "QEMU",
      productname: "Standard PC",
      uuid: "4c4c4544-0001",
      virtual: "kvm",
      init: "systemd",
      systemd: { version: "252", features: "" },
      machine_id: "abc",
    });
  });

  it.each<[string, Record<string, string>, object]>([
    ["bare metal", { "sys/class/dmi/id/sys_vendor": "Dell Inc.\n" }, { virtual: "physical" }],
    ["some hypervisor", { "proc/cpuinfo": "flags : a hypervisor\n" }, { virtual: "VM" }],
    ["VMware", { "sys/class/dmi/id/sys_vendor": "VMware, Inc.\n" }, { virtual: "VMware" }],
    ["docker", { ".dockerenv": "" }, { virtual: "container", virtual_subtype: "Docker" }],
    ["lxc", { "proc/1/environ": "PATH=/bin\0container=lxc\0" }, { virtual: "container", virtual_subtype: "LXC" }],
  ])("knows %s", async (name, files, expected) => {
    expect(await grainsOf(`virtual-${name}`, files)).toMatchObject(expected);
  });
});

describe("network", () => {
  it("reads gateways, resolver and interfaces", async () => {
    const route = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
    const grains = await grainsOf("network", {
      "proc/net/route":
        `${route}wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n` +
        "eth0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n" +
        "eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n",
      "proc/net/ipv6_route": `${"0".repeat(32)} 00 ${"0".repeat(32)} 00 fe800000000000000000000000000001 00000400 1 0 00450003 eth0\n`,
      "etc/resolv.conf":
        "# made by hand\nsearch a.example b.example\nnameserver 10.0.0.53\nnameserver fd00::53\noptions rotate timeout:1\n",
      "sys/class/net/dummy0/address": "02:00:00:00:00:01\n",
    });
    expect(grains).toMatchObject({ ip4_gw: "10.0.0.1", ip6_gw: "fe80::1" });
    expect(grains["dns"]).toMatchObject({
      nameservers: ["10.0.0.53", "fd00::53"],
      ip4_nameservers: ["10.0.0.53"],
      ip6_nameservers: ["fd00::53"],
      search: ["a.example", "b.example"],
      options: ["rotate", "timeout:1"],
    });
    expect(grains["ip_interfaces"]).toMatchObject({ dummy0: [] });
    expect(grains["hwaddr_interfaces"]).toMatchObject({ dummy0: "02:00:00:00:00:01" });
  });

  it.skipIf(hostname().includes("."))("takes the full name from the hosts file", async () => {
    const hosts = `127.0.0.1 localhost\n127.0.1.1 ${hostname()}.corp.example ${hostname()} # us\n`;
    expect(await grainsOf("hosts", { "etc/hosts": hosts })).toMatchObject({
      host: hostname(),
      nodename: hostname(),
      fqdn: `${hostname()}.corp.example`,
      domain: "corp.example",
    });
  });
});
