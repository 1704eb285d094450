/**
 * What one job has printed: an append-only log that is read in two ways. Each source (standard output or error of one command)
 * gives its own text at the end; `read` gives all of them in the order in which they came, for those who follow live. A byte
 * is kept once. A source keeps its first `maxBytes`, the live view its first `limits.outputBytes`; both say what was cut.
 */
import { limits } from "../wire/limits.ts";

/** One pipe of one command. */
export interface Source {
  readonly maxBytes: number;
  kept: number;
  dropped: number;
}

interface Piece {
  /** Undefined: a word of our own about a cut. */
  readonly source: Source | undefined;
  buffer: Buffer;
  size: number;
  /** Its place in the live view; undefined beyond the cap. */
  readonly at: number | undefined;
}

const firstBytes = 256;
const pieceBytes = 65_536;

export class OutputLog {
  #pieces: Piece[] = [];
  #live = 0;
  #noted = false;

  /** Bytes of the live view. */
  get size(): number {
    return this.#live;
  }

  /** Bytes in memory. */
  get keptBytes(): number {
    return this.#pieces.reduce((sum, { size }) => sum + size, 0);
  }

  source(maxBytes: number): Source {
    return { maxBytes, kept: 0, dropped: 0 };
  }

  add(source: Source, chunk: Uint8Array): void {
    const part = chunk.subarray(0, source.maxBytes - source.kept);
    source.kept += part.length;
    source.dropped += chunk.length - part.length;
    const room = Math.max(0, limits.outputBytes - this.#live);
    const shown = part.subarray(0, room);
    this.#append(source, shown, this.#live);
    this.#live += shown.length;
    this.#append(source, part.subarray(room), undefined);
    if (shown.length < chunk.length) this.#note();
  }

  /** The text of a source, invalid UTF-8 as U+FFFD; when something was cut, a last line says so. Nothing is added after it. */
  finish(source: Source): { text: string; cut: boolean } {
    const own = this.#pieces.filter((piece) => piece.source === source);
    const bytes = Buffer.concat(own.map(({ buffer, size }) => buffer.subarray(0, size)));
    this.#pieces = this.#pieces.filter((piece) => piece.source !== source || piece.at !== undefined);
    const { maxBytes, dropped } = source;
    let text = decode(bytes, dropped > 0);
    // U+FFFD takes three bytes where a bad byte took one.
    const encoded = Buffer.from(text);
    if (encoded.length > maxBytes) text = decode(encoded.subarray(0, maxBytes), true);
    const cut = dropped > 0 || encoded.length > maxBytes;
    if (!cut) return { text, cut };
    const all = source.kept + dropped;
    return { text: `${text}\n[output cut: ${all} bytes were printed, the limit is ${maxBytes}]\n`, cut };
  }

  /** Bytes of the live view from `offset` on, at most `max`; what is kept, not a copy that may be changed. */
  read(offset: number, max: number): Uint8Array {
    const parts: Uint8Array[] = [];
    const end = Math.min(offset + max, this.#live);
    for (const { buffer, size, at } of this.#pieces) {
      if (at === undefined || at + size <= offset || at >= end) continue;
      parts.push(buffer.subarray(Math.max(0, offset - at), Math.min(size, end - at)));
    }
    return Buffer.concat(parts);
  }

  /** Many small writes share a piece. */
  #append(source: Source | undefined, bytes: Uint8Array, at: number | undefined): void {
    if (bytes.length === 0) return;
    const last = this.#pieces.at(-1);
    const follows = last !== undefined && last.source === source && (last.at === undefined) === (at === undefined);
    if (!follows || last.size + bytes.length > pieceBytes) {
      this.#pieces.push({ source, buffer: Buffer.from(bytes), size: bytes.length, at });
      return;
    }
    const size = last.size + bytes.length;
    if (size > last.buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(size, 2 * last.buffer.length, firstBytes));
      grown.set(last.buffer.subarray(0, last.size));
      last.buffer = grown;
    }
    last.buffer.set(bytes, last.size);
    last.size = size;
  }

  /** Says once, where a live reader comes to it, that there is more than is kept. */
  #note(): void {
    if (this.#noted) return;
    this.#noted = true;
    const note = Buffer.from(`\n[output over ${this.#live} bytes is not kept]\n`);
    this.#append(undefined, note, this.#live);
    this.#live += note.length;
  }
}

/** Bad bytes become U+FFFD. A character that our own cut left unfinished (`wasCut`) is left out. */
function decode(bytes: Uint8Array, wasCut: boolean): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes, { stream: wasCut });
}
