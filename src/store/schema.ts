/**
 * Jobs keep their targets as one packed list; `targets` has a row only for a target that has got a state of its own. Results
 * stand apart, so that reading states never reads results. Integers inside: an index on text ids costs ten times the rest.
 * Numbers of jobs are never used twice, because `gone` names jobs whose rows are still to be erased.
 */
const first = `
  CREATE TABLE jobs (
    job INTEGER PRIMARY KEY AUTOINCREMENT, jid TEXT NOT NULL UNIQUE, body BLOB NOT NULL, minions BLOB NOT NULL,
    ending BLOB
  ) STRICT;
  CREATE INDEX open_jobs ON jobs (jid) WHERE ending IS NULL;
  CREATE TABLE minions (minion INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, body BLOB NOT NULL, grains BLOB) STRICT;
  CREATE TABLE targets (
    job INTEGER NOT NULL, place INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (job, place)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE results (
    job INTEGER NOT NULL, place INTEGER NOT NULL, ret BLOB NOT NULL, PRIMARY KEY (job, place)
  ) STRICT;
  CREATE TABLE conflicts (job INTEGER NOT NULL, place INTEGER NOT NULL, at INTEGER NOT NULL, ret BLOB NOT NULL) STRICT;
  CREATE INDEX conflicts_of ON conflicts (job, place);
  CREATE TABLE gone (job INTEGER PRIMARY KEY) STRICT;
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
`;

/** When and why a job was stopped. */
const stops = "ALTER TABLE jobs ADD COLUMN stopping BLOB;";

/** What a minion keeps for the others to read. */
const mine = "ALTER TABLE minions ADD COLUMN mine BLOB;";

/** A kind of database file. */
export interface Kind {
  /** Tells it from any other SQLite file. */
  readonly applicationId: number;
  /** The script at index n brings a file of version n to n + 1; `PRAGMA user_version` says which one a file has. */
  readonly migrations: readonly string[];
  /** Small tables that are checked at each start where the file is too large to check all of it. */
  readonly startTables: readonly string[];
}

/** The record of jobs; `msal` in ASCII. All but the tables needed to start are checked row by row as they are read. */
export const jobRecord: Kind = {
  applicationId: 0x6d73616c,
  migrations: [first, stops, mine],
  startTables: ["jobs", "minions", "meta", "gone"],
};
