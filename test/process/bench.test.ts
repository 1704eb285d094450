import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Line } from "../../bench/row.ts";

const root = join(import.meta.dirname, "../..");

it("npm run bench measures, and prints one JSON document", { timeout: 300_000 }, () => {
  const words = ["scripts/bench.mjs", "--quick", "--no-salt", "--only", "ping", "--json"];
  const { status, stdout, stderr } = spawnSync(process.execPath, words, { cwd: root, encoding: "utf8" });
  expect([status, stderr]).toEqual([0, expect.any(String)]);
  const { lines, ...about } = JSON.parse(stdout) as { readonly lines: readonly Line[] };
  expect(about).toMatchObject({ node: process.version, machine: expect.stringContaining("GiB") });
  const ping = lines.find(({ figure }) => figure === "test.ping");
  expect(ping).toMatchObject({ row: "ping", unit: "s" });
  const one = { min: expect.any(Number), median: expect.any(Number), max: expect.any(Number), samples: 1 };
  expect(ping?.contenders).toMatchObject({ msalt: one, "empty Node": one });
});
