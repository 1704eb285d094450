/**
 * Modules of the operator's own (docs/own-modules.md): files below `salt://_modules`, fetched by `saltutil.sync_modules`, kept
 * here and loaded again at each start. One that cannot be loaded is named with its reason, and the others work.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as z from "zod";
import { MsaltError, messageOf } from "../errors.ts";
import type { Log } from "../log/log.ts";
import { type AnyFunction, type MasterFiles, Outcome, declare } from "../modules/declare.ts";
import { fetchFile, filesBelow } from "../modules/fetch.ts";
import { builtins } from "../modules/registry.ts";

const folderOnMaster = "_modules";
const source = /^([a-z][a-z0-9_]*)\.(ts|js|mjs)$/;
const functionName = /^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$/;

/** What a module's default export is called with: it need not import msalt, and finds the same zod. */
const moduleTools = { declare, z, MsaltError, Outcome } as const;

/** Where a minion keeps them. */
export function modulesDir(dataDir: string): string {
  return join(dataDir, "modules");
}

/** A minion's functions: the built-in ones, and over them the operator's own. */
export class OwnModules {
  readonly functions = new Map(builtins);
  readonly #dir: string;
  readonly #log: Pick<Log, "error">;

  constructor(dir: string, log: Pick<Log, "error">) {
    this.#dir = dir;
    this.#log = log;
  }

  /** Takes in what is here now; what cannot be loaded, with the reasons. Never rejects. */
  async load(): Promise<readonly string[]> {
    const { functions, problems } = await loadModules(this.#dir);
    for (const problem of problems) this.#log.error("cannot load a module of your own", { problem });
    this.functions.clear();
    for (const [name, fn] of builtins) this.functions.set(name, fn);
    for (const fn of functions) this.functions.set(fn.name, fn);
    return problems;
  }

  /** Fetches what the master has and takes it in. */
  async sync(files: MasterFiles): Promise<{ changed: string[]; problems: readonly string[] }> {
    const changed = await syncSources(files, this.#dir);
    return { changed, problems: await this.load() };
  }
}

interface Loaded {
  readonly functions: readonly AnyFunction[];
  /** `name: reason`. */
  readonly problems: readonly string[];
}

/** Makes `dir` what the master has. Gives the names of what came, changed or went. */
async function syncSources(files: MasterFiles, dir: string): Promise<string[]> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const wanted = (await filesBelow(files, folderOnMaster)).filter((name) => source.test(name));
  const before = await sourcesIn(dir);
  const changed = new Set<string>();
  for (const name of before.keys()) {
    if (wanted.includes(name)) continue;
    await rm(join(dir, name), { force: true });
    changed.add(name);
  }
  for (const name of wanted) {
    await fetchFile({ files }, `${folderOnMaster}/${name}`, join(dir, name), false);
    const now = (await sourcesIn(dir)).get(name);
    if (now !== before.get(name)) changed.add(name);
  }
  return [...changed].map((name) => `modules.${source.exec(name)?.[1] ?? name}`).toSorted();
}

/** Of each source its hash. */
async function sourcesIn(dir: string): Promise<Map<string, string>> {
  const names = await readdir(dir).catch(() => []);
  const hashes = new Map<string, string>();
  for (const name of names.filter((each) => source.test(each)).toSorted()) {
    hashes.set(
      name,
      createHash("sha256")
        .update(await readFile(join(dir, name)))
        .digest("hex"),
    );
  }
  return hashes;
}

/** Loads what is in `dir`. Never rejects. */
async function loadModules(dir: string): Promise<Loaded> {
  const functions: AnyFunction[] = [];
  const problems: string[] = [];
  await rm(join(dir, ".built"), { recursive: true, force: true });
  for (const [name, hash] of await sourcesIn(dir)) {
    try {
      functions.push(...(await loadModule(dir, name, hash)));
    } catch (failure) {
      problems.push(`${name}: ${messageOf(failure)}`);
    }
  }
  return { functions, problems };
}

async function loadModule(dir: string, name: string, hash: string): Promise<AnyFunction[]> {
  const text = await readFile(join(dir, name), "utf8");
  // Node takes a changed file for the one it has loaded, so its name says what is in it.
  const built = join(dir, ".built");
  const file = join(built, `${name}.${hash.slice(0, 16)}.mjs`);
  await mkdir(built, { recursive: true, mode: 0o700 });
  await writeFile(file, name.endsWith(".ts") ? (await import("./strip-types.ts")).stripTypes(text) : text, {
    mode: 0o600,
  });
  const loaded = (await import(pathToFileURL(file).href)) as { readonly default?: unknown };
  if (typeof loaded.default !== "function")
    throw new Error("its default export is no function that gives declarations");
  const declared: unknown = (loaded.default as (tools: typeof moduleTools) => unknown)(moduleTools);
  if (!Array.isArray(declared)) throw new Error("its default export gives no list of declarations");
  return declared.map(checked);
}

function checked(value: unknown): AnyFunction {
  const { name, summary, params, effects, run } = (value ?? {}) as Partial<Record<keyof AnyFunction, unknown>>;
  if (typeof name !== "string" || !functionName.test(name))
    throw new Error(`${String(name)} is no name such as app.version`);
  if (typeof summary !== "string" || summary === "") throw new Error(`${name} has no summary`);
  if (!(params instanceof z.ZodObject)) throw new Error(`${name}: params is no z.strictObject({…})`);
  if (effects !== "none" && effects !== "some") throw new Error(`${name}: effects is neither "none" nor "some"`);
  if (typeof run !== "function") throw new Error(`${name} has no function run`);
  return value as AnyFunction;
}
