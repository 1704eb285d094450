import { MsaltError } from "../errors.ts";
import { type KeyRecord, type Role, encodeKeyRecord, keyRecordBody, parseKeyRecord } from "../wire/key-record.ts";
import { Signer, Verifier, isUsableX25519, randomBytes, x25519Public } from "./primitives.ts";

/** The secret halves of one host, 32 bytes each: Ed25519 seed, X25519, X25519. */
export interface SecretKeys {
  readonly sign: Uint8Array;
  readonly box: Uint8Array;
  readonly curve: Uint8Array;
}

/** @throws MsaltError `ERR_INTERNAL` when the random source repeats itself. */
export function generateKeys(): SecretKeys {
  const keys = { sign: randomBytes(32), box: randomBytes(32), curve: randomBytes(32) };
  const distinct = new Set(Object.values(keys).map((key) => Buffer.from(key).toString("hex")));
  if (distinct.size < 3 || distinct.has("00".repeat(32))) {
    throw new MsaltError("ERR_INTERNAL", "the system's random source gives equal or empty keys; no keys were made");
  }
  return keys;
}

/** The public record of `keys`, signed; `number` rises with each change of box or curve key. */
export function makeKeyRecord(role: Role, id: string, keys: SecretKeys, number: number): KeyRecord {
  const signer = new Signer(keys.sign);
  const body = {
    role,
    id,
    number,
    sign: signer.publicKey,
    box: x25519Public(keys.box),
    curve: x25519Public(keys.curve),
  };
  return { ...body, signature: signer.sign(keyRecordBody(body)) };
}

/**
 * Parses a record and checks its signature and that none of its keys is of low order.
 * @throws MsaltError `ERR_WIRE_INVALID` otherwise.
 */
export function verifyKeyRecord(bytes: Uint8Array): KeyRecord {
  const record = parseKeyRecord(bytes);
  if (!new Verifier(record.sign).verify(keyRecordBody(record), record.signature)) {
    throw new MsaltError("ERR_WIRE_INVALID", "the key record is not signed by its own key");
  }
  if (!isUsableX25519(record.box) || !isUsableX25519(record.curve)) {
    throw new MsaltError("ERR_WIRE_INVALID", "the key record holds a key of low order");
  }
  if (!Buffer.from(encodeKeyRecord(record)).equals(Buffer.from(bytes))) {
    throw new MsaltError("ERR_WIRE_INVALID", "the key record is not in its one encoding");
  }
  return record;
}
