import type { Database, Row, Statement, Value } from "./database.ts";
import { storeError } from "./store-error.ts";

/** One open database with its statements kept, whose failures name the file. Everything in it is synchronous. */
export class Connection {
  readonly #file: string;
  readonly #database: Database;
  readonly #statements = new Map<string, Statement>();
  #isOpen = true;

  constructor(file: string, database: Database) {
    this.#file = file;
    this.#database = database;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  run(sql: string, ...values: Value[]): ReturnType<Statement["run"]> {
    return this.#statement(sql).run(...values);
  }

  get(sql: string, ...values: Value[]): Row | undefined {
    return this.#statement(sql).get(...values) as Row | undefined;
  }

  all(sql: string, ...values: Value[]): Row[] {
    return this.#statement(sql).all(...values) as Row[];
  }

  /** @throws MsaltError `ERR_STORE` for whatever goes wrong in `work`. */
  read<T>(work: () => T): T {
    try {
      return work();
    } catch (failure) {
      throw storeError(failure, this.#file);
    }
  }

  /** All of `work`, synced, or nothing of it. @throws MsaltError `ERR_STORE` or `ERR_DISK_FULL`. */
  transaction<T>(work: () => T): T {
    return this.read(() => {
      this.#database.exec("BEGIN IMMEDIATE");
      try {
        const done = work();
        this.#database.exec("COMMIT");
        return done;
      } catch (failure) {
        this.#rollBack();
        throw failure;
      }
    });
  }

  /**
   * Folds the log into the file, so that a record at rest is one file, and gives up the lock: @photostructure/sqlite keeps a
   * closed database, with its lock, until its statements are collected.
   */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#statements.clear();
    try {
      this.#database.exec("PRAGMA journal_mode = DELETE; PRAGMA locking_mode = NORMAL; SELECT 1 FROM meta");
    } catch {
      // A full disk: the log stays beside the file, and holds everything.
    }
    this.read(() => this.#database.close());
  }

  #rollBack(): void {
    try {
      this.#database.exec("ROLLBACK");
    } catch {
      // It has been rolled back by SQLite itself, as after a full disk.
    }
  }

  #statement(sql: string): Statement {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const made = this.#database.prepare(sql);
    this.#statements.set(sql, made);
    return made;
  }
}
