import type { Job, Stop, Target } from "../job/types.ts";
import { isJid, type Jid, type MinionId } from "../wire/ids.ts";
import { MsaltError } from "../errors.ts";
import { Connection } from "./connection.ts";
import { type Row, openDatabase } from "./database.ts";
import type { Conflict, JobLine, JobRecord, JobStore, MinionRow, TargetPage, Write } from "./job-store.ts";
import { type Place, Places } from "./places.ts";
import { eraseSlice } from "./purge.ts";
import { keySeed, pack, placeSeed, seal, sumBytes, unpack, unseal } from "./rows.ts";
import { damaged } from "./store-error.ts";

/** Opens or makes the record in this file, for this process alone. @throws MsaltError `ERR_STORE` or `ERR_DISK_FULL`. */
export async function openSqliteStore(file: string): Promise<JobStore> {
  const database = openDatabase(file);
  const connection = new Connection(file, database);
  try {
    return connection.read(() => new SqliteStore(connection));
  } catch (failure) {
    // Not by the connection: it would write to a file that is damaged.
    database.close();
    throw failure;
  }
}

const scannedTargets = 5000;
const targetsAndResults =
  "SELECT t.place, t.body, r.ret FROM targets t LEFT JOIN results r ON r.job = t.job AND r.place = t.place";

class SqliteStore implements JobStore {
  readonly #db: Connection;
  readonly #places: Places;

  constructor(connection: Connection) {
    this.#db = connection;
    this.#places = new Places(connection);
  }

  async commit(batch: readonly Write[]): Promise<void> {
    if (batch.length > 0) this.#transaction(() => batch.forEach((write) => this.#write(write)));
  }

