/** SQLite under the one interface that `node:sqlite` (Node 24 and later) and @photostructure/sqlite (20, 22) share. */
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { MsaltError } from "../errors.ts";
import { failpoint } from "../lib/failpoint.ts";
import { type Kind, jobRecord } from "./schema.ts";
import { damaged, storeError } from "./store-error.ts";

export type Value = null | number | bigint | string | Uint8Array;
export type Row = Readonly<Record<string, Value>>;

export interface Statement {
  run(...values: Value[]): { readonly changes: number | bigint; readonly lastInsertRowid: number | bigint };
  get(...values: Value[]): unknown;
  all(...values: Value[]): unknown[];
}

export interface Database {
  exec(sql: string): void;
  prepare(sql: string): Statement;
  close(): void;
}

/** A whole check takes about 2.5 ms a MiB, and a killed controller is to be back within a second. */
const checkedWholeBytes = 64 * 1_048_576;
const keptWalBytes = 64 * 1_048_576;

/**
 * Opens the record, or makes it where there is none, for this process alone.
 * @throws MsaltError `ERR_STORE` or `ERR_DISK_FULL` naming the file and what to do; a file that is there is never replaced.
 */
export function openDatabase(file: string, kind: Kind = jobRecord): Database {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    if (!existsSync(file)) create(file, kind);
    chmodSync(file, 0o600);
    return openExisting(file, kind);
  } catch (failure) {
    throw storeError(failure, file);
  }
}

/** Under another name first: a file of the right name is whole, so that an empty or half one is always damage. */
function create(file: string, kind: Kind): void {
  if (existsSync(`${file}-wal`)) throw damaged(`its ${file}-wal is there without it`);
  const made = `${file}.new`;
  for (const left of [made, `${made}-journal`]) rmSync(left, { force: true });
  closeSync(openSync(made, "wx", 0o600));
  const database = connect(made);
  try {
    database.exec(`PRAGMA synchronous = FULL; PRAGMA application_id = ${kind.applicationId}`);
    migrate(database, 0, kind);
  } finally {
    database.close();
  }
  failpoint("store.rename");
  renameSync(made, file);
  failpoint("store.folder");
  const folder = openSync(dirname(file), "r");
  fsyncSync(folder);
  closeSync(folder);
}

function openExisting(file: string, kind: Kind): Database {
  // SQLite would take an empty file for a new database.
  const { size } = statSync(file);
  if (size === 0) throw damaged("it is empty");
  const database = connect(file);
  try {
    // The lock first; nothing is changed in a file before it has proved whole and ours.
    database.exec("PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE");
    const version = check(database, file, size, kind);
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY");
    database.exec(`PRAGMA journal_size_limit = ${keptWalBytes}`);
    migrate(database, version, kind);
    return database;
  } catch (failure) {
    database.close();
    throw failure;
  }
}

/** @returns the version of its schema */
function check(
  database: Database,
  file: string,
  size: number,
  { applicationId, migrations, startTables }: Kind,
): number {
  const fresh = "move it away to begin with an empty record";
  if (pragma(database, "application_id") !== applicationId)
    throw new MsaltError("ERR_STORE", `${file} is not a record of msalt`, { file, hint: fresh });
  const version = Number(pragma(database, "user_version"));
  if (version > migrations.length) {
    const text = `${file} was written by a newer msalt (schema ${version}, this one knows ${migrations.length})`;
    throw new MsaltError("ERR_STORE", text, { file, hint: `start that version, or ${fresh}` });
  }
  for (const scope of size <= checkedWholeBytes ? ["1"] : startTables) {
    const verdict = String(pragma(database, `integrity_check(${scope})`));
    if (verdict !== "ok") throw damaged(verdict.replaceAll(/\s+/g, " "));
  }
  return version;
}

function connect(file: string): Database {
  const require = createRequire(import.meta.url);
  const builtIn = Number(process.versions.node.split(".")[0]) >= 24;
  const { DatabaseSync } = (builtIn ? require("node:sqlite") : require("@photostructure/sqlite")) as {
    DatabaseSync: new (path: string) => Database;
  };
  return new DatabaseSync(file);
}

function pragma(database: Database, name: string): Value | undefined {
  return Object.values(database.prepare(`PRAGMA ${name}`).get() as Row)[0];
}

function migrate(database: Database, version: number, { migrations }: Kind): void {
  for (const [index, script] of migrations.entries()) {
    if (index >= version) database.exec(`BEGIN IMMEDIATE; ${script} PRAGMA user_version = ${index + 1}; COMMIT`);
  }
}
