/** Lets `rate` through a second, and at most `burst` at once. The caller brings the clock. */
export class TokenBucket {
  readonly #rate: number;
  readonly #burst: number;
  #level: number;
  #at: number | undefined;

  constructor(rate: number, burst: number) {
    this.#rate = rate;
    this.#burst = burst;
    this.#level = burst;
  }

  /** True when one may pass at `nowMs`. A clock that went back gives nothing and takes nothing. */
  take(nowMs: number): boolean {
    return this.charge(nowMs, 1) === 0;
  }

  /** 0 when `cost` was taken, otherwise the milliseconds after which it could be; more than the burst needs a full bucket. */
  charge(nowMs: number, cost: number): number {
    const wait = this.wait(nowMs, cost);
    if (wait === 0) this.#level -= cost;
    return wait;
  }

  /** Takes what is known only afterwards, also when that is more than is left. */
  spend(nowMs: number, cost: number): void {
    this.wait(nowMs, 0);
    this.#level -= cost;
  }

  /** The same as `charge` without taking anything. */
  wait(nowMs: number, cost: number): number {
    const elapsed = Math.max(0, nowMs - (this.#at ?? nowMs));
    this.#level = Math.min(this.#burst, this.#level + (elapsed / 1000) * this.#rate);
    this.#at = nowMs;
    const missing = Math.min(cost, this.#burst) - this.#level;
    return missing > 0 ? Math.ceil((missing / this.#rate) * 1000) : 0;
  }

  /** True when it is as full as a new one, so that nothing is lost by forgetting it. */
  isFull(nowMs: number): boolean {
    return this.#level + (Math.max(0, nowMs - (this.#at ?? nowMs)) / 1000) * this.#rate >= this.#burst;
  }
}
