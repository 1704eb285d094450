import { join } from "node:path";
import { defineConfig } from "vitest/config";

const reports = process.env["MSALT_TEST_REPORTS"];

// Minutes of load and faults that do not depend on which Node runs them: MSALT_TEST_SHORT leaves them out.
const long = [
  "api-limits",
  "api-tasks",
  "at-most-once",
  "bad-input",
  "bad-start",
  "bench",
  "crashes",
  "crowd",
  "dashboard",
  "dashboard-crowd",
  "dashboard-ways",
  "exhaustion",
  "faults",
  "floods",
  "full-disk",
  "marathon",
  "master-failpoints",
  "memory-cap",
  "minion-failpoints",
  "netns",
  "network",
  "pictures",
  "record",
  "restart",
  "soak",
].map((name) => `test/process/${name}.test.ts`);
const left = process.env["MSALT_TEST_SHORT"] === undefined ? [] : long;

// `unit` runs from source in one pool, and so does `sim`, which is one long file; `process` starts the bundles in dist/ as a user would, two files at a time: they mostly wait.
export default defineConfig({
  test: {
    ...(reports !== undefined && {
      reporters: ["default", ["json", { outputFile: join(reports, `${Date.now()}-${process.pid}.json`) }]],
    }),
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts"],
          testTimeout: 20_000,
          expect: { poll: { timeout: 15_000 } },
        },
      },
      { test: { name: "sim", include: ["test/sim/**/*.test.ts"] } },
      {
        test: {
          name: "process",
          include: ["test/process/**/*.test.ts"],
          exclude: left,
          pool: "forks",
          maxWorkers: 2,
          testTimeout: 180_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
