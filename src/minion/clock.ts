import { MsaltError } from "../errors.ts";

/**
 * The master's time on the minion, milliseconds since 1970 (W9): what `hello` and heartbeats said last, carried on by a
 * monotonic clock, never below the ledger's highest time, and never going back: after a correction downwards it stands still
 * until the master's clock has caught up.
 */
export class MasterClock {
  readonly #monotonicMs: () => number;
  #base = 0;
  #since: number;
  #last = 0;
  #isSet = false;

  /** `monotonicMs`: a clock that only ever rises, such as `performance.now`. */
  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
    this.#since = monotonicMs();
  }

  /** False until the master has told its time; until then `now` is only a lower bound. */
  get isSet(): boolean {
    return this.#isSet;
  }

  /** @throws MsaltError `ERR_WIRE_INVALID` for what is no time. */
  set(masterNow: number): void {
    if (!Number.isFinite(masterNow) || masterNow < 0) {
      throw new MsaltError("ERR_WIRE_INVALID", "the master's time must be milliseconds since 1970");
    }
    this.#base = masterNow;
    this.#since = this.#monotonicMs();
    this.#isSet = true;
  }

  /** From now on `now` is at least `time`. */
  setFloor(time: number): void {
    if (this.now() >= time) return;
    this.#last = time;
    if (this.#isSet) return;
    this.#base = time;
    this.#since = this.#monotonicMs();
  }

  now(): number {
    this.#last = Math.max(this.#last, Math.floor(this.#base + this.#monotonicMs() - this.#since));
    return this.#last;
  }
}
