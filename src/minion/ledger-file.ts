/** One ledger file on disk: opening, replaying, one synced frame per `append`, atomic `rewrite`. Bytes: `ledger-format.ts`. */
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { MsaltError, messageOf } from "../errors.ts";
import { failpoint } from "../lib/failpoint.ts";
import {
  corrupt,
  frameBytes,
  frameOf,
  type Head,
  headBytes,
  headOf,
  type LedgerRecord,
  parseRecord,
  type Place,
  recordAt,
  recordHeadBytes,
} from "./ledger-format.ts";
import { type LedgerHandle, readAll, type OnRecord, replayAll } from "./ledger-replay.ts";

export interface LedgerFs {
  open(path: string, flags: string, mode?: number): Promise<LedgerHandle>;
  rename(from: string, to: string): Promise<void>;
  rm(path: string, options: { force: true }): Promise<void>;
}

/** One open ledger file. Its owner makes the calls one after the other. */
export class LedgerFile {
  readonly path: string;
  readonly #fs: LedgerFs;
  readonly #id: Uint8Array;
  #handle: LedgerHandle;
  #end: number;
  /** Behind `#end` there may be the remains of a write that failed. */
  #dirty = false;
  /** The rename of the last `rewrite` may not be on disk yet. */
  #nameUnsynced = false;

  private constructor(fs: LedgerFs, path: string, id: Uint8Array, drafted: { handle: LedgerHandle; end: number }) {
    this.#fs = fs;
    this.path = path;
    this.#id = id;
    this.#handle = drafted.handle;
    this.#end = drafted.end;
  }

