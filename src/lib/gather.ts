/** Hands on in one go what comes close together: at once after a quiet time, else `everyMs` after the last time. */
export class Gather<T> {
  readonly #everyMs: number;
  readonly #hand: (items: T[]) => void;
  #items: T[] = [];
  #last = Number.NEGATIVE_INFINITY;

  /** @param everyMs milliseconds; 0: what comes in one turn of the loop */
  constructor(everyMs: number, hand: (items: T[]) => void) {
    this.#everyMs = everyMs;
    this.#hand = hand;
  }

  add(item: T): void {
    if (this.#items.push(item) > 1) return;
    const wait = this.#everyMs === 0 ? 0 : this.#last + this.#everyMs - performance.now();
    if (wait > 0) setTimeout(() => this.#go(), wait);
    else setImmediate(() => this.#go());
  }

  #go(): void {
    const items = this.#items;
    this.#items = [];
    this.#last = performance.now();
    this.#hand(items);
  }
}
