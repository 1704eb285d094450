/**
 * A host's own keys, and a minion's pin of its master, as files in its pki folder (`key-file.ts`). No key is made silently in
 * place of one that is broken or lost, and a different key never replaces one.
 */
import { join } from "node:path";
import { messageOf } from "../errors.ts";
import { type KeyRecord, type Role, encodeKeyRecord } from "../wire/key-record.ts";
import {
  ensureFolder,
  exists,
  keyFileError,
  readKeyFile,
  removeKeyFile,
  syncFolder,
  toBase64,
  writeKeyFile,
} from "./key-file.ts";
import { type SecretKeys, generateKeys, makeKeyRecord, verifyKeyRecord } from "./keys.ts";
import { Signer, equalBytes, fingerprintOf, formatFingerprint, x25519Public } from "./primitives.ts";

export type SecretKind = keyof SecretKeys;
const secretKinds = ["sign", "box", "curve"] as const;
const secretMode = 0o600;
const publicMode = 0o644;

/**
 * The record of this host's keys; makes all of them when none exists. Call once, before the processes that load them.
 * @throws MsaltError `ERR_KEY_FILE` naming the path, what is wrong and what to do, when only some exist, when one is empty, cut,
 * altered, a link, somebody else's or open to others, or when they belong to another minion id.
 */
export function ensureOwnKeys(dir: string, role: Role, id: string): KeyRecord {
  ensureFolder(dir);
  finishRotation(dir, role);
  const paths = [...secretKinds.map((kind) => secretPath(dir, role, kind)), recordPath(dir, role)];
  dropHalfMade(creatingPath(dir, role), paths);
  const missing = paths.filter((path) => !exists(path));
  if (missing.length === paths.length) return createKeys(dir, role, id);
  const [first] = missing;
  if (first !== undefined)
    throw keyFileError(first, "is missing though other keys of this host exist", newIdentityHint(dir, role));
  const record = loadOwnRecord(dir, role);
  if (role === "minion" && record.id !== id) {
    throw keyFileError(recordPath(dir, role), `holds the keys of minion ${record.id}, but the configured id is ${id}`, [
      `set id: ${record.id} in the configuration, or use another pki folder;`,
      newIdentityHint(dir, role),
    ]);
  }
  for (const kind of secretKinds) {
    const secret = loadSecret(dir, role, kind);
    const own = kind === "sign" ? new Signer(secret).publicKey : x25519Public(secret);
    if (!equalBytes(own, record[kind])) {
      throw keyFileError(
        secretPath(dir, role, kind),
        "does not belong to the public record beside it",
        newIdentityHint(dir, role),
      );
    }
  }
  return record;
}

/**
 * Makes new box and curve keys, which the host uses from its next start on; all of them wait in one file until then, so that
 * no crash leaves half of them. The `sign` key, and with it the fingerprint, stays (W10).
 * @throws MsaltError `ERR_KEY_FILE`.
 */
export function rotateOwnKeys(dir: string, role: Role): KeyRecord {
  ensureFolder(dir);
  const old = loadOwnRecord(dir, role);
  const keys = { ...generateKeys(), sign: loadSecret(dir, role, "sign") };
  const next = makeKeyRecord(role, old.id, keys, old.number + 1);
  const words = [keys.box, keys.curve, encodeKeyRecord(next)].map(toBase64);
  writeKeyFile(nextPath(dir, role), rotationKind, words, { mode: secretMode, replace: true });
  return next;
}

/** Puts the keys of a rotation in place; again, when a crash came in between. */
function finishRotation(dir: string, role: Role): void {
  const path = nextPath(dir, role);
  const words = readKeyFile(path, rotationKind, "remove it, and rotate the keys again");
  if (words === undefined) return;
  const [box = "", curve = "", record = ""] = words;
  asRecord(path, role, record);
  const put = (file: string, kind: string, word: string, mode: number): void =>
    writeKeyFile(file, kind, [word], { mode, replace: true });
  put(secretPath(dir, role, "box"), "box-secret", box, secretMode);
  put(secretPath(dir, role, "curve"), "curve-secret", curve, secretMode);
  put(recordPath(dir, role), "key-record", record, publicMode);
  removeKeyFile(path);
  syncFolder(dir);
}

const rotationKind = "next-secret";
const nextPath = (dir: string, role: Role): string => join(dir, `${role}.next`);

