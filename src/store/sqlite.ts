import type { Job, Target } from "../job/types.ts";
import { decodeTrusted, encode } from "../wire/codec.ts";
import type { Jid, KeyId, MinionId } from "../wire/ids.ts";
import { type Database, type Row, type Statement, openDatabase, storeError } from "./database.ts";
import type { JobRecord, JobStore, MinionRow, TargetPage, Write } from "./job-store.ts";

/** Opens or makes the record in this file. @throws MsaltError `ERR_STORE` or `ERR_DISK_FULL`. */
export async function openSqliteStore(file: string): Promise<JobStore> {
  return new SqliteStore(file, openDatabase(file));
}

/** A job's place in the file: its number, and which of its targets is which. */
interface Place {
  readonly job: number;
  readonly minions: readonly MinionId[];
  readonly index: ReadonlyMap<MinionId, number>;
}

const keptPlaces = 2000;

class SqliteStore implements JobStore {
  readonly #file: string;
  readonly #database: Database;
  readonly #statements = new Map<string, Statement>();
  readonly #minions = new Map<MinionId, number>();
  readonly #names = new Map<number, MinionId>();
  readonly #places = new Map<Jid, Place>();

  constructor(file: string, database: Database) {
    this.#file = file;
    this.#database = database;
    for (const { minion, id } of this.#all("SELECT minion, id FROM minions"))
      this.#know(Number(minion), id as MinionId);
  }

  async commit(batch: readonly Write[]): Promise<void> {
    if (batch.length === 0) return;
    try {
      this.#database.exec("BEGIN IMMEDIATE");
      for (const write of batch) this.#write(write);
      this.#database.exec("COMMIT");
    } catch (failure) {
      try {
        this.#database.exec("ROLLBACK");
      } catch {
        // SQLite has rolled back by itself, as it does on a full disk.
      }
      this.#forget();
      throw storeError(failure, this.#file);
    }
  }

  async job(jid: Jid): Promise<JobRecord | undefined> {
    const row = this.#get("SELECT * FROM jobs WHERE jid = ?", jid);
    return row === undefined ? undefined : this.#record(row);
  }

  async targets(jid: Jid): Promise<readonly Target[]> {
    const place = this.#place(jid);
    if (place === undefined) return [];
    return this.#all("SELECT place, body FROM targets WHERE job = ? ORDER BY place", place.job).map((row) =>
      targetOf(place, row),
    );
  }

  async returns(jid: Jid, after: number | undefined, maxBytes: number): Promise<TargetPage> {
    const place = this.#place(jid);
    if (place === undefined) return { targets: [], next: undefined };
    const sizes = this.#all(
      `SELECT t.place, length(r.ret) AS size FROM targets t LEFT JOIN results r ON r.job = t.job AND r.place = t.place
       WHERE t.job = ? AND t.place > ? ORDER BY t.place LIMIT 5000`,
      place.job,
      after ?? -1,
    );
    let bytes = 0;
    let last: number | undefined;
    for (const { place: at, size } of sizes) {
      bytes += Number(size ?? 0);
      if (last !== undefined && bytes > maxBytes) break;
      last = Number(at);
    }
    if (last === undefined) return { targets: [], next: undefined };
    const rows = this.#all(
      `SELECT t.place, t.body, r.ret FROM targets t LEFT JOIN results r ON r.job = t.job AND r.place = t.place
       WHERE t.job = ? AND t.place > ? AND t.place <= ? ORDER BY t.place`,
      place.job,
      after ?? -1,
      last,
    );
    const more = Number(sizes.at(-1)?.["place"]) > last || sizes.length === 5000;
    return { targets: rows.map((row) => targetOf(place, row)), next: more ? last : undefined };
  }

  async return(jid: Jid, id: MinionId): Promise<Target | undefined> {
    const place = this.#place(jid);
    const at = place?.index.get(id);
    if (place === undefined || at === undefined) return undefined;
    const row = this.#get(
      `SELECT t.place, t.body, r.ret FROM targets t LEFT JOIN results r ON r.job = t.job AND r.place = t.place
       WHERE t.job = ? AND t.place = ?`,
      place.job,
      at,
    );
    return row === undefined ? undefined : targetOf(place, row);
  }

  async openJobs(): Promise<readonly JobRecord[]> {
    return this.#all("SELECT * FROM jobs WHERE ended IS NULL ORDER BY job").map((row) => this.#record(row));
  }

  async jobs(before: Jid | undefined, limit: number): Promise<readonly JobRecord[]> {
    const rows = this.#all("SELECT * FROM jobs WHERE jid < ? ORDER BY jid DESC LIMIT ?", before ?? "9", limit);
    return rows.map((row) => this.#record(row));
  }

  async minions(): Promise<readonly MinionRow[]> {
    return this.#all("SELECT * FROM minions WHERE key_id IS NOT NULL").map((row) => ({
      id: row["id"] as MinionId,
      keyId: row["key_id"] as KeyId,
      ...(row["ledger_id"] instanceof Uint8Array && { ledgerId: row["ledger_id"] }),
      ...(row["ledger_count"] !== null && { ledgerCount: Number(row["ledger_count"]) }),
      ...(row["last_seen"] !== null && { lastSeen: Number(row["last_seen"]) }),
    }));
  }

  async grains(id: MinionId): Promise<Readonly<Record<string, unknown>> | undefined> {
    const grains = this.#get("SELECT grains FROM minions WHERE id = ?", id)?.["grains"];
    return grains instanceof Uint8Array ? (decodeTrusted(grains) as Record<string, unknown>) : undefined;
  }

  async lastJid(): Promise<Jid | undefined> {
    return this.#get("SELECT value FROM meta WHERE name = 'last_jid'")?.["value"] as Jid | undefined;
  }

  async purge(before: Jid, limit: number): Promise<number> {
    const rows = this.#all(
      "SELECT job, jid FROM jobs WHERE jid < ? AND ended IS NOT NULL ORDER BY jid LIMIT ?",
      before,
      limit,
    );
    if (rows.length === 0) return 0;
    try {
      this.#database.exec("BEGIN IMMEDIATE");
      for (const { job, jid } of rows) {
        for (const table of ["targets", "results", "conflicts", "jobs"])
          this.#run(`DELETE FROM ${table} WHERE job = ?`, job ?? null);
        this.#places.delete(jid as Jid);
      }
      this.#database.exec("COMMIT");
    } catch (failure) {
      this.#database.exec("ROLLBACK");
      throw storeError(failure, this.#file);
    }
    return rows.length;
  }

  async close(): Promise<void> {
    this.#database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    this.#database.close();
  }

  #write(write: Write): void {
    switch (write.kind) {
      case "job":
        return this.#insertJob(write.job);
      case "target": {
        const { ret, id, ...body } = write.target;
        const { job, at } = this.#at(write.jid, id);
        this.#run("INSERT OR REPLACE INTO targets (job, place, body) VALUES (?, ?, ?)", job, at, encode(body));
        if (ret !== undefined)
          this.#run("INSERT OR REPLACE INTO results (job, place, ret) VALUES (?, ?, ?)", job, at, ret);
        return;
      }
      case "conflict": {
        const { job, at } = this.#at(write.jid, write.id);
        this.#run("INSERT INTO conflicts (job, place, at, ret) VALUES (?, ?, ?, ?)", job, at, write.at, write.ret);
        return;
      }
      case "end":
        this.#run("UPDATE jobs SET ended = ?, reason = ? WHERE jid = ?", write.at, write.reason ?? null, write.jid);
        return;
      case "minion": {
        const { id, keyId, ledgerId, ledgerCount, lastSeen } = write.minion;
        this.#run(
          "UPDATE minions SET key_id = ?, ledger_id = ?, ledger_count = ?, last_seen = ? WHERE minion = ?",
          keyId,
          ledgerId ?? null,
          ledgerCount ?? null,
          lastSeen ?? null,
          this.#minion(id),
        );
        return;
      }
      case "grains":
        this.#run("UPDATE minions SET grains = ? WHERE minion = ?", encode(write.grains), this.#minion(write.id));
        return;
      case "forget":
        this.#run(
          "UPDATE minions SET key_id = NULL, ledger_id = NULL, ledger_count = NULL, last_seen = NULL, grains = NULL WHERE id = ?",
          write.id,
        );
    }
  }

  #insertJob(job: Job): void {
    const { minions, ...body } = job;
    const packed = Int32Array.from(minions, (id) => this.#minion(id));
    const bytes = new Uint8Array(packed.buffer);
    const { lastInsertRowid } = this.#run(
      "INSERT INTO jobs (jid, body, minions) VALUES (?, ?, ?)",
      job.jid,
      encode(body),
      bytes,
    );
    this.#run("INSERT OR REPLACE INTO meta (name, value) VALUES ('last_jid', ?)", job.jid);
    this.#keepPlace(job.jid, Number(lastInsertRowid), minions);
  }

  #record(row: Row): JobRecord {
    const body = decodeTrusted(row["body"] as Uint8Array) as Omit<Job, "minions">;
    const job: Job = { ...body, minions: this.#unpack(row["minions"] as Uint8Array) };
    return {
      job,
      ...(row["ended"] !== null && { ended: Number(row["ended"]) }),
      ...(typeof row["reason"] === "string" && { reason: row["reason"] }),
    };
  }

  #unpack(bytes: Uint8Array): MinionId[] {
    const numbers = new Int32Array(bytes.slice().buffer);
    return Array.from(numbers, (number) => this.#names.get(number)).filter((id) => id !== undefined);
  }

  #at(jid: Jid, id: MinionId): { job: number; at: number } {
    const place = this.#place(jid);
    const at = place?.index.get(id);
    if (place === undefined || at === undefined) throw new Error(`no target ${id} of job ${jid} in the record`);
    return { job: place.job, at };
  }

  #place(jid: Jid): Place | undefined {
    const known = this.#places.get(jid);
    if (known !== undefined) return known;
    const row = this.#get("SELECT job, minions FROM jobs WHERE jid = ?", jid);
    return row === undefined
      ? undefined
      : this.#keepPlace(jid, Number(row["job"]), this.#unpack(row["minions"] as Uint8Array));
  }

  #keepPlace(jid: Jid, job: number, minions: readonly MinionId[]): Place {
    const place = { job, minions, index: new Map(minions.map((id, at) => [id, at])) };
    this.#places.set(jid, place);
    for (const oldest of this.#places.keys()) {
      if (this.#places.size <= keptPlaces) break;
      this.#places.delete(oldest);
    }
    return place;
  }

  /** Number of a minion, made when it is first named. */
  #minion(id: MinionId): number {
    const known = this.#minions.get(id);
    if (known !== undefined) return known;
    const { lastInsertRowid } = this.#run("INSERT INTO minions (id) VALUES (?)", id);
    this.#know(Number(lastInsertRowid), id);
    return Number(lastInsertRowid);
  }

  #know(number: number, id: MinionId): void {
    this.#minions.set(id, number);
    this.#names.set(number, id);
  }

  /** After a rollback: what was learnt in the transaction is not true. */
  #forget(): void {
    this.#places.clear();
    this.#minions.clear();
    this.#names.clear();
    for (const { minion, id } of this.#all("SELECT minion, id FROM minions"))
      this.#know(Number(minion), id as MinionId);
  }

  #statement(sql: string): Statement {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const made = this.#database.prepare(sql);
    this.#statements.set(sql, made);
    return made;
  }

  #run(sql: string, ...values: Row[string][]): ReturnType<Statement["run"]> {
    return this.#statement(sql).run(...values);
  }

  #get(sql: string, ...values: Row[string][]): Row | undefined {
    return this.#statement(sql).get(...values) as Row | undefined;
  }

  #all(sql: string, ...values: Row[string][]): Row[] {
    return this.#statement(sql).all(...values) as Row[];
  }
}

function targetOf(place: Place, row: Row): Target {
  const id = place.minions[Number(row["place"])] as MinionId;
  const body = decodeTrusted(row["body"] as Uint8Array) as Omit<Target, "id">;
  return { id, ...body, ...(row["ret"] instanceof Uint8Array && { ret: row["ret"] }) };
}
