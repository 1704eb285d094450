/**
 * Reads the configuration: file < `.d` files in order < command line. Every problem is reported at once, with file, key and
 * what was expected; nothing starts half-configured. A file that others could have written is not believed (LF-02).
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  readdirSync,
  realpathSync,
  statSync,
} from "node:fs";
import type { Stats } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type * as z from "zod";
import { MsaltError, messageOf } from "../errors.ts";
import { type MasterConfig, type Roots, masterConfig, masterFile } from "./master.ts";
import { type MinionConfig, minionConfig, minionFile } from "./minion.ts";
import { nearest } from "../lib/near.ts";
import { maxBytes, parseYaml, yamlProblem } from "./yaml.ts";

export interface LoadOptions {
  readonly rootDir?: string | undefined;
  readonly configDir?: string | undefined;
  /** Values of the command line under the file's key names; they win. */
  readonly overrides?: Readonly<Record<string, unknown>>;
  readonly env?: NodeJS.ProcessEnv;
}

type Values = Readonly<Record<string, unknown>>;

const paths = ["pki_dir", "cachedir", "sock_dir"];

/** @throws MsaltError `ERR_CONFIG_INVALID` naming every problem. */
export function loadMasterConfig(options: LoadOptions = {}): MasterConfig {
  const roots = rootsOf(options);
  return masterConfig(read("master", masterFile, roots, options, new Set()), roots);
}

/** @throws MsaltError `ERR_CONFIG_INVALID` naming every problem. */
export function loadMinionConfig(options: LoadOptions = {}): MinionConfig {
  const roots = rootsOf(options);
  const problems = new Set<string>();
  const grains = readMap(join(roots.configDir, "grains"), problems);
  return minionConfig(read("minion", minionFile, roots, options, problems), roots, grains);
}

function rootsOf({ rootDir, configDir, env = process.env }: LoadOptions): Roots {
  // An empty variable counts as none: it must not make the working directory the root.
  const root = resolve(rootDir || env["MSALT_ROOT_DIR"] || "/").replace(/\/$/, "");
  return { root, configDir: resolve(configDir || env["MSALT_CONFIG_DIR"] || `${root}/etc/msalt`) };
}

/** Problems found before are reported with those found here. */
function read<S extends z.ZodObject>(
  name: string,
  schema: S,
  { root, configDir }: Roots,
  { overrides = {} }: LoadOptions,
  problems: Set<string>,
): z.infer<S> {
  const main = join(configDir, name);
  // Maps, as a key may be called __proto__.
  const values = new Map<string, unknown>();
  const origins = new Map<string, string>();
  const take = (from: string, found: Values): void => {
    for (const [key, value] of Object.entries(found)) {
      const isPath = paths.includes(key) && typeof value === "string" && value !== "";
      values.set(key, isPath ? resolve(`${root}/`, value) : value);
      origins.set(key, from);
    }
  };
  checkFolder(configDir, problems);
  for (const file of [main, ...included(`${main}.d`, problems)]) take(file, readMap(file, problems));
  take("the command line", overrides);
  const parsed = schema.safeParse(Object.fromEntries(values));
  if (parsed.success && problems.size === 0) return parsed.data;
  const known = Object.keys(schema.shape);
  for (const issue of parsed.error?.issues ?? []) {
    if (issue.code === "unrecognized_keys" && issue.path.length === 0) {
      for (const key of issue.keys) {
        const [meant] = nearest(key, known);
        const advice = meant === undefined ? "" : `; did you mean ${meant}?`;
        problems.add(`${origins.get(key)}: unknown key ${JSON.stringify(key)}${advice}`);
      }
      continue;
    }
    const key = String(issue.path[0]);
    const where = origins.get(key) ?? `${main} (default, as the key is not set)`;
    const found = key === "token" || !values.has(key) ? "" : `, found ${show(values.get(key))}`;
    problems.add(`${where}: ${issue.path.join(".")}: ${issue.message}${found}`);
  }
  throw invalid([...problems]);
}

function invalid(problems: readonly string[]): MsaltError {
  const [only = ""] = problems;
  const message =
    problems.length === 1 ? only : `${problems.length} problems in the configuration\n  ${problems.join("\n  ")}`;
  return new MsaltError("ERR_CONFIG_INVALID", message, { hint: "docs/configuration.md lists every key" });
}

function included(folder: string, problems: Set<string>): string[] {
  if (!checkFolder(folder, problems)) return [];
  try {
    return readdirSync(folder)
      .filter((file) => file.endsWith(".conf"))
      .toSorted()
      .map((file) => join(folder, file));
  } catch (failure) {
    problems.add(unreadable(folder, failure));
    return [];
  }
}

/** The map in a YAML file; empty when there is no such file. */
function readMap(file: string, problems: Set<string>): Values {
  try {
    const text = readTrusted(file, problems);
    if (text === undefined) return {};
    // A file of comments only holds nothing.
    const value = parseYaml(text, file) ?? {};
    if (typeof value !== "object" || Array.isArray(value)) throw new Error("must be a map of keys and values");
    return value as Values;
  } catch (failure) {
    problems.add(yamlProblem(file, failure) ?? unreadable(file, failure));
    return {};
  }
}

/** Judges and reads the same open file, so that nobody can exchange it between the two. */
function readTrusted(file: string, problems: Set<string>): string | undefined {
  let descriptor: number;
  try {
    // Without O_NONBLOCK a pipe in place of the file would hold us here.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (failure) {
    if ((failure as NodeJS.ErrnoException).code !== "ENOENT") throw failure;
    if (lstatSync(file, { throwIfNoEntry: false }) === undefined) return undefined;
    throw new Error("is a link to nothing", { cause: failure });
  }
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw new Error("is not a file");
    checkOwner(file, stats, problems);
    checkFolder(dirname(realpathSync(file)), problems);
    if (stats.size > maxBytes) throw new Error(`larger than ${maxBytes} bytes`);
    return readFileSync(descriptor, "utf8");
  } finally {
    closeSync(descriptor);
  }
}

/** Whether there is such a folder; that it cannot be believed is a problem, not a no. */
function checkFolder(folder: string, problems: Set<string>): boolean {
  try {
    checkOwner(folder, statSync(folder), problems);
    return true;
  } catch (failure) {
    if ((failure as NodeJS.ErrnoException).code !== "ENOENT") problems.add(unreadable(folder, failure));
    return false;
  }
}

function checkOwner(path: string, { uid, mode }: Stats, problems: Set<string>): void {
  if (uid !== 0 && uid !== process.getuid?.()) {
    problems.add(`${path}: belongs to neither root nor this user, so it is not believed`);
  }
  if ((mode & 0o022) !== 0) problems.add(`${path}: can be written by others than its owner: chmod go-w ${path}`);
}

function unreadable(path: string, failure: unknown): string {
  const { code } = failure as NodeJS.ErrnoException;
  return `${path}: ${code === "EACCES" ? "this user may not read it" : messageOf(failure)}`;
}

function show(value: unknown): string {
  const written = JSON.stringify(value) ?? String(value);
  return written.length > 60 ? `${written.slice(0, 57)}…` : written;
}
