/**
 * What a child reads and writes. What Node gives to a child is a socket: it cannot be opened again through /dev/stdout or
 * /dev/stdin, and two of them do not keep the order of what is written to both. Node cannot make a pipe, but `mkfifo` can;
 * its name is gone before anybody uses it.
 */
import { execFile } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  fchownSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { MsaltError, messageOf } from "../errors.ts";

const batch = 8;
/** Where a file may stand for a moment, tried in order; memory first, so that a full disk stops no command. */
const folders: readonly string[] = ["/dev/shm", "/run", tmpdir()];
/** Followed by the process that has made it. */
const prefix = "msalt-pipe-";

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Two ends of one pipe, as descriptors. Whoever takes it closes both. */
export interface Pipe {
  readonly read: number;
  readonly write: number;
}

/** Pipes, made some at a time because a process is needed for it. */
export class PipePool {
  #spare: Pipe[] = [];
  #filling: Promise<void> | undefined;
  #cleared = false;

  /**
   * A pipe that `owner` may open again by its name under /dev.
   * @throws MsaltError `ERR_COMMAND` when none can be made.
   */
  async take(owner?: Owner): Promise<Pipe> {
    for (;;) {
      const pipe = this.#spare.pop();
      if (pipe !== undefined) {
        if (owner !== undefined) fchownSync(pipe.write, owner.uid, owner.gid);
        return pipe;
      }
      this.#filling ??= this.#fill().finally(() => (this.#filling = undefined));
      await this.#filling;
    }
  }

  close(): void {
    for (const { read, write } of this.#spare.splice(0)) {
      closeSync(read);
      closeSync(write);
    }
  }

  async #fill(): Promise<void> {
    if (!this.#cleared) clearPipes();
    this.#cleared = true;
    await inPassing(async (folder) => {
      const names = Array.from({ length: batch }, (_, n) => join(folder, String(n)));
      await promisify(execFile)("mkfifo", ["-m", "600", ...names]);
      for (const name of names) {
        // In this order neither call waits for the other end. The child's end must wait, ours must not.
        const read = openSync(name, constants.O_RDONLY | constants.O_NONBLOCK);
        this.#spare.push({ read, write: openSync(name, constants.O_WRONLY) });
      }
    });
  }
}

/**
 * A nameless file that holds `text`, open for reading: what a child gets as standard input.
 * @throws MsaltError `ERR_COMMAND` when there is no room for it.
 */
export async function inputFile(text: string, owner?: Owner): Promise<number> {
  return inPassing(async (folder) => {
    const name = join(folder, "stdin");
    writeFileSync(name, text, { mode: 0o600 });
    const fd = openSync(name, constants.O_RDONLY);
    if (owner !== undefined) fchownSync(fd, owner.uid, owner.gid);
    return fd;
  });
}

/** Removes what processes of this user that were killed have left behind. Never throws. */
function clearPipes(): void {
  for (const place of folders) {
    try {
      const left = readdirSync(place).filter((name) => name.startsWith(prefix));
      for (const name of left) clearPipe(join(place, name), Number(name.slice(prefix.length).split("-")[0]));
    } catch {
      // Not there, or not ours to look into: then there is nothing of ours.
    }
  }
}

function clearPipe(folder: string, maker: number): void {
  if (lstatSync(folder).uid !== process.geteuid?.() || existsSync(`/proc/${maker}`)) return;
  rmSync(folder, { recursive: true, force: true });
}

/** Hands a fresh folder to `work` and removes it; where that fails, tries the next place. */
async function inPassing<T>(work: (folder: string) => Promise<T>): Promise<T> {
  let failure: unknown;
  for (const place of folders.filter((name) => existsSync(name))) {
    let folder: string | undefined;
    try {
      folder = mkdtempSync(join(place, `${prefix}${process.pid}-`));
      return await work(folder);
    } catch (cause) {
      failure = cause;
    } finally {
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    }
  }
  throw new MsaltError(
    "ERR_COMMAND",
    `cannot make a pipe for a command: ${messageOf(failure)}`,
    {},
    { cause: failure },
  );
}
