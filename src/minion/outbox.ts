import { sha256 } from "../crypto/primitives.ts";
import { messageOf } from "../errors.ts";
import { sleep } from "../lib/deadline.ts";
import { failpoint } from "../lib/failpoint.ts";
import { TokenBucket } from "../lib/token-bucket.ts";
import type { Log } from "../log/log.ts";
import type { Jid } from "../wire/ids.ts";
import { limits } from "../wire/limits.ts";
import type { Ledger } from "./ledger.ts";
import { type Link, Refused } from "./link.ts";
import { sendResult } from "./result-parts.ts";

const inFlight = 8;
/** Of them with more than one part: the others must not wait behind the pace of these. */
const largeInFlight = 2;
const askMs = 10_000;

/** Sends the results that the ledger holds until the master says that it has them (P3). Works over whichever link stands. */
export class Outbox {
  readonly #ledger: Ledger;
  readonly #log: Log;
  readonly #waiting = new Set<Jid>();
  readonly #sending = new Set<Jid>();
  /** Bytes of a large result that the master already holds: a pause must not cost them again. */
  readonly #have = new Map<Jid, number>();
  /** What the master takes of one minion, with some room for all else: beyond it parts would be sent in vain. */
  readonly #pace = new TokenBucket(0.9 * limits.bytesPerSecond, 0.9 * limits.byteBurst);
  readonly #large = new Set<Jid>();
  #link: Link | undefined;

  constructor(ledger: Ledger, log: Log) {
    this.#ledger = ledger;
    this.#log = log;
    for (const jid of ledger.outbox()) this.#waiting.add(jid);
  }

  get empty(): boolean {
    return this.#waiting.size + this.#sending.size === 0;
  }

  add(jid: Jid): void {
    this.#waiting.add(jid);
    this.#pump();
  }

  /** The link over which to send from now on; undefined while there is none. */
  use(link: Link | undefined): void {
    this.#link = link;
    this.#pump();
  }

  #pump(): void {
    const link = this.#link;
    for (const jid of this.#waiting) {
      if (link === undefined || this.#sending.size >= inFlight) return;
      if (this.#sending.has(jid) || (this.#large.has(jid) && this.#largeSending() >= largeInFlight)) continue;
      this.#waiting.delete(jid);
      this.#sending.add(jid);
      void this.#send(link, jid)
        .catch((failure: unknown) => this.#failed(jid, failure))
        .then((pauseMs) => {
          const again = (): void => {
            this.#sending.delete(jid);
            this.#pump();
          };
          if (pauseMs === undefined) return again();
          this.#waiting.add(jid);
          setTimeout(again, pauseMs);
        });
    }
  }

  async #send(link: Link, jid: Jid): Promise<undefined> {
    const result = await this.#ledger.result(jid);
    if (result === undefined) return;
    const { fun, state, retcode, success, out, kill, ret } = result;
    if (ret.length > limits.partBytes) {
      this.#large.add(jid);
      if (this.#largeSending() > largeInFlight) {
        this.#waiting.add(jid);
        return;
      }
    }
    const hash = sha256(ret);
    const more = { ...(out !== undefined && { out }), ...(kill !== undefined && { kill }) };
    const meta = { cmd: "job.return", jid, fun, state, retcode, success, ...more } as const;
    await sendResult(
      ret,
      this.#have.get(jid) ?? 0,
      async (part) => {
        await this.#paced(part.data.length);
        failpoint("result.send");
        return link.ask({ ...meta, total: ret.length, sha256: hash, ...part }, askMs);
      },
      (bytes) => this.#have.set(jid, bytes),
    );
    failpoint("result.stored");
    await this.#done(jid);
  }

  async #done(jid: Jid): Promise<void> {
    this.#have.delete(jid);
    this.#large.delete(jid);
    await this.#ledger.ack(jid);
  }

  #largeSending(): number {
    return [...this.#sending].filter((jid) => this.#large.has(jid)).length;
  }

  async #paced(bytes: number): Promise<void> {
    const wait = this.#pace.charge(performance.now(), bytes);
    if (wait === 0) return;
    await sleep(wait);
    await this.#paced(bytes);
  }

  /** After how long to try again; undefined when the master will never take it. */
  async #failed(jid: Jid, failure: unknown): Promise<number | undefined> {
    if (
      failure instanceof Refused &&
      (failure.code === "E_NOT_TARGETED" || failure.code === "E_SCHEMA" || failure.code === "E_SIZE")
    ) {
      this.#log.error("the master does not want a result, it stays in the ledger until it is forgotten", {
        jid,
        reason: failure.message,
      });
      await this.#done(jid);
      return undefined;
    }
    this.#log.debug("a result was not taken, trying again", { jid, failure: messageOf(failure) });
    return failure instanceof Refused ? (failure.retryMs ?? 1000) : 200 + Math.random() * 800;
  }
}
