// Resolves target expressions over 100,000 minions with grains, as the controller does for each job.
import { rmSync, mkdtempSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";

const root = new URL("..", import.meta.url).pathname;
const count = 100_000;
const rounds = 15;
// Beside the packages that it needs.
const folder = mkdtempSync(join(root, "node_modules/.msalt-bench-"));
try {
  const outfile = join(folder, "target.mjs");
  await build({
    entryPoints: [join(root, "src/target/target.ts")],
    outfile,
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
  });
  const { resolveTarget } = await import(outfile);
  const candidates = Array.from({ length: count }, (_, n) => ({
    id: `web${n}.dc${n % 7}.example.org`,
    grains: {
      id: `web${n}`,
      os: n % 3 === 0 ? "Debian" : "RedHat",
      osrelease: String(n % 13),
      roles: ["web", `shard${n % 50}`],
      ipv4: ["127.0.0.1", `10.${n % 250}.${(n >> 8) % 250}.${n % 199}`],
      kernel: { release: `6.${n % 9}`, arch: "x86_64" },
    },
  }));
  const targets = [
    ["glob", "web*.dc3.*"],
    ["pcre", "web[0-9]*5\\.dc[12]\\."],
    ["grain", "kernel:release:6.[1-4]"],
    ["ipcidr", "10.20.0.0/16"],
    ["compound", "( G@os:Debian and web* ) or P@osrelease:1[0-2] and not S@10.20.0.0/16 and not E@.*dc5.*"],
  ];
  process.stdout.write(
    `resolving ${count} minions, ms: median (min to max) of ${rounds}; load ${loadavg()[0].toFixed(2)}\n`,
  );
  for (const [type, tgt] of targets) {
    const times = [];
    let hits = 0;
    for (let round = 0; round < rounds; round += 1) {
      const before = performance.now();
      hits = resolveTarget(tgt, type, candidates).minions.length;
      times.push(performance.now() - before);
    }
    times.sort((a, b) => a - b);
    const [least, median, most] = [times[0], times[rounds >> 1], times[rounds - 1]].map((time) => time.toFixed(1));
    process.stdout.write(`  ${type.padEnd(9)} ${median} (${least} to ${most})  ${hits} hit by ${tgt}\n`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
