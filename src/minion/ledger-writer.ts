/**
 * The one writer of a ledger. Records that come together share a frame and its sync; a record reaches the index only once it
 * is synced. Also makes the file smaller when most of it is dead.
 */
import { MsaltError } from "../errors.ts";
import type { Jid } from "../wire/ids.ts";
import type { LedgerFile } from "./ledger-file.ts";
import { encodeRecord, frameBytes, type LedgerRecord, recordHeadBytes } from "./ledger-format.ts";
import type { LedgerIndex } from "./ledger-index.ts";

interface Waiting {
  readonly record: LedgerRecord;
  readonly payload: Uint8Array;
  readonly resolve: () => void;
  readonly reject: (failure: unknown) => void;
}

/** The file is rewritten when this much and half of it is dead. */
const worthBytes = 1_048_576;
const lookMs = 60_000;

export class LedgerWriter {
  readonly #index: LedgerIndex;
  readonly #time: () => number;
  readonly #onError: (failure: unknown) => void;
  readonly #created: number;
  /** Acknowledgements that wait for the next frame. */
  readonly #acks = new Set<Jid>();
  #file: LedgerFile | undefined;
  #queue: Waiting[] = [];
  #tail: Promise<unknown> = Promise.resolve();
  #lookedAt = { time: 0, size: 0 };

  constructor(
    file: LedgerFile,
    index: LedgerIndex,
    { created, time, onError }: { created: number; time: () => number; onError: (failure: unknown) => void },
  ) {
    this.#file = file;
    this.#index = index;
    this.#created = created;
    this.#time = time;
    this.#onError = onError;
  }

  /** @throws MsaltError `ERR_STORE` after `close`. */
  opened(): LedgerFile {
    if (this.#file === undefined) throw new MsaltError("ERR_STORE", "the ledger is closed");
    return this.#file;
  }

  /** Holds in memory at once; on disk with whatever is written next. */
  acknowledge(jid: Jid): void {
    this.#acks.add(jid);
    this.#index.acknowledge(jid);
  }

  /** Writes what waits, then closes the file. */
  async close(): Promise<void> {
    await this.serially(async () => {
      await this.#flush();
      const file = this.#file;
      this.#file = undefined;
      await file?.close();
    });
  }

  /** Resolves when the record is synced and applied. */
  async append(record: LedgerRecord): Promise<void> {
    const payload = encodeRecord(record);
    await new Promise<void>((resolve, reject) => {
      this.#queue.push({ record, payload, resolve, reject });
      if (this.#queue.length === 1) void this.serially(() => this.#flush());
    });
  }

  /** Runs `task` after everything asked for before, so that nothing moves in the file meanwhile. */
  async serially<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(task);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  /** Writes the queue, one frame after the other. Never rejects: each record's caller hears of its own fate. */
  async #flush(): Promise<void> {
    for (const jid of this.#acks) {
      const record: LedgerRecord = { kind: "ack", jid };
      const reject = (): unknown => this.#acks.add(jid);
      this.#queue.unshift({ record, payload: encodeRecord(record), resolve: () => undefined, reject });
    }
    this.#acks.clear();
    while (this.#queue.length > 0) {
      const batch = this.#nextFrame();
      try {
        const places = await this.opened().append(batch.map(({ payload }) => payload));
        for (const [index, { record, resolve }] of batch.entries()) {
          const place = places[index];
          if (place !== undefined) this.#index.apply(record, place);
          resolve();
        }
      } catch (failure) {
        for (const { reject } of batch) reject(failure);
      }
    }
    await this.#compactWhenWorth().catch(this.#onError);
  }

  #nextFrame(): Waiting[] {
    let size = 0;
    const full = this.#queue.findIndex(({ payload }) => {
      if (size >= frameBytes) return true;
      size += recordHeadBytes + payload.length;
      return false;
    });
    return this.#queue.splice(0, full < 0 ? this.#queue.length : full);
  }

  /** Forgets what may be forgotten, then rewrites the file when most of it is dead. Looks at most once a minute or MiB. */
  async #compactWhenWorth(): Promise<void> {
    const file = this.#file;
    const time = this.#time();
    if (file === undefined) return;
    if (time < this.#lookedAt.time + lookMs && file.size < this.#lookedAt.size + worthBytes) return;
    this.#lookedAt = { time, size: file.size };
    const live = this.#index.forget(time, (jid) => !this.#acks.has(jid));
    const dead = file.size - live;
    if (dead < worthBytes || dead < file.size / 2) return;
    await this.#compact(file, time);
    this.#lookedAt = { time, size: file.size };
  }

  async #compact(file: LedgerFile, time: number): Promise<void> {
    const kept = [...this.#index.entries].toSorted(([, a], [, b]) => a.place.offset - b.place.offset);
    const acked = kept.flatMap(([jid, entry]) => (entry.acked && !this.#acks.has(jid) ? [jid] : []));
    const head = { created: this.#created, written: this.#index.count - kept.length - acked.length, time };
    const places = await file.rewrite(
      head,
      (async function* () {
        for (const [, { place }] of kept) yield file.payload(place);
        for (const jid of acked) yield encodeRecord({ kind: "ack", jid });
      })(),
    );
    for (const [index, [, entry]] of kept.entries()) entry.place = places[index] ?? entry.place;
    this.#index.highestTime = time;
  }
}