/** One secret key of this host, 32 bytes. @throws MsaltError `ERR_KEY_FILE`. */
export function loadSecret(dir: string, role: Role, kind: SecretKind): Uint8Array {
  const path = secretPath(dir, role, kind);
  const secret = Buffer.from(readRequired(path, `${kind}-secret`, newIdentityHint(dir, role)), "base64");
  if (secret.length !== 32) throw keyFileError(path, "does not hold a key of 32 bytes", newIdentityHint(dir, role));
  return secret;
}

/** The public record of this host's keys. @throws MsaltError `ERR_KEY_FILE`. */
export function loadOwnRecord(dir: string, role: Role): KeyRecord {
  const path = recordPath(dir, role);
  return asRecord(path, role, readRequired(path, "key-record", newIdentityHint(dir, role)));
}

function createKeys(dir: string, role: Role, id: string): KeyRecord {
  const keys = generateKeys();
  const record = makeKeyRecord(role, id, keys, 1);
  writeKeyFile(creatingPath(dir, role), "creating", [], { mode: publicMode, replace: true });
  for (const kind of secretKinds) {
    writeKeyFile(secretPath(dir, role, kind), `${kind}-secret`, [toBase64(keys[kind])], { mode: secretMode });
  }
  writeKeyFile(recordPath(dir, role), "key-record", [toBase64(encodeKeyRecord(record))], { mode: publicMode });
  removeKeyFile(creatingPath(dir, role));
  syncFolder(dir);
  return record;
}

/** Of a first start that was cut off: nobody has heard of these keys before the last of them was there. */
function dropHalfMade(marker: string, paths: readonly string[]): void {
  if (!exists(marker)) return;
  if (!paths.every(exists)) paths.forEach(removeKeyFile);
  removeKeyFile(marker);
}

const secretPath = (dir: string, role: Role, kind: SecretKind): string => join(dir, `${role}.${kind}`);
const recordPath = (dir: string, role: Role): string => join(dir, `${role}.pub`);
/** Stands while the keys are made, and until all of them are on disk. */
const creatingPath = (dir: string, role: Role): string => join(dir, `${role}.creating`);

function newIdentityHint(dir: string, role: Role): string {
  const files = [...secretKinds, "pub"].map((kind) => `${role}.${kind}`).join(", ");
  return `restore it from a backup; or, if this host shall get a new identity, remove ${files} from ${dir} and start again`;
}

const pinPath = (dir: string): string => join(dir, "minion_master.pub");
const pinHint = "if the master was really replaced, remove this file; the next master that answers is pinned then";

/** The master that this minion trusts; undefined before the first contact. @throws MsaltError `ERR_KEY_FILE`. */
export function loadPin(dir: string): KeyRecord | undefined {
  const words = readKeyFile(pinPath(dir), "key-record", pinHint);
  return words === undefined ? undefined : asRecord(pinPath(dir), "master", words[0] ?? "");
}

/**
 * Pins the master, or follows a rotation of its keys forward.
 * @throws MsaltError `ERR_KEY_FILE` when another master is pinned, or newer keys of this one.
 */
export function savePin(dir: string, record: KeyRecord): void {
  ensureFolder(dir);
  const pinned = loadPin(dir);
  const bytes = encodeKeyRecord(record);
  if (pinned !== undefined) {
    const both = `pinned ${fingerprintText(pinned)}, offered ${fingerprintText(record)}`;
    if (!equalBytes(pinned.sign, record.sign))
      throw keyFileError(pinPath(dir), `pins another master: ${both}`, pinHint);
    if (equalBytes(encodeKeyRecord(pinned), bytes)) return;
    if (record.number <= pinned.number) {
      const numbers = `number ${pinned.number} is pinned, ${record.number} offered`;
      throw keyFileError(pinPath(dir), `already holds the same or newer keys of this master: ${numbers}`, pinHint);
    }
  }
  writeKeyFile(pinPath(dir), "key-record", [toBase64(bytes)], { mode: publicMode, replace: true });
}

function fingerprintText(record: KeyRecord): string {
  return formatFingerprint(fingerprintOf(record.sign));
}

function readRequired(path: string, kind: string, hint: string): string {
  const words = readKeyFile(path, kind, hint);
  if (words === undefined) throw keyFileError(path, "is missing", hint);
  return words[0] ?? "";
}

function asRecord(path: string, role: Role, base64: string): KeyRecord {
  try {
    const record = verifyKeyRecord(Buffer.from(base64, "base64"));
    if (record.role !== role) throw new Error(`it is the record of a ${record.role}`);
    return record;
  } catch (cause) {
    throw keyFileError(path, `does not hold a good key record: ${messageOf(cause)}`, "restore it from a backup", cause);
  }
}
