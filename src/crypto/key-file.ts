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
import { failpoint } from "../lib/failpoint.ts";
import { sha256 } from "./primitives.ts";

const maxFileBytes = 4096;

export function keyFileError(path: string, wrong: string, hint: string | string[], cause?: unknown): MsaltError {
  const hints = [hint].flat().join(" ");
  return new MsaltError(
    "ERR_KEY_FILE",
    `${path} ${wrong}`,
    { path, hint: hints },
    cause === undefined ? undefined : { cause },
  );
}

/** Makes a folder, or checks the one that is there: ours, and not writable by anybody else. */
export function ensureFolder(path: string): void {
  let stat: Stats;
  try {
    if (mkdirSync(path, { recursive: true, mode: 0o700 }) !== undefined) chmodSync(path, 0o700);
    stat = statSync(path);
  } catch (cause) {
    throw keyFileError(
      path,
      `cannot be used as a folder for keys: ${messageOf(cause)}`,
      "check pki_dir and its owner",
      cause,
    );
  }
  if (stat.uid !== process.geteuid?.())
    throw keyFileError(path, "belongs to another user", `chown it to the user that runs this`);
  if ((stat.mode & 0o022) !== 0) {
    throw keyFileError(
      path,
      `can be written by others (mode ${modeText(stat)})`,
      `look at what is in it, then: chmod 700 ${path}`,
    );
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
    const fd = openSync(
      draft,
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
      options.mode,
    );
    try {
      // The umask can only have taken bits away.
      fchmodSync(fd, options.mode);
      writeSync(fd, formatLine(kind, words));
      failpoint("key.sync");
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    failpoint("key.rename");
    if (options.replace === true) renameSync(draft, path);
    else linkSync(draft, path);
    rmSync(draft, { force: true });
    if (options.sync !== false) syncFolder(dirname(path));
  } catch (cause) {
    rmSync(draft, { force: true });
    throw keyFileError(
      path,
      `cannot be written: ${messageOf(cause)}`,
      "check that the disk is not full and the folder is ours",
      cause,
    );
  }
}

/** Renames within the key folders, never over another file; durable after `syncFolder` of both folders. */
export function moveKeyFile(from: string, to: string): void {
  if (exists(to))
    throw keyFileError(to, "exists already, and key files are never overwritten", "look at it, and move it away");
  try {
    failpoint("key.move");
    renameSync(from, to);
  } catch (cause) {
    throw keyFileError(from, `cannot be moved: ${messageOf(cause)}`, "check the owner of its folder", cause);
  }
}

export function removeKeyFile(path: string): void {
  try {
    failpoint("key.remove");
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
  failpoint("key.folder");
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

function checkStat(path: string, stat: Stats, secret: boolean): void {
  if (!stat.isFile()) throw keyFileError(path, "is not a regular file", "put the key file itself there");
  if (stat.uid !== process.geteuid?.())
    throw keyFileError(path, "belongs to another user", "chown it to the user that runs this");
  const open = stat.mode & (secret ? 0o077 : 0o022);
  if (open !== 0) {
    const who = secret ? "is open to other users" : "can be written by other users";
    throw keyFileError(
      path,
      `${who} (mode ${modeText(stat)})`,
      `chmod ${secret ? "600" : "644"} ${path}; if others may have seen or changed it, make new keys`,
    );
  }
}

const modeText = (stat: Stats): string => (stat.mode & 0o777).toString(8);

/** Whether anything has this name, be it a broken link. */
export function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function formatLine(kind: string, words: readonly string[]): string {
  const text = ["msalt", kind, "1", ...words].join(" ");
  return `${text} ${checksum(text)}\n`;
}

function parseLine(text: string, kind: string): string[] | undefined {
  const end = text.lastIndexOf(" ");
  const [name, found, version, ...words] = text.slice(0, Math.max(0, end)).split(" ");
  const good =
    name === "msalt" &&
    found === kind &&
    version === "1" &&
    text.slice(end + 1) === `${checksum(text.slice(0, end))}\n`;
  return good ? words : undefined;
}

function checksum(text: string): string {
  return Buffer.from(sha256(Buffer.from(text, "latin1")))
    .toString("hex")
    .slice(0, 16);
}
