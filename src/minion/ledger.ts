/**
 * What this minion has promised about its jobs, on disk (DESIGN §7, P2, P3, W9). Per job:
 *
 *     no ──start──▶ running ──end──▶ done, in the outbox ──ack──▶ done ──an hour past its not-after──▶ forgotten
 * A job that is killed before it began gets its END without a START, and is not begun after that.
 *
 * Memory follows the file: a record changes a state only once it is synced, by the same `apply` that replays the file, so a
 * crash never shows a state that was not seen before it. On opening, `running` becomes `done` with a `lost` result. Calls that
 * come together share one frame and one sync. Acknowledgements wait in memory for the next frame: one that is lost only
 * sends a result again, which the master takes as the duplicate it is.
 */
import { randomBytes } from "../crypto/primitives.ts";
import { MsaltError } from "../errors.ts";
import { encode } from "../wire/codec.ts";
import type { Jid } from "../wire/ids.ts";
import type { KillReport, RunState } from "../wire/loads.ts";
import { LedgerFile, type LedgerFs } from "./ledger-file.ts";
import type { Head, LedgerRecord } from "./ledger-format.ts";
import { LedgerIndex } from "./ledger-index.ts";
import { LedgerWriter } from "./ledger-writer.ts";

export interface LedgerOrder {
  readonly jid: Jid;
  readonly fun: string;
  /** The master's time in milliseconds after which the job no longer starts. */
  readonly notAfter: number;
}

export interface LedgerResult {
  readonly jid: Jid;
  readonly fun: string;
  readonly state: RunState;
  readonly retcode: number;
  readonly success: boolean;
  readonly out?: string | undefined;
  readonly kill?: KillReport | undefined;
  /** The encoded return value. */
  readonly ret: Uint8Array;
}

export type Seen = "no" | "running" | "done";

export interface LedgerOptions {
  /** The master's time, milliseconds since 1970; the ledger never goes below its own `highestTime`. */
  readonly now: () => number;
  readonly fs?: LedgerFs | undefined;
  /** Told when the file could not be made smaller; nothing is lost by it, and it is tried again. */
  readonly onError?: (failure: unknown) => void;
}

const minuteMs = 60_000;
const rememberedMax = 10_000;
const keptMax = 1000;
const keptMaxBytes = 4 * 1_048_576;
const lostText = "lost: the minion was restarted while the job ran";

interface Opened {
  readonly file: LedgerFile;
  readonly warnings: readonly string[];
  readonly index: LedgerIndex;
  readonly head: Head;
}

export class Ledger {
  /** 16 bytes; another file has another id. */
  readonly id: Uint8Array;
  /** What opening had to mend, for the log. */
  readonly warnings: readonly string[];
  readonly #now: () => number;
  readonly #index: LedgerIndex;
  /** Jobs whose START or END is on its way to the disk. */
  readonly #pending = new Set<Jid>();
  /** Functions without effects, in memory only: jid to not-after. */
  readonly #remembered = new Map<Jid, number>();
  /** Results that are in memory only. */
  readonly #kept = new Map<Jid, LedgerResult>();
  #keptBytes = 0;
  readonly #writer: LedgerWriter;

