/**
 * The audit log: a line for each act, written before the act is carried out and answered, and synced; those of jobs, which are
 * in the record as well, within a second. Lines that come together share a sync. Where a line cannot be written the act is refused.
 */
import { closeSync, constants, fdatasyncSync, fstatSync, openSync, readSync, statSync, writeSync } from "node:fs";
import { type Act, fieldsOf } from "../../audit/act.ts";
import { type Head, firstHead, mendedAct, openLine, seal, sha256Hex } from "../../audit/chain.ts";
import { messageOf } from "../../errors.ts";
import { failpoint } from "../../lib/failpoint.ts";
import { storeError } from "../../store/store-error.ts";

/** Longer than the last two lines can be. */
const tailBytes = 262_144;
const lineFeed = 10;
const syncMs = 1000;

interface Entry {
  readonly urgent: boolean;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly resolve: () => void;
  readonly reject: (failure: unknown) => void;
}

/** How a file ends. */
interface End {
  readonly head: Head;
  /** The last line, when it is not whole. */
  readonly torn?: Uint8Array;
  /** Its line feed is missing. */
  readonly open: boolean;
}

export class AuditLog {
  readonly #file: string;
  readonly #now: () => number;
  #descriptor: number;
  #end: End;
  /** Lines that may be in the file although their acts were refused. */
  #refused: string | undefined;
  #queue: Entry[] = [];
  #running: Promise<void> | undefined;
  /** Lines that wait for their sync. */
  #unsynced: NodeJS.Timeout | "failed" | undefined;

  /** @throws MsaltError `ERR_STORE` or `ERR_DISK_FULL` when the file cannot be opened or read. */
  constructor(file: string, now: () => number) {
    this.#file = file;
    this.#now = now;
    this.#end = this.#checked(() => endOf(file));
    this.#descriptor = this.#checked(() => openLog(file));
  }

  /**
   * Resolves when the line is on disk, or, of a job, in the file: that one is in the record as well, and a second sync for each
   * would halve the number of jobs that can be accepted.
   * @throws MsaltError `ERR_STORE` or `ERR_DISK_FULL`: the act must not be done.
   */
  record(act: Act): Promise<void> {
    const fields = fieldsOf(act, this.#now());
    return new Promise((resolve, reject) => {
      this.#queue.push({ urgent: act.act !== "publish", fields, resolve, reject });
      this.#running ??= this.#drain();
    });
  }

  async close(): Promise<void> {
    await this.#running;
    if (this.#unsynced !== undefined) this.#syncLate();
    closeSync(this.#descriptor);
  }

  #sync(): void {
    failpoint("audit.sync");
    fdatasyncSync(this.#descriptor);
    failpoint("audit.synced");
    if (typeof this.#unsynced === "object") clearTimeout(this.#unsynced);
    this.#unsynced = undefined;
  }

  /** Where it fails, the next line tries again and is refused if that fails, too. */
  #syncLate(): void {
    try {
      this.#sync();
    } catch {
      this.#unsynced = "failed";
    }
  }

  async #drain(): Promise<void> {
    // What is asked for together shares the sync.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const group = this.#queue;
      this.#queue = [];
      try {
        this.#write(
          group.map(({ fields }) => fields),
          group.some(({ urgent }) => urgent),
        );
        for (const { resolve } of group) resolve();
      } catch (cause) {
        const failure = storeError(cause, this.#file);
        for (const { reject } of group) reject(failure);
      }
    }
    this.#running = undefined;
  }

  #write(all: readonly Readonly<Record<string, unknown>>[], urgent: boolean): void {
    this.#followRotation();
    if (this.#refused !== undefined) this.#end = endOf(this.#file);
    const { text, head } = this.#compose(all);
    const bytes = Buffer.from(text);
    try {
      failpoint("audit.write");
      for (let at = 0; at < bytes.length;) at += writeSync(this.#descriptor, bytes, at);
      // As the store does: a thread for it would cost more than it waits, and what comes meanwhile is one group all the same.
      if (urgent || this.#unsynced === "failed") this.#sync();
      else this.#unsynced ??= setTimeout(() => this.#syncLate(), syncMs).unref();
    } catch (failure) {
      this.#refused ??= `acts between line ${this.#end.head.n} and this one were refused: ${messageOf(failure)}`;
      throw failure;
    }
    this.#end = { head, open: false };
    this.#refused = undefined;
  }

  #compose(all: readonly Readonly<Record<string, unknown>>[]): { text: string; head: Head } {
    const { torn, open } = this.#end;
    let { head } = this.#end;
    let text = open ? "\n" : "";
    const add = (fields: Readonly<Record<string, unknown>>): void => {
      const sealed = seal(fields, head);
      text += `${sealed.line}\n`;
      ({ head } = sealed);
    };
    const time = new Date(this.#now()).toISOString();
    if (torn !== undefined) {
      add({
        time,
        act: mendedAct,
        outcome: `the line before is not whole (${torn.length} bytes); its act was not answered`,
      });
    }
    if (this.#refused !== undefined) add({ time, act: "refused", outcome: this.#refused });
    if (head.n === 0) add({ time, act: "start", outcome: "a new log" });
    for (const fields of all) add(fields);
    return { text, head };
  }

  /** Somebody has moved the file away: the chain goes on in a new one. */
  #followRotation(): void {
    const there = statSync(this.#file, { throwIfNoEntry: false });
    const own = fstatSync(this.#descriptor);
    if (there?.ino === own.ino && there.dev === own.dev) return;
    const descriptor = openLog(this.#file);
    if (this.#unsynced !== undefined) this.#sync();
    closeSync(this.#descriptor);
    this.#descriptor = descriptor;
    const { head } = this.#end;
    this.#end = there === undefined || there.size === 0 ? { head, open: false } : endOf(this.#file);
  }

  #checked<T>(work: () => T): T {
    try {
      return work();
    } catch (cause) {
      throw storeError(cause, this.#file);
    }
  }
}

function openLog(file: string): number {
  const { O_APPEND, O_CREAT, O_WRONLY, O_NOFOLLOW } = constants;
  return openSync(file, O_APPEND | O_CREAT | O_WRONLY | O_NOFOLLOW, 0o600);
}

/** Of a new file the chain goes on where the one that was moved away ends, if it is still beside it. */
function endOf(file: string): End {
  const bytes = tailOf(file);
  if (bytes.length === 0) {
    return { head: file.endsWith(".1") ? firstHead : endOf(`${file}.1`).head, open: false };
  }
  const open = bytes.at(-1) !== lineFeed;
  const lines = linesOf(open ? bytes : bytes.subarray(0, -1));
  const last = lines.at(-1) ?? bytes;
  const line = openLine(last);
  if (typeof line !== "string") {
    return { head: { n: line.n, prev: sha256Hex(last) }, open };
  }
  const before = lines
    .slice(0, -1)
    .map(openLine)
    .findLast((each) => typeof each !== "string");
  return { head: { n: typeof before === "object" ? before.n : 0, prev: sha256Hex(last) }, torn: last, open };
}

function linesOf(bytes: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  let start = 0;
  for (let end = bytes.indexOf(lineFeed); end >= 0; end = bytes.indexOf(lineFeed, start)) {
    lines.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return [...lines, bytes.subarray(start)];
}

function tailOf(file: string): Uint8Array {
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats === undefined || stats.size === 0) return new Uint8Array(0);
  const descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const bytes = Buffer.alloc(Math.min(stats.size, tailBytes));
    return bytes.subarray(0, readSync(descriptor, bytes, 0, bytes.length, stats.size - bytes.length));
  } finally {
    closeSync(descriptor);
  }
}