  /**
   * Opens `path` and replays it into `onRecord`, or makes it with `fresh`. `warnings` are for the operator.
   * @throws MsaltError `ERR_LEDGER_CORRUPT` naming file and offset, `ERR_STORE`, `ERR_DISK_FULL`.
   */
  static async open(
    path: string,
    fs: LedgerFs | undefined,
    fresh: Head,
    onRecord: OnRecord,
  ): Promise<{ file: LedgerFile; head: Head; warnings: string[] }> {
    const used: LedgerFs = fs ?? { open, rename, rm };
    try {
      const handle = await openExisting(used, path);
      if (handle === undefined) {
        const drafted = await draft(used, path, fresh, []);
        return { file: await LedgerFile.#ready(used, path, fresh.id, drafted), head: fresh, warnings: [] };
      }
      await used.rm(draftOf(path), { force: true });
      const { head, end, warnings } = await replayAll(handle, path, onRecord).catch(async (failure: unknown) => {
        await handle.close();
        throw failure;
      });
      return { file: await LedgerFile.#ready(used, path, head.id, { handle, end }), head, warnings };
    } catch (cause) {
      throw storeError(path, cause);
    }
  }

  /** An earlier process may have died between the rename and the sync of the folder, so every opening does the latter. */
  static async #ready(
    fs: LedgerFs,
    path: string,
    id: Uint8Array,
    at: { handle: LedgerHandle; end: number },
  ): Promise<LedgerFile> {
    const file = new LedgerFile(fs, path, id, at);
    try {
      await syncFolder(fs, path);
      return file;
    } catch (failure) {
      await file.close();
      throw failure;
    }
  }

  get size(): number {
    return this.#end;
  }

  /**
   * Writes one frame; it is on disk when the promise resolves. After a rejection the file is as before the call.
   * @throws MsaltError `ERR_DISK_FULL`, `ERR_STORE`.
   */
  async append(payloads: readonly Uint8Array[]): Promise<Place[]> {
    try {
      if (this.#dirty) await this.#cut();
      const { bytes, places } = frameOf(this.#id, this.#end, payloads);
      this.#dirty = true;
      try {
        failpoint("ledger.write");
        await writeAll(this.#handle, bytes, this.#end);
        failpoint("ledger.sync");
        await this.#handle.datasync();
        failpoint("ledger.synced");
        if (this.#nameUnsynced) await syncFolder(this.#fs, this.path);
      } catch (failure) {
        await this.#cut().catch(() => undefined);
        throw failure;
      }
      this.#dirty = false;
      this.#nameUnsynced = false;
      this.#end += bytes.length;
      return places;
    } catch (cause) {
      throw storeError(this.path, cause);
    }
  }

  async #cut(): Promise<void> {
    await this.#handle.truncate(this.#end);
    this.#dirty = false;
  }

  /** @throws MsaltError `ERR_LEDGER_CORRUPT` when the record is no longer what was written, `ERR_STORE`. */
  async payload(place: Place): Promise<Uint8Array> {
    try {
      const bytes = await readAll(this.#handle, place.offset, place.size);
      const payload = recordAt(this.#id, bytes, 0, place.offset);
      if (payload === undefined) throw corrupt(this.path, place.offset, "a record has changed since it was written");
      return payload;
    } catch (cause) {
      throw storeError(this.path, cause);
    }
  }

  async record(place: Place): Promise<LedgerRecord> {
    return parseRecord(await this.payload(place), this.path, place.offset);
  }

  /**
   * Replaces the whole file by `head` and these payloads, atomically; their new places in order. After a rejection the
   * old file is in use as before.
   */
  async rewrite(head: Omit<Head, "id">, payloads: AsyncIterable<Uint8Array>): Promise<Place[]> {
    try {
      const drafted = await draft(this.#fs, this.path, { ...head, id: this.#id }, payloads);
      const old = this.#handle;
      this.#handle = drafted.handle;
      this.#end = drafted.end;
      this.#dirty = false;
      // Until the folder is synced a power cut could bring the old file back: `append` resolves nothing before that.
      this.#nameUnsynced = true;
      await old.close().catch(() => undefined);
      return drafted.places;
    } catch (cause) {
      throw storeError(this.path, cause);
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

async function openExisting(fs: LedgerFs, path: string): Promise<LedgerHandle | undefined> {
  try {
    return await fs.open(path, "r+");
  } catch (failure) {
    if (errnoOf(failure) === "ENOENT") return undefined;
    throw failure;
  }
}

const draftOf = (path: string): string => `${path}.new`;

/** Writes a whole ledger beside `path`, syncs it and renames it into place; the caller syncs the folder. */
async function draft(
  fs: LedgerFs,
  path: string,
  head: Head,
  payloads: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<{ handle: LedgerHandle; end: number; places: Place[] }> {
  await fs.rm(draftOf(path), { force: true });
  const handle = await fs.open(draftOf(path), "wx+", 0o600);
  try {
    const places: Place[] = [];
    let end = headBytes;
    let batch: Uint8Array[] = [];
    let size = 0;
    const flush = async (): Promise<void> => {
      const frame = frameOf(head.id, end, batch);
      await writeAll(handle, frame.bytes, end);
      end += frame.bytes.length;
      for (const place of frame.places) places.push(place);
      batch = [];
      size = 0;
    };
    await writeAll(handle, headOf(head), 0);
    for await (const payload of payloads) {
      batch.push(payload);
      size += recordHeadBytes + payload.length;
      if (size >= frameBytes) await flush();
    }
    if (batch.length > 0) await flush();
    failpoint("ledger.draft");
    await handle.sync();
    failpoint("ledger.rename");
    await fs.rename(draftOf(path), path);
    return { handle, end, places };
  } catch (failure) {
    await handle.close().catch(() => undefined);
    await fs.rm(draftOf(path), { force: true }).catch(() => undefined);
    throw failure;
  }
}

async function syncFolder(fs: LedgerFs, path: string): Promise<void> {
  failpoint("ledger.folder");
  const folder = await fs.open(dirname(path), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function writeAll(handle: LedgerHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

function errnoOf(failure: unknown): string {
  return (failure as { code?: string } | undefined)?.code ?? "";
}

function storeError(file: string, cause: unknown): MsaltError {
  if (cause instanceof MsaltError) return cause;
  const full = ["ENOSPC", "EDQUOT"].includes(errnoOf(cause));
  const message = `cannot use the ledger ${file}: ${messageOf(cause)}`;
  return new MsaltError(full ? "ERR_DISK_FULL" : "ERR_STORE", message, { file }, { cause });
}
