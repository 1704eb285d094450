/**
 * Key files, and the only code that touches them. Every file is one line `msalt <kind> 1 <words…> <checksum>`, so that an
 * empty, cut or altered one is found. A file appears whole or not at all, is synced before anybody hears of it, and a key
 * is never overwritten by a different one. Folders are 0700 and secrets 0600 from the moment they exist, whatever the umask.
 */
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  readdirSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { MsaltError, messageOf } from "../errors.ts";
import { type KeyRecord, type Role, encodeKeyRecord } from "../wire/key-record.ts";
import { type SecretKeys, generateKeys, makeKeyRecord, verifyKeyRecord } from "./keys.ts";
import { Signer, equalBytes, fingerprintOf, formatFingerprint, sha256, x25519Public } from "./primitives.ts";

export type SecretKind = keyof SecretKeys;
const secretKinds = ["sign", "box", "curve"] as const;
const maxFileBytes = 4096;
const secretMode = 0o600;
const publicMode = 0o644;

/**
 * The record of this host's keys; makes all of them when none exists. Call once, before the processes that load them.
 * @throws MsaltError `ERR_KEY_FILE` naming the path, what is wrong and what to do, when only some exist, when one is empty, cut,
 * altered, a link, somebody else's or open to others, or when they belong to another minion id.
 */
export function ensureOwnKeys(dir: string, role: Role, id: string): KeyRecord {
  ensureFolder(dir);
  const paths = [...secretKinds.map((kind) => secretPath(dir, role, kind)), recordPath(dir, role)];
  const missing = paths.filter((path) => !exists(path));
  if (missing.length === paths.length) return createKeys(dir, role, id);
  const [first] = missing;
  if (first !== undefined) throw keyFileError(first, "is missing though other keys of this host exist", newIdentityHint(dir, role));
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
      throw keyFileError(secretPath(dir, role, kind), "does not belong to the public record beside it", newIdentityHint(dir, role));
    }
  }
  return record;
}

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
  for (const kind of secretKinds) {
    writeKeyFile(secretPath(dir, role, kind), `${kind}-secret`, [toBase64(keys[kind])], { mode: secretMode });
  }
  writeKeyFile(recordPath(dir, role), "key-record", [toBase64(encodeKeyRecord(record))], { mode: publicMode });
  return record;
}

const secretPath = (dir: string, role: Role, kind: SecretKind): string => join(dir, `${role}.${kind}`);
const recordPath = (dir: string, role: Role): string => join(dir, `${role}.pub`);

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
    if (!equalBytes(pinned.sign, record.sign)) throw keyFileError(pinPath(dir), `pins another master: ${both}`, pinHint);
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

export function keyFileError(path: string, wrong: string, hint: string | string[], cause?: unknown): MsaltError {
  const hints = [hint].flat().join(" ");
  return new MsaltError("ERR_KEY_FILE", `${path} ${wrong}`, { path, hint: hints }, cause === undefined ? undefined : { cause });
}

/** Makes a folder, or checks the one that is there: ours, and not writable by anybody else. */
export function ensureFolder(path: string): void {
  let stat: Stats;
  try {
    if (mkdirSync(path, { recursive: true, mode: 0o700 }) !== undefined) chmodSync(path, 0o700);
    stat = statSync(path);
  } catch (cause) {
    throw keyFileError(path, `cannot be used as a folder for keys: ${messageOf(cause)}`, "check pki_dir and its owner", cause);
  }
  if (stat.uid !== process.geteuid?.()) throw keyFileError(path, "belongs to another user", `chown it to the user that runs this`);
  if ((stat.mode & 0o022) !== 0) {
    throw keyFileError(path, `can be written by others (mode ${modeText(stat)})`, `look at what is in it, then: chmod 700 ${path}`);
  }
  if ((stat.mode & 0o077) !== 0) chmodSync(path, 0o700);
}

