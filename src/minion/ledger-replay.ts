/** Reads a ledger file from its head to its end, and tells a write that a crash cut off from damage (`ledger-format.ts`). */
import {
  corrupt,
  frameHeadBytes,
  frameLength,
  type Head,
  headBytes,
  type LedgerRecord,
  mark,
  maxFrameBytes,
  parseHead,
  parseRecord,
  type Place,
  recordAt,
  recordHeadBytes,
} from "./ledger-format.ts";

/** What a ledger needs of one open file; `FileHandle` is one. */
export interface LedgerHandle {
  read(into: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesRead: number }>;
  write(from: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesWritten: number }>;
  truncate(length: number): Promise<void>;
  datasync(): Promise<void>;
  sync(): Promise<void>;
  stat(): Promise<{ readonly size: number }>;
  close(): Promise<void>;
}

export type OnRecord = (record: LedgerRecord, place: Place) => void;

const windowBytes = 1_048_576;

/**
 * Replays the sound part of the file, which ends at `end`, and cuts off what was torn. All of it is synced on return: a frame
 * may stand here whose writer was killed before its sync, and no frame may come behind one that is not on disk.
 */
export async function replayAll(
  handle: LedgerHandle,
  path: string,
  onRecord: OnRecord,
): Promise<{ head: Head; end: number; warnings: string[] }> {
  const source = new Source(handle, path, (await handle.stat()).size);
  const head = parseHead(await source.bytes(0, headBytes), path);
  const warnings: string[] = [];
  let end = headBytes;
  while (end < source.size) {
    const frame = await source.frame(head.id, end);
    if ("damage" in frame) {
      await source.requireTorn(head.id, end, frame);
      await handle.truncate(end);
      const what = `${source.size - end} bytes off the end of the ledger ${path}, from byte ${end} on`;
      warnings.push(`cut ${what}: a write that a crash left unfinished`);
      break;
    }
    for (const { payload, place } of frame.records) onRecord(parseRecord(payload, path, place.offset), place);
    end = frame.end;
  }
  await handle.datasync();
  return { head, end, warnings };
}

interface Damage {
  readonly damage: string;
  /** Where the frame ends, when its header is sound. */
  readonly end?: number;
}

/** Reads a file in large steps. */
class Source {
  readonly size: number;
  readonly #handle: LedgerHandle;
  readonly #path: string;
  #window: Buffer = Buffer.alloc(0);
  #from = 0;

  constructor(handle: LedgerHandle, path: string, size: number) {
    this.#handle = handle;
    this.#path = path;
    this.size = size;
  }

  /** Fewer than `length` bytes only at the end of the file. */
  async bytes(offset: number, length: number): Promise<Buffer> {
    const end = Math.min(offset + length, this.size);
    if (offset < this.#from || end > this.#from + this.#window.length) {
      this.#window = await readAll(this.#handle, offset, Math.min(Math.max(length, windowBytes), this.size - offset));
      this.#from = offset;
    }
    return this.#window.subarray(offset - this.#from, end - this.#from);
  }

  async frame(
    id: Uint8Array,
    offset: number,
  ): Promise<Damage | { end: number; records: { payload: Uint8Array; place: Place }[] }> {
    const length = frameLength(id, await this.bytes(offset, frameHeadBytes), offset);
    if (length === undefined) return { damage: "no frame begins here" };
    const end = offset + frameHeadBytes + length;
    if (end > this.size) return { damage: "the frame is cut off", end };
    const body = await this.bytes(offset + frameHeadBytes, length);
    const records = [];
    for (let at = 0; at < length;) {
      const place = offset + frameHeadBytes + at;
      const payload = recordAt(id, body, at, place);
      if (payload === undefined) return { damage: "a record fails its checksum", end };
      records.push({ payload, place: { offset: place, size: recordHeadBytes + payload.length } });
      at += recordHeadBytes + payload.length;
    }
    return { end, records };
  }

  /** Returns when the bad frame at `offset` can be a write that a crash cut off: see `ledger-format.ts`. */
  async requireTorn(id: Uint8Array, offset: number, { damage, end }: Damage): Promise<void> {
    if (end === undefined ? this.size - offset > maxFrameBytes : end < this.size) {
      throw corrupt(this.#path, offset, damage);
    }
    for (let from = offset + 1; from < this.size; from += windowBytes - frameHeadBytes) {
      const chunk = await this.bytes(from, windowBytes);
      for (let at = chunk.indexOf(mark); at >= 0; at = chunk.indexOf(mark, at + 1)) {
        if (frameLength(id, chunk.subarray(at, at + frameHeadBytes), from + at) !== undefined) {
          throw corrupt(this.#path, offset, `${damage}, and later records follow`);
        }
      }
    }
  }
}

export async function readAll(handle: LedgerHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  let have = 0;
  while (have < length) {
    const { bytesRead } = await handle.read(bytes, have, length - have, position + have);
    if (bytesRead === 0) break;
    have += bytesRead;
  }
  return bytes.subarray(0, have);
}
