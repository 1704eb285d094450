/**
 * Files that minions may read, under Salt's `salt://` paths: those below the first of `roots` that has them, and those that
 * msalt-cp has laid out below `spool` for as long as its job runs (`.cp/<token>/…`; the token is only in the orders of that job).
 * No path, and no symbolic link on the way, leads out of its root.
 */
import { createHash } from "node:crypto";
import { type Dirent, constants } from "node:fs";
import { type FileHandle, open, readdir, readlink, realpath } from "node:fs/promises";
import { join, sep } from "node:path";
import { limits } from "../wire/limits.ts";

export interface FileFacts {
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
  readonly sha256: Uint8Array;
}

const spoolPath = /^\.cp\/([0-9a-f]{32})(?:\/(.*))?$/s;
const cachedHashes = 1000;

export class FileRoots {
  readonly #roots: readonly string[];
  readonly #spool: string;
  /** Of files as they were; also those that are being made, so that many who ask for one file make one. */
  readonly #hashes = new Map<string, Promise<Uint8Array>>();

  constructor(roots: readonly string[], spool: string) {
    this.#roots = roots;
    this.#spool = spool;
  }

  /** Undefined when there is no such file. */
  async stat(path: string): Promise<FileFacts | undefined> {
    return this.#open(path, async (handle, real) => {
      const { size, mode, mtimeNs, ino } = await handle.stat({ bigint: true });
      const key = `${real} ${ino} ${size} ${mtimeNs}`;
      const known = this.#hashes.get(key);
      const hash = known ?? hashOf(handle);
      if (known === undefined) {
        this.#hashes.set(key, hash);
        hash.catch(() => this.#hashes.delete(key));
        if (this.#hashes.size > cachedHashes) this.#hashes.delete([...this.#hashes.keys()][0] ?? "");
      }
      return { size: Number(size), mode: Number(mode) & 0o777, sha256: await hash };
    });
  }

  /** Up to `limits.filePartBytes` bytes from `offset` on; undefined when there is no such file. */
  async read(path: string, offset: number): Promise<Uint8Array | undefined> {
    return this.#open(path, async (handle) => {
      const buffer = Buffer.alloc(limits.filePartBytes);
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, offset);
      return buffer.subarray(0, bytesRead);
    });
  }

  /** Names of the files below a folder (`""`: all), relative to it, sorted, those after `after`. */
  async list(path: string, after: string): Promise<{ files: string[]; more: boolean }> {
    const found = new Set<string>();
    for (const root of this.#rootsOf(path)) {
      const folder = await realIn(root.folder, root.path);
      if (folder !== undefined) for await (const name of filesBelow(folder, "")) found.add(name);
    }
    const left = [...found].filter((name) => name > after).toSorted();
    return { files: left.slice(0, limits.fileNames), more: left.length > limits.fileNames };
  }

  #rootsOf(path: string): { folder: string; path: string }[] {
    const [spooled, token, rest = ""] = spoolPath.exec(path) ?? [];
    if (spooled !== undefined) return [{ folder: join(this.#spool, token ?? ""), path: rest }];
    return this.#roots.map((folder) => ({ folder, path }));
  }

  async #open<T>(path: string, use: (handle: FileHandle, real: string) => Promise<T>): Promise<T | undefined> {
    for (const root of this.#rootsOf(path)) {
      const real = await realIn(root.folder, root.path);
      if (real === undefined) continue;
      // A pipe would never open; a link that was put there just now is not followed.
      const handle = await open(real, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW).catch(
        () => undefined,
      );
      if (handle === undefined) continue;
      try {
        // Nor is a folder on the way that has just become a link.
        const opened = await readlink(`/proc/self/fd/${handle.fd}`);
        if (opened === real && (await handle.stat()).isFile()) return await use(handle, real);
      } finally {
        await handle.close();
      }
    }
    return undefined;
  }
}

/** The real path below `root`; undefined when there is none, or it lies elsewhere. */
async function realIn(root: string, path: string): Promise<string | undefined> {
  const parts = path.split("/").filter((part) => part !== "");
  if (path.includes("\0") || parts.some((part) => part === "." || part === "..")) return undefined;
  try {
    const base = await realpath(root);
    const real = await realpath(join(base, ...parts));
    return real === base || real.startsWith(base + sep) ? real : undefined;
  } catch {
    return undefined;
  }
}

async function* filesBelow(folder: string, prefix: string): AsyncGenerator<string> {
  let entries: Dirent[];
  try {
    entries = await readdir(folder, { withFileTypes: true });
  } catch {
    return;
  }
  for (const entry of entries) {
    if (entry.isFile()) yield `${prefix}${entry.name}`;
    else if (entry.isDirectory()) yield* filesBelow(join(folder, entry.name), `${prefix}${entry.name}/`);
  }
}

async function hashOf(handle: FileHandle): Promise<Uint8Array> {
  const hash = createHash("sha256");
  const buffer = Buffer.alloc(limits.filePartBytes);
  for (let at = 0; ;) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) return hash.digest();
    hash.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
}