/** The words of a key file; undefined when there is none. @throws MsaltError `ERR_KEY_FILE` for one that cannot be trusted. */
export function readKeyFile(path: string, kind: string, hint: string): string[] | undefined {
  let fd: number;
  try {
    // Not following a link and not waiting for the other end of a pipe.
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    const code = (cause as { code?: string }).code;
    if (code === "ENOENT") return undefined;
    if (code === "ELOOP") throw keyFileError(path, "is a symbolic link", "put the file itself there", cause);
    throw keyFileError(path, `cannot be read: ${messageOf(cause)}`, "run this as the user who owns it", cause);
  }
  try {
    checkStat(path, fstatSync(fd), kind.endsWith("-secret"));
    const buffer = Buffer.alloc(maxFileBytes);
    const words = parseLine(buffer.toString("latin1", 0, readSync(fd, buffer, 0, maxFileBytes, 0)), kind);
    if (words === undefined) throw keyFileError(path, "is empty, cut or altered", hint);
    return words;
  } finally {
    closeSync(fd);
  }
}

/** Writes a whole new file, synced. Without `replace` it never overwrites one. @throws MsaltError `ERR_KEY_FILE`. */
export function writeKeyFile(
  path: string,
  kind: string,
  words: readonly string[],
  options: { mode: number; replace?: boolean; sync?: boolean },
): void {
  const draft = join(dirname(path), `.${basename(path)}.new`);
  try {
    rmSync(draft, { force: true });
    const fd = openSync(draft, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, options.mode);
    try {
      // The umask can only have taken bits away.
      fchmodSync(fd, options.mode);
      writeSync(fd, formatLine(kind, words));
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    if (options.replace === true) renameSync(draft, path);
    else linkSync(draft, path);
    rmSync(draft, { force: true });
    if (options.sync !== false) syncFolder(dirname(path));
  } catch (cause) {
    rmSync(draft, { force: true });
    throw keyFileError(path, `cannot be written: ${messageOf(cause)}`, "check that the disk is not full and the folder is ours", cause);
  }
}

/** Renames within the key folders, never over another file; durable after `syncFolder` of both folders. */
export function moveKeyFile(from: string, to: string): void {
  if (exists(to)) throw keyFileError(to, "exists already, and key files are never overwritten", "look at it, and move it away");
  try {
    renameSync(from, to);
  } catch (cause) {
    throw keyFileError(from, `cannot be moved: ${messageOf(cause)}`, "check the owner of its folder", cause);
  }
}

export function removeKeyFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (cause) {
    if ((cause as { code?: string }).code !== "ENOENT") {
      throw keyFileError(path, `cannot be removed: ${messageOf(cause)}`, "check the owner of its folder", cause);
    }
  }
}

/** Names of the key files in a folder; drafts of an interrupted write are not among them. */
export function listKeyFiles(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => !name.startsWith("."))
    .toSorted();
}

export function syncFolder(path: string): void {
  const fd = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

export function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
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

function checkStat(path: string, stat: Stats, secret: boolean): void {
  if (!stat.isFile()) throw keyFileError(path, "is not a regular file", "put the key file itself there");
  if (stat.uid !== process.geteuid?.()) throw keyFileError(path, "belongs to another user", "chown it to the user that runs this");
  const open = stat.mode & (secret ? 0o077 : 0o022);
  if (open !== 0) {
    const who = secret ? "is open to other users" : "can be written by other users";
    throw keyFileError(path, `${who} (mode ${modeText(stat)})`, `chmod ${secret ? "600" : "644"} ${path}; if others may have seen or changed it, make new keys`);
  }
}

const modeText = (stat: Stats): string => (stat.mode & 0o777).toString(8);

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function formatLine(kind: string, words: readonly string[]): string {
  const text = ["msalt", kind, "1", ...words].join(" ");
  return `${text} ${checksum(text)}\n`;
}

function parseLine(text: string, kind: string): string[] | undefined {
  const end = text.lastIndexOf(" ");
  const [name, found, version, ...words] = text.slice(0, Math.max(0, end)).split(" ");
  const good = name === "msalt" && found === kind && version === "1" && text.slice(end + 1) === `${checksum(text.slice(0, end))}\n`;
  return good ? words : undefined;
}

function checksum(text: string): string {
  return Buffer.from(sha256(Buffer.from(text, "latin1"))).toString("hex").slice(0, 16);
}
