import type { NetworkInterfaceInfo } from "node:os";
import type { SystemFiles } from "./files.ts";

type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

/** Addresses by interface; interfaces that are down or have none are listed too. */
export function networkGrains(files: SystemFiles, interfaces: Interfaces): Record<string, unknown> {
  const names = [...new Set([...Object.keys(interfaces), ...files.list("sys/class/net")])]
    .filter((name) => name in interfaces || files.line(`sys/class/net/${name}/address`) !== "")
    .toSorted();
  const addresses = (name: string, family?: string): string[] =>
    (interfaces[name] ?? [])
      .filter((each) => family === undefined || each.family === family)
      .map(({ address }) => address);
  const all = (family: string): string[] => [...new Set(names.flatMap((name) => addresses(name, family)))].toSorted();
  const byName = (pick: (name: string) => unknown): Record<string, unknown> =>
    Object.fromEntries(names.map((name) => [name, pick(name)]));
  const hardware = (name: string): string =>
    files.line(`sys/class/net/${name}/address`) || (interfaces[name]?.[0]?.mac ?? "00:00:00:00:00:00");
  return {
    ipv4: all("IPv4"),
    usable_ipv4: all("IPv4").filter(isUsable),
    ipv6: all("IPv6"),
    ip_interfaces: byName((name) => addresses(name)),
    ip4_interfaces: byName((name) => addresses(name, "IPv4")),
    ip6_interfaces: byName((name) => addresses(name, "IPv6")),
    hwaddr_interfaces: byName(hardware),
    ip4_gw: gateway4(files.text("proc/net/route")),
    ip6_gw: gateway6(files.text("proc/net/ipv6_route")),
    dns: resolver(files.text("etc/resolv.conf")),
  };
}

/** Others can reach this machine there: not loopback, link-local, multicast, reserved, or no address at all. */
function isUsable(address: string): boolean {
  const [first = 0, second = 0] = address.split(".").map(Number);
  return first !== 0 && first !== 127 && first < 224 && !(first === 169 && second === 254);
}

const gatewayFlag = 0x2;

/** Address of the default gateway with the least metric, or false. */
function gateway4(table: string): string | false {
  const rows = table.split("\n").map((line) => line.trim().split(/\s+/));
  const [best] = rows
    .filter(
      ([, destination, , flags, , , , mask]) => destination === "00000000" && mask === "00000000" && hasGateway(flags),
    )
    .toSorted((a, b) => Number(a[6]) - Number(b[6]));
  const hex = best?.[2];
  // The kernel prints the word as it stands in memory.
  return hex === undefined ? false : [6, 4, 2, 0].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)).join(".");
}

function gateway6(table: string): string | false {
  const rows = table.split("\n").map((line) => line.trim().split(/\s+/));
  const [best] = rows
    .filter(
      ([destination, length, , , , , , , flags]) =>
        /^0{32}$/.test(destination ?? "") && length === "00" && hasGateway(flags),
    )
    .toSorted((a, b) => Number.parseInt(a[5] ?? "", 16) - Number.parseInt(b[5] ?? "", 16));
  const groups = best?.[4]?.match(/.{4}/g);
  return groups === undefined || groups === null
    ? false
    : new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

function hasGateway(flags: string | undefined): boolean {
  return (Number.parseInt(flags ?? "0", 16) & gatewayFlag) !== 0;
}

function resolver(text: string): Record<string, unknown> {
  const lines = text.split("\n").map((line) =>
    line
      .replace(/[#;].*/, "")
      .trim()
      .split(/\s+/),
  );
  const words = (name: string): string[] => lines.filter(([first]) => first === name).flatMap(([, ...rest]) => rest);
  const nameservers = words("nameserver");
  return {
    nameservers,
    ip4_nameservers: nameservers.filter((address) => !address.includes(":")),
    ip6_nameservers: nameservers.filter((address) => address.includes(":")),
    sortlist: words("sortlist"),
    domain: words("domain").at(-1) ?? "",
    search: lines.findLast(([first]) => first === "search")?.slice(1) ?? [],
    options: words("options"),
  };
}
