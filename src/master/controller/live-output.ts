/**
 * What running jobs print, on its way to whoever follows. A minion sends a byte once, and only as far as somebody has asked
 * (`want`); it lies in a file until its followers have read it, each from its own place and at its own pace. So a slow terminal
 * slows neither the minion, nor the master, nor the next terminal. Nothing here is part of the record: when this process ends,
 * the minion is asked again from the start.
 */
import { appendFileSync, closeSync, mkdirSync, openSync, readSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { OpenJob } from "../../job/open-job.ts";
import { isTerminal } from "../../job/state.ts";
import { encode } from "../../wire/codec.ts";
import type { Jid, MinionId } from "../../wire/ids.ts";
import { limits } from "../../wire/limits.ts";
import type { Load, Replies } from "../../wire/loads.ts";
import type { LocalLoad, LocalReplies } from "../../wire/local.ts";
import type { Order } from "../../wire/publication.ts";

/** Nobody has read or written it for so long: dropped. */
const idleMs = 60_000;
/** An answer waits so long for something to say. */
const pollMs = 1000;
/** What a run printed last may come after its result; then nothing more is to be expected. */
const flushMs = 5000;
/** Orders may be lost: asked again when there was no sign after this, then after twice as long, and so on. */
const askAgainMs = 2000;
const askAgainMaxMs = 60_000;
const replyBytes = 1_048_576;
const notice = 1024;

interface Spool {
  readonly jid: Jid;
  readonly id: MinionId;
  readonly file: string;
  have: number;
  want: number;
  /** All that the run has shown; known when it is over. */
  total?: number;
  /** The minion has answered since it was last asked. */
  heard: boolean;
  askedAt: number;
  pauseMs: number;
  touched: number;
  /** When its target was first found to have ended. */
  endedAt?: number;
}

export interface LiveOutputOptions {
  /** Emptied at the start. */
  readonly dir: string;
  readonly now: () => number;
  readonly find: (jid: Jid) => OpenJob | undefined;
  /** False while the disk is short: then nothing is kept. */
  readonly hasRoom: () => boolean;
  /** Orders these minions to show more. */
  readonly send: (jid: Jid, orders: ReadonlyMap<MinionId, Uint8Array>) => void;
}

type Asked = LocalReplies["job.output"];

export class LiveOutput {
  readonly #options: LiveOutputOptions;
  readonly #spools = new Map<string, Spool>();
  readonly #waiters = new Set<() => void>();
  #bytes = 0;

  constructor(options: LiveOutputOptions) {
    this.#options = options;
    rmSync(options.dir, { recursive: true, force: true });
    mkdirSync(options.dir, { recursive: true, mode: 0o700 });
  }

  /** What is there for a follower; waits up to a second when that is nothing. */
  async ask({ jid, from }: LocalLoad<"job.output">): Promise<Asked> {
    const wanted = Object.entries(from) as [MinionId, number][];
    for (const [id, offset] of wanted) this.#want(jid, id, offset);
    this.#order(jid, wanted);
    const end = this.#options.now() + pollMs;
    for (;;) {
      const found = this.#collect(jid, wanted);
      const left = end - this.#options.now();
      if (found.parts.length > 0 || found.done.length > 0 || left <= 0) return found;
      await this.#change(left);
    }
  }

  /** A part from a minion; undefined when this is no job of its own that runs. */
  take(id: MinionId, { jid, offset, data, total }: Load<"job.output">): Replies["job.output"] | undefined {
    const { find, now, hasRoom } = this.#options;
    const open = find(jid);
    let spool = this.#spools.get(nameOf(jid, id));
    if (spool === undefined) {
      const target = open?.targets.get(id);
      if (open === undefined || target === undefined) return undefined;
      if (open.job.options.follow !== true || isTerminal(target.state)) return { have: 0, want: 0 };
      spool = this.#want(jid, id, 0);
    }
    if (spool === undefined) return { have: 0, want: 0 };
    spool.heard = true;
    spool.pauseMs = askAgainMs;
    spool.touched = now();
    const fits = offset === spool.have && spool.have + data.length <= limits.outputBytes + notice;
    if (data.length > 0 && fits && hasRoom() && this.#bytes < limits.outputSpoolBytes) {
      appendFileSync(spool.file, data, { mode: 0o600 });
      spool.have += data.length;
      this.#bytes += data.length;
    }
    if (total === spool.have) spool.total = total;
    this.#wake();
    return { have: spool.have, want: spool.want };
  }

  tick(): void {
    for (const [name, spool] of this.#spools) {
      if (spool.touched > this.#options.now() - idleMs) continue;
      this.#spools.delete(name);
      this.#bytes -= spool.have;
      rmSync(spool.file, { force: true });
    }
  }

  #want(jid: Jid, id: MinionId, offset: number): Spool | undefined {
    const { dir, find, now } = this.#options;
    const name = nameOf(jid, id);
    let spool = this.#spools.get(name);
    if (spool === undefined) {
      const target = find(jid)?.targets.get(id);
      if (target === undefined || isTerminal(target.state)) return undefined;
      const fresh = { have: 0, want: 0, heard: false, askedAt: 0, pauseMs: askAgainMs, touched: 0 };
      spool = { jid, id, file: join(dir, name), ...fresh };
      this.#spools.set(name, spool);
    }
    spool.touched = now();
    const want = offset + limits.outputWindowBytes;
    // One that has given all it might has to be told of more; any other one hears of it with its next part.
    if (want > spool.want && spool.have >= spool.want) Object.assign(spool, { heard: false, askedAt: 0 });
    spool.want = Math.max(spool.want, want);
    return spool;
  }

  /** Tells those that cannot know yet how far to go. */
  #order(jid: Jid, wanted: readonly (readonly [MinionId, number])[]): void {
    const open = this.#options.find(jid);
    if (open === undefined) return;
    const at = this.#options.now();
    const orders = new Map<MinionId, Uint8Array>();
    const encoded = new Map<number, Uint8Array>();
    for (const [id] of wanted) {
      const spool = this.#spools.get(nameOf(jid, id));
      const state = open.targets.get(id)?.state;
      if (spool === undefined || spool.heard || spool.total !== undefined || state === "waiting") continue;
      if (spool.askedAt > at - spool.pauseMs && spool.askedAt !== 0) continue;
      if (spool.askedAt !== 0) spool.pauseMs = Math.min(2 * spool.pauseMs, askAgainMaxMs);
      spool.askedAt = at;
      const order: Order = { order: "output", jid, want: spool.want, not_after: at + idleMs };
      const bytes = encoded.get(spool.want) ?? encode(order);
      encoded.set(spool.want, bytes);
      orders.set(id, bytes);
    }
    if (orders.size > 0) this.#options.send(jid, orders);
  }

  #collect(jid: Jid, wanted: readonly (readonly [MinionId, number])[]): Asked {
    const found: Asked = { parts: [], done: [] };
    let room = replyBytes;
    // Not always the same ones first: there may be more to say than one answer holds.
    const first = Math.floor(Math.random() * wanted.length);
    for (const [id, offset] of [...wanted.slice(first), ...wanted.slice(0, first)]) {
      const spool = this.#spools.get(nameOf(jid, id));
      const size = Math.min((spool?.have ?? 0) - offset, limits.partBytes, room);
      if (spool !== undefined && size > 0) {
        found.parts.push({ id, offset, data: readPart(spool.file, offset, size) });
        room -= size;
      } else if (this.#isOver(jid, id, spool) && offset >= (spool?.have ?? 0)) {
        found.done.push({ id, ...(spool?.total !== undefined && { total: spool.total }) });
      }
    }
    return found;
  }

  #isOver(jid: Jid, id: MinionId, spool: Spool | undefined): boolean {
    if (spool?.total !== undefined) return true;
    const target = this.#options.find(jid)?.targets.get(id);
    if (target !== undefined && !isTerminal(target.state)) return false;
    if (spool === undefined) return true;
    spool.endedAt ??= this.#options.now();
    return spool.endedAt < this.#options.now() - flushMs;
  }

  #change(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiters.delete(done);
        resolve();
      };
      const timer = setTimeout(done, withinMs);
      this.#waiters.add(done);
    });
  }

  #wake(): void {
    for (const waiter of this.#waiters) waiter();
  }
}

function nameOf(jid: Jid, id: MinionId): string {
  return `${jid}.${id}`;
}

function readPart(file: string, offset: number, size: number): Uint8Array {
  const fd = openSync(file, "r");
  try {
    const data = Buffer.allocUnsafe(size);
    return data.subarray(0, readSync(fd, data, 0, size, offset));
  } finally {
    closeSync(fd);
  }
}
