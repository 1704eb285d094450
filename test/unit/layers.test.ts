import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, it } from "vitest";

// Who may import whom (docs/architecture.md). A row grows in the change that needs it.
const src = join(import.meta.dirname, "../../src");
const base = ["errors", "lib", "wire"];
const front = [...base, "crypto", "transport", "config", "log", "master/front"];
const mayImport: Record<string, readonly string[]> = {
  errors: [],
  lib: ["errors"],
  wire: ["errors", "lib"],
  target: base,
  job: base,
  acl: [...base, "target"],
  audit: base,
  event: base,
  config: base,
  pillar: [...base, "config", "target"],
  log: ["errors", "lib"],
  crypto: base,
  transport: ["errors", "lib"],
  store: [...base, "job"],
  files: base,
  grains: base,
  modules: [...base, "output", "target"],
  runners: [...base, "audit", "event", "job", "target"],
  output: [...base, "job"],
  "master/front": [...base, "transport"],
  "master/reqserver": front,
  "master/publisher": front,
  "master/workers": [...front, "files"],
  "master/controller": [
    ...base,
    "acl",
    "audit",
    "event",
    "target",
    "pillar",
    "job",
    "crypto",
    "store",
    "transport",
    "config",
    "log",
  ],
  master: [...base, "config", "log"],
  minion: [...base, "files", "crypto", "transport", "modules", "grains", "config", "log"],
  swarm: [...base, "modules", "grains", "minion", "config", "log"],
  client: [...base, "event", "job", "transport"],
  cli: [...base, "client", "output", "job", "modules", "runners", "config"],
  api: [...base, "acl", "client", "config", "job", "log", "modules", "output", "store"],
  // It runs in a browser: nothing that needs more than the language.
  dashboard: ["lib", "output", "wire"],
  bin: [
    ...base,
    "api",
    "cli",
    "client",
    "config",
    "crypto",
    "log",
    "master",
    "master/controller",
    "master/publisher",
    "master/reqserver",
    "master/workers",
    "minion",
    "swarm",
  ],
};
/** A package named here is used in no other folder. */
const owner: Record<string, string> = {
  "@msgpack/msgpack": "wire",
  "@photostructure/sqlite": "store",
  commander: "cli",
  croner: "minion",
  fastify: "api",
  eventemitter3: "event",
  "js-yaml": "config",
  minimatch: "lib",
  "node:sqlite": "store",
  preact: "dashboard",
  "preact/hooks": "dashboard",
  re2js: "lib",
  tweetnacl: "crypto",
  zeromq: "transport",
};

const folderOf = (file: string): string =>
  Object.keys(mayImport)
    .filter((folder) => file === `${folder}.ts` || file.startsWith(`${folder}/`))
    .toSorted((a, b) => b.length - a.length)[0] ?? `unlisted: ${file}`;

const imports = readdirSync(src, { recursive: true, encoding: "utf8" })
  .filter((file) => /\.tsx?$/.test(file))
  .flatMap((file) =>
    [...readFileSync(join(src, file), "utf8").matchAll(/(?:\bfrom |\bimport\(|\bimport |\brequire\()"([^"]+)"/g)].map(
      (match) => ({
        file,
        what: match[1] ?? "",
      }),
    ),
  );
const own = imports.filter(({ what }) => what.startsWith("."));

describe("layers", () => {
  it("sees the imports at all", () => {
    expect(own.length).toBeGreaterThan(50);
  });

  it("lets each folder import only what its row says", () => {
    const wrong = own.filter(({ file, what }) => {
      const from = folderOf(file);
      return ![from, ...(mayImport[from] ?? [])].includes(folderOf(relative(src, join(src, dirname(file), what))));
    });
    expect(wrong).toEqual([]);
  });

  it("keeps what the browser runs free of Node", () => {
    const seen = new Set<string>();
    const reach = (file: string): void => {
      if (seen.has(file)) return;
      seen.add(file);
      for (const { what } of own.filter((each) => each.file === file))
        reach(relative(src, join(src, dirname(file), what)));
    };
    for (const { file } of imports) if (folderOf(file) === "dashboard") reach(file);
    expect(seen.size).toBeGreaterThan(20);
    expect(imports.filter(({ file, what }) => seen.has(file) && what.startsWith("node:"))).toEqual([]);
  });

  it("lets each package be used by its owner alone", () => {
    expect(imports.filter(({ file, what }) => what in owner && folderOf(file) !== owner[what])).toEqual([]);
  });
});
