/** Saved scripts: every version is kept, with who made it and when. */
import { createHash } from "node:crypto";
import { createTwoFilesPatch } from "diff";
import { MsaltError } from "../errors.ts";
import type { Connection } from "../store/connection.ts";
import type { Row } from "../store/database.ts";

export interface ScriptVersion {
  readonly name: string;
  readonly version: number;
  /** Account. */
  readonly by: string;
  /** Ms since 1970. */
  readonly at: number;
  readonly comment: string;
  readonly body: Uint8Array;
}

/** Of a job's arguments, base64 takes a third more. */
export const maxScriptBytes = 700_000;
const maxVersions = 1000;
const maxDiffBytes = 262_144;

function versionOf(row: Row): ScriptVersion {
  return {
    name: String(row["name"]),
    version: Number(row["version"]),
    by: String(row["account"]),
    at: Number(row["at"]),
    comment: String(row["comment"]),
    body: row["body"] instanceof Uint8Array ? row["body"] : new Uint8Array(0),
  };
}

export function sha256Of(body: Uint8Array): string {
  return createHash("sha256").update(body).digest("hex");
}

export class Scripts {
  readonly #store: Connection;
  readonly #now: () => number;

  constructor(store: Connection, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  /** The newest version of each, by name. */
  all(): ScriptVersion[] {
    const sql =
      "SELECT * FROM scripts AS s WHERE version = (SELECT max(version) FROM scripts WHERE name = s.name) ORDER BY name";
    return this.#store.read(() => this.#store.all(sql).map(versionOf));
  }

  /** Newest first. @throws MsaltError `ERR_NOT_FOUND`. */
  versions(name: string): ScriptVersion[] {
    const sql = "SELECT * FROM scripts WHERE name = ? ORDER BY version DESC";
    const found = this.#store.read(() => this.#store.all(sql, name).map(versionOf));
    if (found.length === 0) throw new MsaltError("ERR_NOT_FOUND", `no script ${name}`);
    return found;
  }

  /** @param version default: the newest. @throws MsaltError `ERR_NOT_FOUND`. */
  get(name: string, version?: number): ScriptVersion {
    const found = this.versions(name).find((each) => version === undefined || each.version === version);
    if (found === undefined) throw new MsaltError("ERR_NOT_FOUND", `script ${name} has no version ${version}`);
    return found;
  }

  /** The first version. @throws MsaltError `ERR_EXISTS`. */
  add(name: string, body: Uint8Array, by: string, comment: string): ScriptVersion {
    return this.#store.transaction(() => {
      if (this.#newest(name) > 0) throw new MsaltError("ERR_EXISTS", `there is a script ${name} already`);
      return this.#write({ name, version: 1, by, at: this.#now(), comment, body });
    });
  }

  /** The next version, or the newest when it holds the same. @throws MsaltError `ERR_NOT_FOUND`, `ERR_LIMIT`. */
  save(name: string, body: Uint8Array, by: string, comment: string): { script: ScriptVersion; isNew: boolean } {
    return this.#store.transaction(() => {
      const newest = this.get(name);
      if (Buffer.from(newest.body).equals(body)) return { script: newest, isNew: false };
      if (newest.version >= maxVersions) {
        throw new MsaltError("ERR_LIMIT", `script ${name} has ${maxVersions} versions`, { hint: "take another name" });
      }
      const next = { name, version: newest.version + 1, by, at: this.#now(), comment, body };
      return { script: this.#write(next), isNew: true };
    });
  }

  /** @throws MsaltError `ERR_NOT_FOUND`. */
  delete(name: string): void {
    this.#store.transaction(() => {
      this.versions(name);
      this.#store.run("DELETE FROM scripts WHERE name = ?", name);
    });
  }

  /** Unified. @throws MsaltError `ERR_NOT_FOUND`, `ERR_LIMIT`. */
  diff(name: string, from: number, to: number): string {
    const [before, after] = [this.get(name, from), this.get(name, to)];
    if (before.body.length + after.body.length > maxDiffBytes) {
      throw new MsaltError("ERR_LIMIT", "these versions are too large to be compared here");
    }
    const text = ({ body }: ScriptVersion): string => Buffer.from(body).toString();
    return createTwoFilesPatch(`${name}@${from}`, `${name}@${to}`, text(before), text(after));
  }

  #newest(name: string): number {
    const row = this.#store.get("SELECT max(version) AS version FROM scripts WHERE name = ?", name);
    return Number(row?.["version"] ?? 0);
  }

  #write(script: ScriptVersion): ScriptVersion {
    const { name, version, by, at, comment, body } = script;
    this.#store.run("INSERT INTO scripts VALUES (?, ?, ?, ?, ?, ?)", name, version, body, by, at, comment);
    return script;
  }
}
