// Writes the manual pages into dist/man, from the same programs as --help.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = new URL("..", import.meta.url).pathname;
const { version } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));
const entry = `${root}dist/man-pages.mjs`;

rmSync(`${root}dist/man`, { recursive: true, force: true });
try {
  await build({
    entryPoints: [`${root}src/cli/man.ts`],
    outfile: entry,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20.19",
    logLevel: "warning",
    external: ["zeromq"],
    define: { __VERSION__: JSON.stringify(version) },
    banner: {
      js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
    },
  });
  const { manPages } = await import(pathToFileURL(entry).href);
  const seconds = process.env.SOURCE_DATE_EPOCH;
  const date = (seconds === undefined ? new Date() : new Date(Number(seconds) * 1000)).toISOString().slice(0, 10);
  for (const { name, section, text } of manPages(version, date)) {
    mkdirSync(`${root}dist/man/man${section}`, { recursive: true });
    writeFileSync(`${root}dist/man/man${section}/${name}.${section}`, text);
  }
} finally {
  rmSync(entry, { force: true });
}
