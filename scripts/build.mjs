// Bundles every entry of src/bin into dist/, and the dashboard into dist/dashboard/, with chunks beside it, so that what a tool
// loads late (zeromq above all) stays late. Native packages stay outside the bundle.
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
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
await Promise.all([...readdirSync(`${root}src/bin`).map((file) => bundle(`${root}src/bin/${file}`)), dashboard()]);

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

/** Names hold the hash of what is in the file: a browser may keep it for ever. */
async function dashboard() {
  const { outputFiles } = await build({
    entryPoints: [`${root}src/dashboard/main.tsx`, `${root}src/dashboard/app.css`],
    outdir: `${root}dist/dashboard`,
    entryNames: "[name]-[hash]",
    bundle: true,
    minify: true,
    format: "esm",
    target: ["chrome123", "firefox120", "safari17.5"],
    legalComments: "none",
    logLevel: "warning",
    metafile: true,
    write: true,
  }).then(({ metafile }) => ({ outputFiles: Object.keys(metafile.outputs).map((path) => path.replace(/^.*\//, "")) }));
  const named = (pattern) => outputFiles.find((name) => pattern.test(name));
  const page = readFileSync(`${root}src/dashboard/index.html`, "utf8")
    .replace("app.css", named(/^app-.*\.css$/))
    .replace("app.js", named(/^main-.*\.js$/));
  writeFileSync(`${root}dist/dashboard/index.html`, page);
}
