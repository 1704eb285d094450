// Bundles every entry of src/bin into dist/, one small start file each with shared chunks beside it, so that what a tool
// loads late (zeromq above all) stays late. Native packages stay outside the bundle.
import { readFileSync, readdirSync, rmSync } from "node:fs";
import { build } from "esbuild";

const root = new URL("..", import.meta.url).pathname;
const { version } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));

rmSync(`${root}dist`, { recursive: true, force: true });
await build({
  entryPoints: readdirSync(`${root}src/bin`).map((file) => `${root}src/bin/${file}`),
  outdir: `${root}dist`,
  chunkNames: "chunks/[name]-[hash]",
  bundle: true,
  splitting: true,
  platform: "node",
  format: "esm",
  target: "node20.19",
  sourcemap: "linked",
  legalComments: "none",
  logLevel: "warning",
  external: ["zeromq", "@photostructure/sqlite", "node:sqlite"],
  define: { __VERSION__: JSON.stringify(version) },
  // CommonJS packages inside the bundle call require(); esbuild's own stand-in refuses Node's built-in modules.
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
});
