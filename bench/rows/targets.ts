/** Target expressions over 100,000 minions with grains, resolved as the controller does for each job. */
import { resolveTarget } from "../../src/target/target.ts";
import type { MinionId } from "../../src/wire/ids.ts";
import type { Row } from "../row.ts";

const targets = [
  ["glob", "web*.dc3.*"],
  ["pcre", "web[0-9]*5\\.dc[12]\\."],
  ["grain", "kernel:release:6.[1-4]"],
  ["ipcidr", "10.20.0.0/16"],
  ["compound", "( G@os:Debian and web* ) or P@osrelease:1[0-2] and not S@10.20.0.0/16 and not E@.*dc5.*"],
] as const;

export const target: Row = {
  name: "targets-100000",
  rounds: 15,
  figures: targets.map(([name]) => ({ name, unit: "ms" })),
  open: async ({ quick }) => {
    const candidates = Array.from({ length: quick ? 1000 : 100_000 }, (_, n) => ({
      id: `web${n}.dc${n % 7}.example.org` as MinionId,
      grains: {
        id: `web${n}`,
        os: n % 3 === 0 ? "Debian" : "RedHat",
        osrelease: String(n % 13),
        roles: ["web", `shard${n % 50}`],
        ipv4: ["127.0.0.1", `10.${n % 250}.${(n >> 8) % 250}.${n % 199}`],
        kernel: { release: `6.${n % 9}`, arch: "x86_64" },
      },
    }));
    const sample = async () =>
      Object.fromEntries(
        targets.map(([type, tgt]) => {
          const started = performance.now();
          const { minions } = resolveTarget(tgt, type, candidates);
          if (minions.length === 0) throw new Error(`${tgt} hits nobody`);
          return [type, performance.now() - started];
        }),
      );
    return [{ name: "msalt", sample }];
  },
};
