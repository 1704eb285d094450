/**
 * A key record says which keys a host has, signed by its lasting `sign` key; a higher number replaces a lower one, so pins
 * of the `sign` key survive a rotation of the others (W10).
 *
 *   0 label (20) | role | number (4, big endian) | length of id | id | sign (32) | box (32) | curve (32) | signature (64)
 */
import { MsaltError } from "../errors.ts";

export type Role = "master" | "minion";
const roles: Readonly<Record<Role, number>> = { master: 1, minion: 2 };
const label = Buffer.from("msalt key record v1\0", "ascii");

export interface KeyRecord {
  readonly role: Role;
  /** The minion id, or the master's display name; checked by whoever accepts the record. */
  readonly id: string;
  readonly number: number;
  /** Raw public keys, 32 bytes each: Ed25519, X25519, X25519. */
  readonly sign: Uint8Array;
  readonly box: Uint8Array;
  readonly curve: Uint8Array;
  readonly signature: Uint8Array;
}

/** The bytes that `signature` is over. */
export function keyRecordBody(record: Omit<KeyRecord, "signature">): Uint8Array {
  const id = Buffer.from(record.id, "utf8");
  if (id.length === 0 || id.length > 128)
    throw new MsaltError("ERR_WIRE_INVALID", "id in a key record must be 1 to 128 bytes");
  const head = Buffer.alloc(6);
  head[0] = roles[record.role];
  head.writeUInt32BE(record.number, 1);
  head[5] = id.length;
  return Buffer.concat([label, head, id, record.sign, record.box, record.curve]);
}

export function encodeKeyRecord(record: KeyRecord): Uint8Array {
  return Buffer.concat([keyRecordBody(record), record.signature]);
}

/** Parses only; the signature is checked by `verifyKeyRecord` in `crypto`. @throws MsaltError `ERR_WIRE_INVALID`. */
export function parseKeyRecord(bytes: Uint8Array): KeyRecord {
  const data = Buffer.from(bytes);
  const start = label.length;
  const role = (Object.keys(roles) as Role[]).find((name) => roles[name] === data[start]);
  const length = data[start + 5] ?? 0;
  const keys = start + 6 + length;
  if (!data.subarray(0, start).equals(label) || role === undefined || length === 0 || data.length !== keys + 160) {
    throw new MsaltError("ERR_WIRE_INVALID", "not a key record");
  }
  const id = new TextDecoder("utf-8").decode(data.subarray(start + 6, keys));
  const part = (from: number, size: number): Uint8Array =>
    Uint8Array.from(data.subarray(keys + from, keys + from + size));
  return {
    role,
    id,
    number: data.readUInt32BE(start + 1),
    sign: part(0, 32),
    box: part(32, 32),
    curve: part(64, 32),
    signature: part(96, 64),
  };
}
