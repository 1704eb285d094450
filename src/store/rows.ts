/**
 * What stands inside a row: MessagePack and a checksum. SQLite has no checksums, so a flipped bit would be a wrong answer that
 * nobody notices (SF-04). The checksum begins with where the row belongs: one that turns up elsewhere is damage too.
 */
import { crc32 } from "node:zlib";
import { decodeTrusted, encode } from "../wire/codec.ts";
import { damaged } from "./store-error.ts";

export const sumBytes = 4;

/** Where a row about one target belongs. */
export function placeSeed(job: number, place: number): number {
  return (Math.imul(job, 0x9e37_79b1) ^ place) >>> 0;
}

/** Where a row with a text key belongs. */
export function keySeed(key: string): number {
  return crc32(key);
}

export function seal(bytes: Uint8Array, seed: number): Uint8Array {
  const sealed = Buffer.allocUnsafe(bytes.length + sumBytes);
  sealed.set(bytes);
  sealed.writeUInt32LE(crc32(bytes, seed), bytes.length);
  return sealed;
}

/** A view of the sealed bytes. @throws Error of {@link damaged} */
export function unseal(value: unknown, seed: number, what: string): Uint8Array {
  if (value instanceof Uint8Array && value.length >= sumBytes) {
    const bytes = value.subarray(0, -sumBytes);
    const sum = new DataView(value.buffer, value.byteOffset + bytes.length, sumBytes).getUint32(0, true);
    if (sum === crc32(bytes, seed)) return bytes;
  }
  throw damaged(`the checksum of ${what} is wrong`);
}

export function pack(value: unknown, seed: number): Uint8Array {
  return seal(encode(value), seed);
}

/** The value that {@link pack} took; nobody else writes these rows. @throws Error of {@link damaged} */
export function unpack<T>(value: unknown, seed: number, what: string): T {
  return decodeTrusted(unseal(value, seed, what)) as T;
}
