import { TokenBucket } from "../../lib/token-bucket.ts";
import { limits } from "../../wire/limits.ts";

/** What one minion may ask of the master; charged only after its box opened, so nobody can use up another's (W12). */
export class Quota {
  readonly #requests = new TokenBucket(limits.requestsPerSecond, limits.requestBurst);
  readonly #bytes = new TokenBucket(limits.bytesPerSecond, limits.byteBurst);
  readonly #events = new TokenBucket(limits.eventsPerSecond, limits.eventBurst);

  /** 0 when the request may be served, otherwise after how many milliseconds to ask again. */
  charge(cmd: string, bytes: number, now: number): number {
    const wait = Math.max(this.#requests.charge(now, 1), this.#bytes.charge(now, bytes));
    return cmd === "event" ? Math.max(wait, this.#events.charge(now, 1)) : wait;
  }
}
