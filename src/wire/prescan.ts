import { MsaltError } from "../errors.ts";
import { limits } from "./limits.ts";

export interface ScanLimits {
  readonly depth: number;
  /** Values in all, keys included. */
  readonly nodes: number;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Walks MessagePack bytes without building anything and accepts exactly one value within the limits: no ext types, no 0xc1,
 * integers within ±(2^53-1), valid UTF-8, text keys of at most 256 bytes that occur once in their map, no trailing byte.
 * @throws MsaltError `ERR_WIRE_INVALID` saying what was wrong and at which offset.
 */
export function prescan(bytes: Uint8Array, scan: ScanLimits): void {
  const end = new Scanner(bytes, scan).value(0, 0);
  if (end !== bytes.length) bad("trailing bytes", end);
}

function bad(what: string, at: number): never {
  throw new MsaltError("ERR_WIRE_INVALID", `${what} at byte ${at}`);
}

class Scanner {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #scan: ScanLimits;
  #nodes = 0;

  constructor(bytes: Uint8Array, scan: ScanLimits) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#scan = scan;
  }

  /** Offset after the value that starts at `at`. */
  value(at: number, depth: number): number {
    this.#nodes += 1;
    if (this.#nodes > this.#scan.nodes) bad(`more than ${this.#scan.nodes} values`, at);
    const type = this.#bytes[at];
    if (type === undefined) bad("cut short", at);
    if (type <= 0x7f || type >= 0xe0) return at + 1;
    if (type <= 0x8f) return this.#map(at + 1, type & 0x0f, depth);
    if (type <= 0x9f) return this.#array(at + 1, type & 0x0f, depth);
    if (type <= 0xbf) return this.#text(at + 1, type & 0x1f);
    switch (type) {
      case 0xc0:
      case 0xc2:
      case 0xc3:
        return at + 1;
      case 0xc4:
        return this.#skip(at + 2, this.#uint(at + 1, 1));
      case 0xc5:
        return this.#skip(at + 3, this.#uint(at + 1, 2));
      case 0xc6:
        return this.#skip(at + 5, this.#uint(at + 1, 4));
      case 0xca:
        return this.#skip(at + 1, 4);
      case 0xcb:
        return this.#skip(at + 1, 8);
      case 0xcc:
      case 0xd0:
        return this.#skip(at + 1, 1);
      case 0xcd:
      case 0xd1:
        return this.#skip(at + 1, 2);
      case 0xce:
      case 0xd2:
        return this.#skip(at + 1, 4);
      case 0xcf:
      case 0xd3:
        return this.#integer64(at + 1, type === 0xd3);
      case 0xd9:
        return this.#text(at + 2, this.#uint(at + 1, 1));
      case 0xda:
        return this.#text(at + 3, this.#uint(at + 1, 2));
      case 0xdb:
        return this.#text(at + 5, this.#uint(at + 1, 4));
      case 0xdc:
        return this.#array(at + 3, this.#uint(at + 1, 2), depth);
      case 0xdd:
        return this.#array(at + 5, this.#uint(at + 1, 4), depth);
      case 0xde:
        return this.#map(at + 3, this.#uint(at + 1, 2), depth);
      case 0xdf:
        return this.#map(at + 5, this.#uint(at + 1, 4), depth);
      default:
        return bad(`type 0x${type.toString(16)} is not allowed`, at);
    }
  }

  #uint(at: number, size: 1 | 2 | 4): number {
    if (at + size > this.#bytes.length) bad("cut short", at);
    if (size === 1) return this.#view.getUint8(at);
    return size === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  #skip(at: number, size: number): number {
    if (at + size > this.#bytes.length) bad("cut short", at);
    return at + size;
  }

  #integer64(at: number, signed: boolean): number {
    const end = this.#skip(at, 8);
    const value = signed ? this.#view.getBigInt64(at) : this.#view.getBigUint64(at);
    if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < BigInt(Number.MIN_SAFE_INTEGER))
      bad("integer over 2^53", at);
    return end;
  }

  #text(at: number, size: number): number {
    const end = this.#skip(at, size);
    for (let i = at; i < end; i += 1) {
      if ((this.#bytes[i] ?? 0) < 0x80) continue;
      try {
        utf8.decode(this.#bytes.subarray(i, end));
      } catch {
        bad("text is not valid UTF-8", at);
      }
      break;
    }
    return end;
  }

  #array(start: number, count: number, depth: number): number {
    this.#enter(start, count, depth);
    let at = start;
    for (let i = 0; i < count; i += 1) at = this.value(at, depth + 1);
    return at;
  }

  #map(start: number, count: number, depth: number): number {
    this.#enter(start, count, depth);
    const keys = new Set<string>();
    let at = start;
    for (let i = 0; i < count; i += 1) {
      const type = this.#bytes[at] ?? 0;
      if (!((type >= 0xa0 && type <= 0xbf) || type === 0xd9)) bad("map key is not a short text", at);
      const end = this.value(at, depth + 1);
      if (end - at > limits.mapKeyBytes) bad("map key is too long", at);
      const text = this.#bytes.subarray(at + (type === 0xd9 ? 2 : 1), end);
      const key = Buffer.from(text.buffer, text.byteOffset, text.length).toString("latin1");
      if (keys.has(key) || key === "__proto__") bad("map key occurs twice or is not allowed", at);
      keys.add(key);
      at = this.value(end, depth + 1);
    }
    return at;
  }

  /** A container of `count` members needs at least as many bytes: a length bomb ends here, before any work. */
  #enter(at: number, count: number, depth: number): void {
    if (depth >= this.#scan.depth) bad(`nested deeper than ${this.#scan.depth}`, at);
    if (count > this.#bytes.length - at) bad("cut short", at);
    if (this.#nodes + count > this.#scan.nodes) bad(`more than ${this.#scan.nodes} values`, at);
  }
}
