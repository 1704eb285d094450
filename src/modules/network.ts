/** `network`: addresses and names of this minion. */
import { existsSync, readFileSync } from "node:fs";
import { hostname, networkInterfaces } from "node:os";
import * as z from "zod";
import { MsaltError } from "../errors.ts";
import type { AnyFunction } from "./declare.ts";
import { fact } from "./facts.ts";

const none = z.strictObject({});

type Family = "IPv4" | "IPv6";

function addresses(family: Family, iface?: string): string[] {
  const all = Object.entries(networkInterfaces()).filter(([name]) => iface === undefined || name === iface);
  return all.flatMap(([, list = []]) =>
    list
      .filter((each) => each.family === family && (iface !== undefined || !each.internal))
      .map(({ address }) => address),
  );
}

const oneInterface = z.strictObject({ interface: z.string().optional() });

export const networkFunctions: readonly AnyFunction[] = [
  fact("network.interfaces", "Give addresses, hardware address and state of each interface.", none, async () =>
    Object.fromEntries(
      Object.entries(networkInterfaces()).map(([name, list = []]) => {
        const of = (family: Family): unknown[] =>
          list
            .filter((each) => each.family === family)
            .map(({ address, netmask, cidr }) =>
              family === "IPv4" ? { address, label: name, netmask } : { address, prefixlen: cidr?.split("/")[1] ?? "" },
            );
        const state = existsSync(`/sys/class/net/${name}/operstate`)
          ? readFileSync(`/sys/class/net/${name}/operstate`, "utf8").trim()
          : "unknown";
        return [name, { hwaddr: list[0]?.mac ?? "", inet: of("IPv4"), inet6: of("IPv6"), up: state !== "down" }];
      }),
    ),
  ),
  fact(
    "network.ip_addrs",
    "List the IPv4 addresses, without loopback.",
    oneInterface,
    async (args) => addresses("IPv4", args.interface),
    "eth0",
  ),
  fact("network.ip_addrs6", "List the IPv6 addresses, without loopback.", oneInterface, async (args) =>
    addresses("IPv6", args.interface),
  ),
  fact(
    "network.hw_addr",
    "Give the hardware address of an interface.",
    z.strictObject({ iface: z.string() }),
    async ({ iface }) => {
      const file = `/sys/class/net/${iface}/address`;
      if (iface.includes("/") || !existsSync(file))
        throw new MsaltError("ERR_COMMAND", `no interface ${JSON.stringify(iface)}`);
      return readFileSync(file, "utf8").trim();
    },
    "eth0",
  ),
  fact("network.get_hostname", "Give the host name.", none, async () => hostname()),
  fact(
    "network.ping",
    "Ping a host; give what ping says, or True and False with return_boolean=True.",
    z.strictObject({
      host: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:-]*$/, "must be a host name or an address"),
      timeout: z.int().min(1).max(600).default(10),
      return_boolean: z.boolean().default(false),
    }),
    async ({ host: name, timeout, return_boolean: asBoolean }, host) => {
      const { retcode, stdout, stderr } = await host.command({
        argv: ["ping", "-c", "4", "-w", String(timeout), name],
      });
      return asBoolean ? retcode === 0 : (stdout || stderr).trimEnd();
    },
    "archlinux.org",
  ),
];
