import { expect } from "vitest";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeEnrolRequest } from "../../src/crypto/enrolment.ts";
import { makeKeyRecord } from "../../src/crypto/keys.ts";
import type { SecretKeys } from "../../src/crypto/keys.ts";
import { Signer, fingerprintOf, keyIdOf, sha256 } from "../../src/crypto/primitives.ts";
import type { KeyId } from "../../src/wire/ids.ts";
import type { KeyRecord, Role } from "../../src/wire/key-record.ts";

/** The same keys for the same name, always. */
export function fixedKeys(name: string): SecretKeys {
  const key = (kind: string): Uint8Array => Uint8Array.from(sha256(Buffer.from(`${name} ${kind}`)));
  return { sign: key("sign"), box: key("box"), curve: key("curve") };
}

export interface Host {
  readonly keys: SecretKeys;
  readonly signer: Signer;
  readonly record: KeyRecord;
  readonly keyId: KeyId;
  /** 64 hex digits. */
  readonly fingerprint: string;
  request(options?: { pin?: Uint8Array; token?: string; record?: KeyRecord }): Uint8Array;
}

/** A host with fixed keys; `keyName` when it is another host under the same id. */
export function host(id: string, keyName = id, role: Role = "minion"): Host {
  const keys = fixedKeys(keyName);
  const signer = new Signer(keys.sign);
  const record = makeKeyRecord(role, id, keys, 1);
  return {
    keys,
    signer,
    record,
    keyId: keyIdOf(record.sign),
    fingerprint: Buffer.from(fingerprintOf(record.sign)).toString("hex"),
    request: (options = {}) => makeEnrolRequest(signer, options.record ?? record, options),
  };
}

/** A private folder that is gone when the test is. */
export function tempFolder(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "msalt-test-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** A copy with one bit of one byte flipped. */
export function flip(bytes: Uint8Array, at: number, bit = 0): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ (1 << bit);
  return copy;
}

export const code = (wanted: string): unknown => expect.objectContaining({ code: wanted });
