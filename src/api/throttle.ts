import { TokenBucket } from "../lib/token-bucket.ts";

const maxKnown = 10_000;

/** A token bucket for each name; those that are full again are forgotten. */
export class Rates {
  readonly #rate: number;
  readonly #burst: number;
  readonly #now: () => number;
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(rate: number, burst: number, now: () => number) {
    this.#rate = rate;
    this.#burst = burst;
    this.#now = now;
  }

  /** 0 when it may pass, otherwise the milliseconds after which it could. */
  charge(name: string): number {
    let bucket = this.#buckets.get(name);
    if (bucket === undefined) {
      if (this.#buckets.size >= maxKnown) this.#forget();
      bucket = new TokenBucket(this.#rate, this.#burst);
      this.#buckets.set(name, bucket);
    }
    return bucket.charge(this.#now(), 1);
  }

  #forget(): void {
    for (const [name, bucket] of this.#buckets) if (bucket.isFull(this.#now())) this.#buckets.delete(name);
    // All of them are in use: the oldest gives way.
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size >= maxKnown && oldest !== undefined) this.#buckets.delete(oldest);
  }
}

interface Failures {
  count: number;
  until: number;
  at: number;
}

const longestMs = 60_000;
const forgottenMs = 15 * 60_000;

/** After `free` failures of a name each further try waits twice as long, up to a minute. */
export class BackOff {
  readonly #free: number;
  readonly #now: () => number;
  readonly #failures = new Map<string, Failures>();

  constructor(free: number, now: () => number) {
    this.#free = free;
    this.#now = now;
  }

  /** Milliseconds until this name may try again. */
  wait(name: string): number {
    return Math.max(0, (this.#failures.get(name)?.until ?? 0) - this.#now());
  }

  /** A try that begins counts as failed until it has succeeded: many at once are no way round. */
  begin(name: string): void {
    const now = this.#now();
    const known = this.#failures.get(name);
    const count = (known === undefined || known.at < now - forgottenMs ? 0 : known.count) + 1;
    const delay = count < this.#free ? 0 : Math.min(longestMs, 1000 * 2 ** (count - this.#free));
    this.#failures.delete(name);
    this.#failures.set(name, { count, until: now + delay, at: now });
    const [oldest] = this.#failures.keys();
    if (this.#failures.size > maxKnown && oldest !== undefined) this.#failures.delete(oldest);
  }

  succeeded(name: string): void {
    this.#failures.delete(name);
  }
}
