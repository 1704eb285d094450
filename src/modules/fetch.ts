import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { chmod, chown, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { MsaltError } from "../errors.ts";
import { failpoint } from "../lib/failpoint.ts";
import type { FileFacts, MasterFiles } from "./declare.ts";

/** A file changed on the master while it was read: so many more tries. */
const tries = 3;

interface Source {
  readonly files: MasterFiles;
  readonly signal?: AbortSignal;
}

export function noSuchFile(path: string): MsaltError {
  return new MsaltError("ERR_FUNCTION_ARGS", `no file salt://${path} on the master`, {
    hint: "files lie below file_roots of the master's configuration",
  });
}

/** Without the prefix. @throws MsaltError `ERR_FUNCTION_ARGS` for what is no `salt://` path. */
export function masterPath(text: string): string {
  if (text.startsWith("salt://") && text.length > 7) return text.slice(7);
  throw new MsaltError(
    "ERR_FUNCTION_ARGS",
    `${JSON.stringify(text)} is no path on the master, such as salt://app/app.conf`,
  );
}

/**
 * Brings a file of the master to `dest`: whole or not at all, checked against its hash, renamed into place. What is there already
 * keeps its mode and owner, and is not touched when it is the same. False: there is no such file on the master.
 * @throws MsaltError `ERR_COMMAND` with what the system says.
 */
export async function fetchFile(host: Source, path: string, dest: string, makedirs: boolean): Promise<boolean> {
  for (let left = tries; ; left -= 1) {
    const file = await host.files.stat(path);
    if (file === undefined) return false;
    const before = await stat(dest).catch(() => undefined);
    if (before?.isDirectory() === true) throw new MsaltError("ERR_FUNCTION_ARGS", `${dest} is a folder`);
    if (before?.size === file.size && Buffer.compare(await hashOf(dest), file.sha256) === 0) return true;
    if (makedirs) await mkdir(dirname(dest), { recursive: true });
    const temporary = `${dest}.${randomBytes(6).toString("hex")}.msalt`;
    try {
      if (await bring(host, path, temporary, file)) {
        await chmod(temporary, before === undefined ? file.mode : before.mode & 0o7777);
        if (before !== undefined && process.getuid?.() === 0) await chown(temporary, before.uid, before.gid);
        failpoint("fetch.rename");
        await rename(temporary, dest);
        return true;
      }
    } catch (cause) {
      if (cause instanceof MsaltError) throw cause;
      throw new MsaltError("ERR_COMMAND", `cannot write ${dest}: ${(cause as Error).message}`, {}, { cause });
    } finally {
      await rm(temporary, { force: true });
    }
    if (left === 0)
      throw new MsaltError("ERR_COMMAND", `salt://${path} changes all the time, or is damaged on its way`);
  }
}

/** False when what came is not what was announced. */
async function bring(host: Source, path: string, to: string, { size, sha256 }: FileFacts): Promise<boolean> {
  const handle = await open(to, "wx", 0o600);
  const hash = createHash("sha256");
  try {
    for (let at = 0; at < size;) {
      if (host.signal?.aborted === true) throw new MsaltError("ERR_COMMAND", "the job was ended");
      const data = await host.files.read(path, at);
      if (data === undefined || data.length === 0) return false;
      hash.update(data);
      await handle.writeFile(data);
      at += data.length;
    }
    failpoint("fetch.sync");
    await handle.datasync();
  } finally {
    await handle.close();
  }
  return Buffer.compare(hash.digest(), sha256) === 0;
}

export async function hashOf(path: string): Promise<Uint8Array> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest();
}

/** Every file below a folder of the master. */
export async function filesBelow(from: MasterFiles, path: string): Promise<string[]> {
  const all: string[] = [];
  for (;;) {
    const { files, more } = await from.list(path, all.at(-1) ?? "");
    all.push(...files);
    if (!more || files.length === 0) return all;
  }
}
