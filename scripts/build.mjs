// Bundles every entry of src/bin into dist/, with chunks beside it, so that what a tool
// loads late (zeromq above all) stays late. Native packages stay outside the bundle.
import { readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

const root = new URL("..", import.meta.url).pathname;
const { version } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));

/** Zod brings its messages in fifty languages, more than half of its size. */
const zodInEnglish = {
  name: "zod-in-english",
  setup({ onResolve }) {
    onResolve({ filter: /^\.\.\/locales\/index\.js$/ }, ({ resolveDir }) =>
      resolveDir.includes("/node_modules/zod/") ? { path: join(resolveDir, "../locales/en.js") } : undefined,
    );
  },
};

rmSync(`${root}dist`, { recursive: true, force: true });
// Each by itself: one file for what a tool needs at once starts a quarter faster than the chunks that several would share.
await Promise.all(readdirSync(`${root}src/bin`).map((file) => bundle(`${root}src/bin/${file}`)));

function bundle(entry) {
  return build({
    entryPoints: [entry],
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
    plugins: [zodInEnglish],
    external: ["zeromq", "@photostructure/sqlite", "node:sqlite"],
    define: { __VERSION__: JSON.stringify(version) },
    // CommonJS packages inside the bundle call require(); esbuild's own stand-in refuses Node's built-in modules.
    banner: {
      js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
    },
  });
}
