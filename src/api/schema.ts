import type { Kind } from "../store/schema.ts";

/** Times in ms since 1970. Of tokens and sessions only SHA-256 is kept; `rules` and `scopes` are JSON. */
const first = `
  CREATE TABLE accounts (
    name TEXT PRIMARY KEY, role TEXT NOT NULL, rules TEXT NOT NULL, password TEXT NOT NULL, disabled INTEGER NOT NULL,
    created INTEGER NOT NULL, changed INTEGER NOT NULL, deleted INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE tokens (
    id TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, account TEXT NOT NULL, name TEXT NOT NULL, scopes TEXT NOT NULL,
    created INTEGER NOT NULL, expires INTEGER NOT NULL, used INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE sessions (
    id TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, account TEXT NOT NULL,
    created INTEGER NOT NULL, expires INTEGER NOT NULL, used INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE scripts (
    name TEXT NOT NULL, version INTEGER NOT NULL, body BLOB NOT NULL, account TEXT NOT NULL, at INTEGER NOT NULL,
    comment TEXT NOT NULL, PRIMARY KEY (name, version)
  ) STRICT;
`;

/** Accounts, tokens, sessions and saved scripts of the HTTP API; `msap` in ASCII. */
export const apiRecord: Kind = {
  applicationId: 0x6d736170,
  migrations: [first],
  startTables: ["accounts", "tokens", "sessions"],
};
