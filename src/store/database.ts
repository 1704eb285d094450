/** SQLite under the one interface that `node:sqlite` (Node 24 and later) and @photostructure/sqlite (20, 22) share. */
import { chmodSync, closeSync, mkdirSync, openSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { MsaltError, messageOf } from "../errors.ts";

type Value = null | number | bigint | string | Uint8Array;
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

const schemaVersion = 1;

/**
 * Jobs keep their targets as one packed list; `targets` has a row only for a target that has got a state of its own. Results
 * stand apart, so that reading states never reads results. Integers inside: an index on text ids costs ten times the rest.
 */
const schema = `
  CREATE TABLE jobs (
    job INTEGER PRIMARY KEY, jid TEXT NOT NULL UNIQUE, body BLOB NOT NULL, minions BLOB NOT NULL,
    ended INTEGER, reason TEXT
  ) STRICT;
  CREATE INDEX open_jobs ON jobs (job) WHERE ended IS NULL;
  CREATE TABLE minions (
    minion INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, key_id TEXT, ledger_id BLOB, ledger_count INTEGER,
    last_seen INTEGER, grains BLOB
  ) STRICT;
  CREATE TABLE targets (
    job INTEGER NOT NULL, place INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (job, place)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE results (
    job INTEGER NOT NULL, place INTEGER NOT NULL, ret BLOB NOT NULL, PRIMARY KEY (job, place)
  ) STRICT;
  CREATE TABLE conflicts (job INTEGER NOT NULL, place INTEGER NOT NULL, at INTEGER NOT NULL, ret BLOB NOT NULL) STRICT;
  CREATE INDEX conflicts_of ON conflicts (job);
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
`;

/** @throws MsaltError `ERR_STORE` naming the file and what to do; never makes a new file where a broken one lies. */
export function openDatabase(file: string): Database {
  let database: Database | undefined;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    closeSync(openSync(file, "a", 0o600));
    chmodSync(file, 0o600);
    database = open(file);
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY");
    migrate(database, file);
    return database;
  } catch (failure) {
    database?.close();
    throw failure instanceof MsaltError ? failure : storeError(failure, file);
  }
}

function open(file: string): Database {
  const require = createRequire(import.meta.url);
  const builtIn = Number(process.versions.node.split(".")[0]) >= 24;
  const { DatabaseSync } = (builtIn ? require("node:sqlite") : require("@photostructure/sqlite")) as {
    DatabaseSync: new (path: string) => Database;
  };
  return new DatabaseSync(file);
}

function migrate(database: Database, file: string): void {
  const { user_version: version } = database.prepare("PRAGMA user_version").get() as { user_version: number };
  if (version > schemaVersion) {
    throw new MsaltError(
      "ERR_STORE",
      `${file} was written by a newer msalt (schema ${version}, this one knows ${schemaVersion})`,
      {
        hint: "start that version, or move the file away to begin with an empty record",
      },
    );
  }
  const { quick_check: check } = database.prepare("PRAGMA quick_check(1)").get() as { quick_check: string };
  if (check !== "ok") throw new Error(check);
  if (version === 0) database.exec(`BEGIN IMMEDIATE; ${schema} PRAGMA user_version = ${schemaVersion}; COMMIT`);
}

/** What went wrong with the file, in the operator's words. */
export function storeError(cause: unknown, file: string): MsaltError {
  const message = messageOf(cause);
  const code = (cause as { code?: string }).code ?? "";
  if (/disk is full|SQLITE_FULL|ENOSPC/i.test(`${code} ${message}`)) {
    return new MsaltError(
      "ERR_DISK_FULL",
      `no room on the disk of ${file}`,
      { hint: "make room there; nothing was lost" },
      { cause },
    );
  }
  if (
    /malformed|not a database|corrupt|quick_check|disk image|missing from index|wrong #|out of order|Tree \d|Page \d/i.test(
      message,
    )
  ) {
    const hint =
      "restore it from a backup, or move it and its -wal file away to begin with an empty record; minions send again what was not acknowledged";
    return new MsaltError("ERR_STORE", `${file} is damaged: ${message}`, { hint }, { cause });
  }
  return new MsaltError(
    "ERR_STORE",
    `cannot use ${file}: ${message}`,
    { hint: "check its folder, owner, mode and disk" },
    { cause },
  );
}
