/**
 * Reads the configuration: file < `.d` files in order < command line. Every problem is reported at once, with file, key and
 * what was expected; nothing starts half-configured. A file that others could have written is not believed (LF-02).
 */
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { YAMLException, load } from "js-yaml";
import type * as z from "zod";
import { MsaltError, messageOf } from "../errors.ts";
import { type MasterConfig, type Roots, masterConfig, masterFile } from "./master.ts";
import { type MinionConfig, minionConfig, minionFile } from "./minion.ts";

export interface LoadOptions {
  readonly rootDir?: string;
  readonly configDir?: string;
  /** Values of the command line under the file's key names; they win. */
  readonly overrides?: Readonly<Record<string, unknown>>;
  readonly env?: NodeJS.ProcessEnv;
}

const maxBytes = 1_048_576;
const paths = ["pki_dir", "cachedir", "sock_dir"];

/** @throws MsaltError `ERR_CONFIG_INVALID` naming every problem. */
export function loadMasterConfig(options: LoadOptions = {}): MasterConfig {
  const roots = rootsOf(options);
  return masterConfig(read("master", masterFile, roots, options), roots);
}

/** @throws MsaltError `ERR_CONFIG_INVALID` naming every problem. */
export function loadMinionConfig(options: LoadOptions = {}): MinionConfig {
  const roots = rootsOf(options);
  const problems: string[] = [];
  const grains = readFile(join(roots.configDir, "grains"), problems);
  if (problems.length > 0) throw invalid(problems);
  return minionConfig(read("minion", minionFile, roots, options), roots, grains);
}

function rootsOf({ rootDir, configDir, env = process.env }: LoadOptions): Roots {
  const root = resolve(rootDir ?? env["MSALT_ROOT_DIR"] ?? "/").replace(/\/$/, "");
  return { root, configDir: resolve(configDir ?? env["MSALT_CONFIG_DIR"] ?? `${root}/etc/msalt`) };
}

function read<S extends z.ZodObject>(name: string, schema: S, roots: Roots, { overrides = {} }: LoadOptions): z.infer<S> {
  const main = join(roots.configDir, name);
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  /** Where each key came from last. */
  const origin: Record<string, string> = {};
  const take = (from: string, found: Readonly<Record<string, unknown>>): void => {
    for (const [key, value] of Object.entries(found)) {
      values[key] = value;
      origin[key] = from;
    }
  };
  for (const file of [main, ...included(`${main}.d`, problems)]) take(file, readFile(file, problems));
  take("the command line", overrides);
  for (const key of paths) {
    if (typeof values[key] === "string" && values[key] !== "") values[key] = resolve(`${roots.root}/`, values[key]);
  }
  const parsed = schema.safeParse(values);
  if (parsed.success && problems.length === 0) return parsed.data;
  const known = Object.keys(schema.shape);
  for (const issue of parsed.error?.issues ?? []) {
    if (issue.code === "unrecognized_keys") {
      for (const key of issue.keys) problems.push(`${origin[key]}: unknown key ${JSON.stringify(key)}${nearest(key, known)}`);
      continue;
    }
    const key = String(issue.path[0]);
    const found = key === "token" || !(key in values) ? "" : `, found ${show(values[key])}`;
    const where = origin[key] ?? `${main} (default, as the key is not set)`;
    problems.push(`${where}: ${issue.path.join(".")}: ${issue.message}${found}`);
  }
  throw invalid(problems);
}

function invalid(problems: readonly string[]): MsaltError {
  const [only = ""] = problems;
  const message = problems.length === 1 ? only : `${problems.length} problems in the configuration\n  ${problems.join("\n  ")}`;
  return new MsaltError("ERR_CONFIG_INVALID", message, { hint: "docs/configuration.md lists every key" });
}

function included(folder: string, problems: string[]): string[] {
  if (!existsSync(folder)) return [];
  try {
    checkOwner(folder);
    return readdirSync(folder)
      .filter((file) => file.endsWith(".conf"))
      .toSorted()
      .map((file) => join(folder, file));
  } catch (failure) {
    problems.push(`${folder}: ${messageOf(failure)}`);
    return [];
  }
}

/** The map in a YAML file; empty when there is no such file. */
function readFile(file: string, problems: string[]): Readonly<Record<string, unknown>> {
  try {
    if (!existsSync(file)) return {};
    checkOwner(dirname(file));
    checkOwner(file);
    if (statSync(file).size > maxBytes) throw new Error(`larger than ${maxBytes} bytes`);
    const value = load(readFileSync(file, "utf8"), { filename: file, maxAliases: 0, maxDepth: 20 }) ?? {};
    if (typeof value !== "object" || Array.isArray(value)) throw new Error("must be a map of keys and values");
    return value as Record<string, unknown>;
  } catch (failure) {
    const line = failure instanceof YAMLException && failure.mark !== undefined ? ` line ${failure.mark.line + 1}` : "";
    const what = failure instanceof YAMLException ? `not valid YAML: ${failure.reason}` : messageOf(failure);
    problems.push(`${file}${line}: ${what}`);
    return {};
  }
}

function checkOwner(path: string): void {
  const { uid, mode } = statSync(path);
  if (uid !== 0 && uid !== process.getuid?.()) throw new Error("belongs to neither root nor this user, so it is not believed");
  // A sticky folder, such as /tmp, lets nobody replace the files of others.
  if ((mode & 0o022) !== 0 && (mode & 0o1000) === 0) throw new Error(`can be written by others than its owner: chmod go-w ${path}`);
}

function show(value: unknown): string {
  const written = JSON.stringify(value) ?? String(value);
  return written.length > 60 ? `${written.slice(0, 57)}…` : written;
}

/** A known key that differs little enough to be meant. */
function nearest(key: string, known: readonly string[]): string {
  const [best] = known.map((each) => ({ each, away: distance(key, each) })).toSorted((a, b) => a.away - b.away);
  return best !== undefined && best.away <= Math.max(1, Math.floor(key.length / 3)) ? `; did you mean ${best.each}?` : "";
}

/** Insertions, deletions and replacements that make `b` of `a`. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
