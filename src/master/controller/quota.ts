import { limits } from "../../wire/limits.ts";

/** A token bucket: `rate` a second, at most `burst` at once. */
class Bucket {
  readonly #rate: number;
  readonly #burst: number;
  #level: number;
  #at = 0;

  constructor(rate: number, burst: number) {
    this.#rate = rate;
    this.#burst = burst;
    this.#level = burst;
  }

  /** 0 when `cost` was taken, otherwise the milliseconds after which it could be. */
  take(cost: number, now: number): number {
    this.#level = Math.min(this.#burst, this.#level + (Math.max(0, now - this.#at) / 1000) * this.#rate);
    this.#at = now;
    if (this.#level < Math.min(cost, this.#burst)) return Math.ceil(((cost - this.#level) / this.#rate) * 1000);
    this.#level -= cost;
    return 0;
  }
}

/** What one minion may ask of the master; charged only after its box opened, so nobody can use up another's (W12). */
export class Quota {
  readonly #requests = new Bucket(limits.requestsPerSecond, limits.requestBurst);
  readonly #bytes = new Bucket(limits.bytesPerSecond, limits.byteBurst);
  readonly #events = new Bucket(limits.eventsPerSecond, limits.eventBurst);

  /** 0 when the request may be served, otherwise after how many milliseconds to ask again. */
  charge(cmd: string, bytes: number, now: number): number {
    const wait = Math.max(this.#requests.take(1, now), this.#bytes.take(bytes, now));
    return cmd === "event" ? Math.max(wait, this.#events.take(1, now)) : wait;
  }
}
