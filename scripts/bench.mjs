// Bundles the benchmark and its load generators, then runs it: `npm run bench -- --help`.
import { readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

const root = new URL("..", import.meta.url).pathname;
process.chdir(root);
const { version } = JSON.parse(readFileSync("package.json", "utf8"));
const outdir = "node_modules/.cache/msalt-bench/bundle";
rmSync(outdir, { recursive: true, force: true });
await build({
  entryPoints: ["bench/main.ts", ...readdirSync("bench/load").map((file) => `bench/load/${file}`)],
  outbase: "bench",
  outdir,
  bundle: true,
  splitting: true,
  packages: "external",
  platform: "node",
  format: "esm",
  target: "node20.19",
  sourcemap: "linked",
  logLevel: "warning",
  define: { __VERSION__: JSON.stringify(version) },
});
await import(join(root, outdir, "main.js"));
