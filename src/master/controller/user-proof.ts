/**
 * Who a local user is, as the file system proves it: the user makes an empty directory of a name that was told to it alone, in a
 * folder where everybody may make some and nobody may look. Its owner is the user.
 */
import { chmodSync, lstatSync, mkdirSync, readFileSync, readdirSync, rmSync, rmdirSync } from "node:fs";
import { lstat, rmdir } from "node:fs/promises";
import { dirname } from "node:path";
import { MsaltError } from "../../errors.ts";
import { proofFolder, userSocket } from "../../lib/sockets.ts";

export interface User {
  readonly name: string;
  readonly uid: number;
}

/** Clocks of files are some milliseconds behind. */
const slackMs = 1000;

/**
 * Makes the folder that everybody may enter, and the one for proofs in it. Folders above it that are missing are made so that
 * others can come through. @throws MsaltError `ERR_NOT_ALLOWED` when somebody else's folder is there.
 */
export function makeUserFolder(dir: string): void {
  const made = mkdirSync(dirname(dir), { recursive: true });
  if (made !== undefined) {
    for (let at = dirname(dir); at.length >= made.length; at = dirname(at)) chmodSync(at, 0o755);
  }
  const folders = [
    { path: dir, mode: 0o755 },
    { path: `${dir}/${proofFolder}`, mode: 0o1733 },
  ];
  for (const { path, mode } of folders) {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const stats = lstatSync(path);
    if (!stats.isDirectory() || stats.uid !== process.geteuid?.()) {
      throw new MsaltError("ERR_NOT_ALLOWED", `${path} is not a folder of this user`, { hint: "remove it" });
    }
    chmodSync(path, mode);
  }
  for (const name of readdirSync(`${dir}/${proofFolder}`)) {
    try {
      rmdirSync(`${dir}/${proofFolder}/${name}`);
    } catch {
      // Not empty, or no directory: it proves nothing.
    }
  }
}

/** Of a master whose `publisher_acl` named users before; what others have left in it may keep it there. */
export function removeUserFolder(dir: string): void {
  for (const path of [`${dir}/${userSocket}`, `${dir}/${proofFolder}`, dir]) {
    try {
      rmSync(path, { recursive: true, force: true });
    } catch {
      // Nobody is served there.
    }
  }
}

/**
 * The owner of the directory `name` among the proofs, if it was made for this; it is gone afterwards. Does not resolve while a
 * file system that somebody has mounted there does not answer.
 * @param sinceMs when the name was given out
 */
export async function provenUid(dir: string, name: string, sinceMs: number): Promise<number | undefined> {
  const folder = `${dir}/${proofFolder}`;
  const stats = await lstat(`${folder}/${name}`).catch(() => undefined);
  if (stats === undefined) return undefined;
  // Of others too: the folder's owner may. What is not empty stays; nothing depends on it, as each name is good once.
  await rmdir(`${folder}/${name}`).catch(() => undefined);
  // Only its owner can move a directory of this mode here; and the root of a mounted file system may lie.
  const isOwn = stats.isDirectory() && (stats.mode & 0o7777) === 0o700 && stats.dev === lstatSync(folder).dev;
  const isNew = stats.birthtimeMs === 0 || stats.birthtimeMs >= sinceMs - slackMs;
  return isOwn && isNew ? stats.uid : undefined;
}

/** @throws MsaltError `ERR_NOT_ALLOWED` for an owner who is nobody in particular. */
export function userOf(uid: number, passwd = "/etc/passwd"): User {
  // What a name space cannot name has this number there, whoever it is.
  if (uid === overflowUid())
    throw new MsaltError("ERR_NOT_ALLOWED", `user ${uid} stands for all that have no name here`);
  for (const line of readFileSync(passwd, "utf8").split("\n")) {
    const [name = "", , number] = line.split(":");
    if (number === String(uid) && name !== "") return { name, uid };
  }
  throw new MsaltError("ERR_NOT_ALLOWED", `user ${uid} has no name in ${passwd}`);
}

function overflowUid(): number {
  try {
    return Number(readFileSync("/proc/sys/kernel/overflowuid", "utf8"));
  } catch {
    return 65_534;
  }
}