  private constructor(opened: Opened, { now, onError }: LedgerOptions) {
    const { file, warnings, index, head } = opened;
    this.id = head.id;
    this.warnings = warnings;
    this.#index = index;
    this.#now = now;
    this.#writer = new LedgerWriter(file, index, {
      created: head.created,
      time: () => this.#time(),
      onError: onError ?? ((): void => undefined),
    });
  }

  /**
   * Opens the ledger, or makes one with a new id where there is no file. Runs that a restart cut off are `lost` and in the
   * outbox when this resolves. The folder must exist; the caller sees to it that no other process uses the file.
   * @throws MsaltError `ERR_LEDGER_CORRUPT` naming file and offset, `ERR_DISK_FULL`, `ERR_STORE`.
   */
  static async open(path: string, options: LedgerOptions): Promise<Ledger> {
    const at = options.now();
    const fresh: Head = { id: randomBytes(16), created: at, written: 0, time: at };
    const index = new LedgerIndex();
    const { file, head, warnings } = await LedgerFile.open(path, options.fs, fresh, (record, place) =>
      index.apply(record, place),
    );
    index.count += head.written;
    index.highestTime = Math.max(index.highestTime, head.time);
    const ledger = new Ledger({ file, head, warnings, index }, options);
    try {
      const cutOff = [...index.entries].filter(([, { state }]) => state === "running");
      const ret = encode(lostText);
      await Promise.all(
        cutOff.map(([jid, { fun }]) => ledger.end({ jid, fun, state: "lost", retcode: 1, success: false, ret })),
      );
      return ledger;
    } catch (failure) {
      await file.close();
      throw failure;
    }
  }

  /** Records ever written, also into files that compaction has replaced; a file from a backup shows fewer (W9). */
  get count(): number {
    return this.#index.count;
  }

  /** Of the master's clock, as far as it is on disk. */
  get highestTime(): number {
    return this.#index.highestTime;
  }

  seen(jid: Jid): Seen {
    const known = this.#kept.has(jid) ? "done" : this.#index.entries.get(jid)?.state;
    if (known !== undefined) return known;
    return this.#pending.has(jid) || this.#remembered.has(jid) ? "running" : "no";
  }

  /**
   * The job may run when this resolves, and must not when it rejects (P2).
   * @throws MsaltError `ERR_NOT_ALLOWED` for a job that is known here already, `ERR_DISK_FULL`, `ERR_STORE`.
   */
  async start({ jid, fun, notAfter }: LedgerOrder): Promise<void> {
    this.#requireNew(jid);
    await this.#claimed(jid, { kind: "start", jid, fun, notAfter, at: this.#time() });
  }

  /**
   * Instead of `start` for a function without effects: duplicates are known for as long as this process lives.
   * @throws MsaltError `ERR_NOT_ALLOWED` as `start`.
   */
  remember(jid: Jid, notAfter: number): void {
    this.#requireNew(jid);
    this.#remember(jid, notAfter);
  }

  #remember(jid: Jid, notAfter: number): void {
    this.#remembered.set(jid, notAfter);
    const now = this.#time();
    for (const [oldest, until] of this.#remembered) {
      // What comes after its not-after is not begun anyway; what still runs or waits to be sent must be known.
      if (this.#remembered.size <= rememberedMax && (until + minuteMs > now || this.#kept.has(oldest))) break;
      this.#remembered.delete(oldest);
    }
  }

  /**
   * The result is in the outbox when this resolves; when it rejects, call again. A job that never started is refused from
   * then on; until when it might come is `couldCome`.
   * @throws MsaltError `ERR_DISK_FULL`, `ERR_STORE`, `ERR_INTERNAL` for a result that the format does not hold and for a
   * job that has one already.
   */
  async end({ jid, fun, state, retcode, success, out, kill, ret }: LedgerResult, couldCome?: number): Promise<void> {
    const entry = this.#index.entries.get(jid);
    if (entry?.state === "done" || this.#pending.has(jid)) {
      throw new MsaltError("ERR_INTERNAL", `job ${jid} has a result already, or is just being written`);
    }
    const at = this.#time();
    const notAfter = entry?.notAfter ?? this.#remembered.get(jid) ?? couldCome ?? at;
    await this.#claimed(jid, { kind: "end", jid, fun, notAfter, at, state, retcode, success, out, kill, ret });
    this.#remembered.delete(jid);
  }

  /**
   * Instead of `end`, for a job that changed nothing: one without effects, or one that did not begin while the disk takes
   * nothing. In the outbox; on disk when the ledger is closed, and lost if this process dies before: then the master orders it
   * again.
   */
  keep(result: LedgerResult, notAfter: number): void {
    this.#remember(result.jid, notAfter);
    this.#kept.set(result.jid, result);
    this.#keptBytes += result.ret.length;
  }

  /** Whether one more result of so many bytes may wait in memory while the master is away. */
  hasRoom(bytes: number): boolean {
    return this.#kept.size < keptMax && this.#keptBytes + bytes <= keptMaxBytes;
  }

  /** The master has this result. Not on disk when it resolves, but with whatever is written next. */
  ack(jid: Jid): Promise<void> {
    this.#release(jid);
    if (this.#index.outbox.has(jid)) this.#writer.acknowledge(jid);
    return Promise.resolve();
  }

  /** Call it now and then, as with each heartbeat: keeps the master's time on disk, at most once a minute. */
  async tick(): Promise<void> {
    const at = this.#time();
    if (at >= this.#index.highestTime + minuteMs) await this.#writer.append({ kind: "time", at });
  }

  /** Read again from the file. @throws MsaltError `ERR_LEDGER_CORRUPT` when the disk no longer has what was written. */
  async result(jid: Jid): Promise<LedgerResult | undefined> {
    return this.#writer.serially(async () => {
      const entry = this.#index.entries.get(jid);
      if (entry?.state !== "done") return this.#kept.get(jid);
      const record = await this.#writer.opened().record(entry.place);
      if (record.kind !== "end") throw new MsaltError("ERR_INTERNAL", `the ledger holds no result of job ${jid} there`);
      const { fun, state, retcode, success, out, kill, ret } = record;
      const more = { ...(out !== undefined && { out }), ...(kill !== undefined && { kill }) };
      return { jid, fun, state, retcode, success, ...more, ret };
    });
  }

  /** Jobs that have ended and are not acknowledged, oldest end first. */
  outbox(): Jid[] {
    return [...this.#index.outbox, ...this.#kept.keys()];
  }

  /** Writes what waits, also what was only kept, then closes the file. Calls after it are rejected. */
  async close(): Promise<void> {
    const kept = [...this.#kept.values()];
    // A disk that takes nothing: these jobs changed nothing, and the master orders them again.
    await Promise.all(kept.map((result) => this.end(result).catch(() => undefined)));
    await this.#writer.close();
  }

  #release(jid: Jid): void {
    this.#keptBytes -= this.#kept.get(jid)?.ret.length ?? 0;
    this.#kept.delete(jid);
  }

  #time(): number {
    return Math.max(this.#now(), this.#index.highestTime);
  }

  #requireNew(jid: Jid): void {
    const seen = this.seen(jid);
    if (seen === "no") return;
    const why = { running: "it has begun already", done: "it has ended already" };
    throw new MsaltError("ERR_NOT_ALLOWED", `job ${jid} must not start: ${why[seen]}`);
  }

  async #claimed(jid: Jid, record: LedgerRecord & { kind: "start" | "end" }): Promise<void> {
    this.#pending.add(jid);
    try {
      await this.#writer.append(record);
    } finally {
      this.#pending.delete(jid);
    }
  }
}
