import type { networkInterfaces } from "node:os";
import { describe, expect, it } from "vitest";
import { SystemFiles } from "../../../src/grains/files.ts";
import { networkGrains } from "../../../src/grains/network.ts";

type Interface = NonNullable<ReturnType<typeof networkInterfaces>[string]>[number];

const address = (text: string): Interface => ({
  address: text,
  family: "IPv4",
  netmask: "255.255.255.0",
  mac: "00:00:00:00:00:00",
  internal: false,
  cidr: null,
});

describe("networkGrains", () => {
  it("names the addresses under which others reach this machine", () => {
    const given = [
      "10.0.0.5",
      "127.0.0.1",
      "127.8.8.8",
      "169.254.1.1",
      "169.253.1.1",
      "224.0.0.1",
      "240.0.0.1",
      "0.0.0.0",
    ];
    const interfaces = { lo: [address("127.0.0.1")], eth0: given.map(address), eth1: [address("10.0.0.5")] };
    const { usable_ipv4: usable } = networkGrains(new SystemFiles("/nowhere"), interfaces);
    expect(usable).toEqual(["10.0.0.5", "169.253.1.1"]);
  });
});