  async job(jid: Jid): Promise<JobRecord | undefined> {
    return this.#db.read(() => {
      const row = this.#db.get("SELECT * FROM jobs WHERE jid = ?", jid);
      return row === undefined ? undefined : this.#record(row);
    });
  }

  async targets(jid: Jid): Promise<readonly Target[]> {
    return this.#db.read(() => {
      const place = this.#places.find(jid);
      if (place === undefined) return [];
      const rows = this.#db.all("SELECT place, body FROM targets WHERE job = ? ORDER BY place", place.job);
      return rows.map((row) => targetOf(place, row));
    });
  }

  async returns(jid: Jid, after: number | undefined, maxBytes: number): Promise<TargetPage> {
    return this.#db.read(() => {
      const place = this.#places.find(jid);
      const page = place === undefined ? undefined : this.#page(place.job, after ?? -1, maxBytes);
      if (place === undefined || page === undefined) return { targets: [], next: undefined };
      const sql = `${targetsAndResults} WHERE t.job = ? AND t.place > ? AND t.place <= ? ORDER BY t.place`;
      const rows = this.#db.all(sql, place.job, after ?? -1, page.last);
      return { targets: rows.map((row) => targetOf(place, row)), next: page.more ? page.last : undefined };
    });
  }

  async return(jid: Jid, id: MinionId): Promise<Target | undefined> {
    return this.#db.read(() => {
      const place = this.#places.find(jid);
      const at = place?.index.get(id);
      if (place === undefined || at === undefined) return undefined;
      const row = this.#db.get(`${targetsAndResults} WHERE t.job = ? AND t.place = ?`, place.job, at);
      return row === undefined ? undefined : targetOf(place, row);
    });
  }

  async conflicts(jid: Jid, id: MinionId): Promise<readonly Conflict[]> {
    return this.#db.read(() => {
      const place = this.#places.find(jid);
      const at = place?.index.get(id);
      if (place === undefined || at === undefined) return [];
      const sql = "SELECT at, ret FROM conflicts WHERE job = ? AND place = ? ORDER BY rowid";
      return this.#db.all(sql, place.job, at).map((row) => ({
        at: Number(row["at"]),
        ret: unseal(row["ret"], placeSeed(place.job, at), `a conflicting result of ${id}`),
      }));
    });
  }

  async openJobs(): Promise<readonly JobRecord[]> {
    return this.#db.read(() =>
      this.#db.all("SELECT * FROM jobs WHERE ending IS NULL ORDER BY jid").map((row) => this.#record(row)),
    );
  }

  async jobs(before: Jid | undefined, limit: number): Promise<readonly JobLine[]> {
    return this.#db.read(() => {
      const sql = "SELECT * FROM jobs WHERE jid < ? ORDER BY jid DESC LIMIT ?";
      return this.#db.all(sql, before ?? "9", limit).map((row) => {
        const jid = String(row["jid"]) as Jid;
        const job = unpack<Omit<Job, "minions">>(row["body"], keySeed(jid), `job ${jid}`);
        return { job, targets: this.#places.listSize(jid, row["minions"]), ...endOf(jid, row) };
      });
    });
  }

  async minions(): Promise<readonly MinionRow[]> {
    return this.#db.read(() =>
      this.#db.all("SELECT id, body FROM minions ORDER BY id").flatMap((row) => {
        const id = String(row["id"]) as MinionId;
        const body = unpack<Partial<Omit<MinionRow, "id">>>(row["body"], keySeed(id), `minion ${id}`);
        return body.keyId === undefined ? [] : [{ id, ...body, keyId: body.keyId }];
      }),
    );
  }

  async grains(id: MinionId): Promise<Readonly<Record<string, unknown>> | undefined> {
    return this.#ofMinion(id, "grains");
  }

  async mine(id: MinionId): Promise<Readonly<Record<string, unknown>> | undefined> {
    return this.#ofMinion(id, "mine");
  }

  #ofMinion(id: MinionId, what: "grains" | "mine"): Readonly<Record<string, unknown>> | undefined {
    return this.#db.read(() => {
      const value = this.#db.get(`SELECT ${what} FROM minions WHERE id = ?`, id)?.[what];
      return value instanceof Uint8Array ? unpack(value, keySeed(id), `the ${what} of ${id}`) : undefined;
    });
  }

  async lastJid(): Promise<Jid | undefined> {
    return this.#db.read(() => {
      const value = this.#db.get("SELECT value FROM meta WHERE name = 'last_jid'")?.["value"];
      if (value === undefined || isJid(String(value))) return value as Jid | undefined;
      throw damaged("the last jid is none");
    });
  }

  async purge(before: Jid, limit: number): Promise<number> {
    const dropped = this.#transaction(() => {
      const old = "SELECT job, jid FROM jobs WHERE jid < ? AND ending IS NOT NULL ORDER BY jid LIMIT ?";
      const rows = this.#db.all(old, before, limit);
      for (const row of rows) {
        this.#db.run("INSERT INTO gone (job) VALUES (?)", Number(row["job"]));
        this.#db.run("DELETE FROM jobs WHERE job = ?", Number(row["job"]));
        this.#places.drop(row["jid"] as Jid);
      }
      return rows.length;
    });
    while (this.#db.isOpen && this.#transaction(() => eraseSlice(this.#db)))
      await new Promise((resolve) => setImmediate(resolve));
    return dropped;
  }

  async close(): Promise<void> {
    this.#db.close();
  }

  #write(write: Write): void {
    switch (write.kind) {
      case "job":
        return this.#insertJob(write.job);
      case "target":
        return this.#putTarget(write.jid, write.target);
      case "conflict": {
        const { job, at } = this.#at(write.jid, write.id);
        const sql = "INSERT INTO conflicts (job, place, at, ret) VALUES (?, ?, ?, ?)";
        this.#db.run(sql, job, at, write.at, seal(write.ret, placeSeed(job, at)));
        return;
      }
      case "end": {
        const { jid, at } = write;
        this.#db.run("UPDATE jobs SET ending = ? WHERE jid = ?", pack({ ended: at }, keySeed(jid)), jid);
        return;
      }
      case "stop": {
        const { jid, stop } = write;
        this.#db.run("UPDATE jobs SET stopping = ? WHERE jid = ?", pack(stop, keySeed(jid)), jid);
        return;
      }
      case "minion": {
        const { id, ...body } = write.minion;
        this.#db.run("UPDATE minions SET body = ? WHERE minion = ?", pack(body, keySeed(id)), this.#places.minion(id));
        return;
      }
      case "grains": {
        const { id, grains } = write;
        const sql = "UPDATE minions SET grains = ? WHERE minion = ?";
        this.#db.run(sql, pack(grains, keySeed(id)), this.#places.minion(id));
        return;
      }
      case "mine": {
        const { id, mine } = write;
        this.#db.run("UPDATE minions SET mine = ? WHERE minion = ?", pack(mine, keySeed(id)), this.#places.minion(id));
        return;
      }
      case "forget": {
        const { id } = write;
        this.#db.run("UPDATE minions SET body = ?, grains = NULL, mine = NULL WHERE id = ?", pack({}, keySeed(id)), id);
      }
    }
  }

  #insertJob({ minions, ...body }: Job): void {
    const { jid } = body;
    const { lastInsertRowid } = this.#db.run(
      "INSERT INTO jobs (jid, body, minions) VALUES (?, ?, ?)",
      jid,
      pack(body, keySeed(jid)),
      this.#places.packList(jid, minions),
    );
    this.#db.run(
      "INSERT INTO meta (name, value) VALUES ('last_jid', ?) ON CONFLICT DO UPDATE SET value = max(value, excluded.value)",
      jid,
    );
    this.#places.keep(jid, Number(lastInsertRowid), minions);
  }

  #putTarget(jid: Jid, { ret, id, ...body }: Target): void {
    const { job, at } = this.#at(jid, id);
    const seed = placeSeed(job, at);
    this.#db.run("INSERT OR REPLACE INTO targets (job, place, body) VALUES (?, ?, ?)", job, at, pack(body, seed));
    if (ret !== undefined)
      this.#db.run("INSERT OR REPLACE INTO results (job, place, ret) VALUES (?, ?, ?)", job, at, seal(ret, seed));
  }

  #at(jid: Jid, id: MinionId): { job: number; at: number } {
    const place = this.#places.find(jid);
    const at = place?.index.get(id);
    if (place !== undefined && at !== undefined) return { job: place.job, at };
    throw new MsaltError("ERR_STORE", `no target ${id} of job ${jid} in the record`, { jid, id });
  }

  /** How far a page goes; sizes are known without reading the results. */
  #page(job: number, after: number, maxBytes: number): { last: number; more: boolean } | undefined {
    const sizes = this.#db.all(
      `SELECT t.place, length(r.ret) - ${sumBytes} AS size FROM targets t LEFT JOIN results r ON r.job = t.job AND r.place = t.place
       WHERE t.job = ? AND t.place > ? ORDER BY t.place LIMIT ${scannedTargets}`,
      job,
      after,
    );
    let bytes = 0;
    let last: number | undefined;
    for (const { place, size } of sizes) {
      bytes += Number(size ?? 0);
      if (last !== undefined && bytes > maxBytes) break;
      last = Number(place);
    }
    if (last === undefined) return undefined;
    return { last, more: Number(sizes.at(-1)?.["place"]) > last || sizes.length === scannedTargets };
  }

  #record(row: Row): JobRecord {
    const jid = String(row["jid"]) as Jid;
    const body = unpack<Omit<Job, "minions">>(row["body"], keySeed(jid), `job ${jid}`);
    return { job: { ...body, minions: this.#places.unpackList(jid, row["minions"]) }, ...endOf(jid, row) };
  }

  #transaction<T>(work: () => T): T {
    let isWritten = false;
    try {
      const done = this.#db.transaction(work);
      isWritten = true;
      return done;
    } finally {
      this.#places.settle(isWritten);
    }
  }
}

/** When a job ended and why it was stopped, where it did and was. */
function endOf(jid: Jid, { ending, stopping }: Row): Pick<JobRecord, "ended" | "stop"> {
  return {
    ...(ending !== null && unpack<{ ended: number }>(ending, keySeed(jid), `the end of job ${jid}`)),
    ...(stopping !== null && { stop: unpack<Stop>(stopping, keySeed(jid), `the stop of job ${jid}`) }),
  };
}

function targetOf({ job, minions }: Place, row: Row): Target {
  const at = Number(row["place"]);
  const id = minions[at];
  if (id === undefined) throw damaged(`a target has place ${at} of ${minions.length}`);
  const seed = placeSeed(job, at);
  const body = unpack<Omit<Target, "id">>(row["body"], seed, `target ${id}`);
  const ret = row["ret"] ?? undefined;
  return { id, ...body, ...(ret !== undefined && { ret: unseal(ret, seed, `the result of ${id}`) }) };
}
