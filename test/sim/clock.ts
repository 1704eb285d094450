/**
 * Virtual time for all that runs in this thread. While it is installed, timers, immediates, `performance.now`, `Date.now` and
 * `Math.random` are its own; between two timers everything that promises still have to do is done, and the real event loop does
 * not turn. So one seed gives one history.
 *
 * A simulated process is the owner of timers: what a timer's callback starts belongs to the same process. To kill one is to
 * drop its timers; nobody hears of its promises again.
 */
import { seeded } from "../support/seed.ts";

export interface Process {
  readonly name: string;
  alive: boolean;
  /** Stopped as by SIGSTOP: timers that are due wait here. */
  frozen: Timer[] | undefined;
}

export interface Timer {
  at: number;
  turn: number;
  readonly process: Process;
  readonly run: () => void;
  readonly everyMs: number | undefined;
  waiting: boolean;
}

const epoch = Date.UTC(2026, 10, 21);
const longestMs = 2 ** 31 - 1;
const real = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
  setImmediate: globalThis.setImmediate,
  clearImmediate: globalThis.clearImmediate,
};

export class Clock {
  /** Milliseconds since the history began. */
  now = 0;
  /** How far the machine's clock is off. */
  wallOffset = 0;
  readonly random: () => number;
  /** What a process threw where nobody caught it. */
  onUncaught: (process: Process, failure: unknown) => void = () => undefined;
  /** Who runs now; the world itself when nobody does. */
  current: Process = { name: "world", alive: true, frozen: undefined };
  readonly world = this.current;
  fired = 0;
  readonly #heap: Timer[] = [];
  #turns = 0;

  constructor(seed: number) {
    this.random = seeded(seed);
  }

  /** Timers of this process that have not fired. */
  pendingOf(process: Process): number {
    return this.#heap.filter((timer) => timer.waiting && timer.process === process).length;
  }

  schedule(afterMs: number, run: () => void, process = this.current, everyMs?: number): Timer {
    const timer: Timer = {
      at: this.now + Math.max(0, afterMs),
      turn: (this.#turns += 1),
      process,
      run,
      everyMs,
      waiting: true,
    };
    this.#push(timer);
    return timer;
  }

  freeze(process: Process): void {
    process.frozen ??= [];
  }

  /** What was due meanwhile happens now, in its order. */
  thaw(process: Process): void {
    const { frozen = [] } = process;
    process.frozen = undefined;
    for (const timer of frozen) {
      timer.at = this.now;
      timer.turn = this.#turns += 1;
      this.#push(timer);
    }
  }

  /** Lets time pass. */
  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    for (let next = this.#heap[0]; next !== undefined && next.at <= end; next = this.#heap[0]) {
      this.#pop();
      if (!next.waiting || !next.process.alive) continue;
      this.now = Math.max(this.now, next.at);
      if (next.process.frozen !== undefined) {
        next.process.frozen.push(next);
        continue;
      }
      if (next.everyMs === undefined) next.waiting = false;
      else {
        next.at = this.now + next.everyMs;
        this.#push(next);
      }
      this.fired += 1;
      this.current = next.process;
      try {
        next.run();
      } catch (failure) {
        this.onUncaught(next.process, failure);
      }
      await drained();
      this.current = this.world;
    }
    this.now = end;
  }

  /** In place of the machine's clocks, timers and randomness; the returned function gives them back. */
  install(): () => void {
    const timeout = (run: (...args: unknown[]) => void, ms?: number, ...args: unknown[]): Handle =>
      new Handle(this.schedule(delayOf(ms), () => run(...args)));
    const clear = (handle: unknown): void => {
      if (handle instanceof Handle) handle.timer.waiting = false;
    };
    const { random } = Math;
    const { now } = Date;
    Object.assign(globalThis, {
      setTimeout: timeout,
      clearTimeout: clear,
      setImmediate: (run: (...args: unknown[]) => void, ...args: unknown[]) =>
        new Handle(this.schedule(0, () => run(...args))),
      clearImmediate: clear,
      setInterval: (run: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) =>
        new Handle(this.schedule(delayOf(ms), () => run(...args), this.current, delayOf(ms))),
      clearInterval: clear,
    });
    Math.random = this.random;
    Date.now = () => epoch + Math.floor(this.now) + this.wallOffset;
    Object.defineProperty(performance, "now", { value: () => this.now, configurable: true });
    return () => {
      Object.assign(globalThis, real);
      Math.random = random;
      Date.now = now;
      Reflect.deleteProperty(performance, "now");
    };
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let at = heap.push(timer) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up];
      if (parent === undefined || !isBefore(timer, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const [left, right] = [heap[2 * at + 1], heap[2 * at + 2]];
      if (left === undefined) break;
      const [down, child] =
        right !== undefined && isBefore(right, left) ? ([2 * at + 2, right] as const) : ([2 * at + 1, left] as const);
      if (!isBefore(child, last)) break;
      heap[at] = child;
      at = down;
    }
    heap[at] = last;
  }
}

/** As much of Node's `Timeout` as is used. */
class Handle {
  readonly timer: Timer;

  constructor(timer: Timer) {
    this.timer = timer;
  }

  unref(): this {
    return this;
  }

  ref(): this {
    return this;
  }
}

/** As Node takes it. */
function delayOf(ms = 1): number {
  return ms >= 1 && ms <= longestMs ? ms : 1;
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.turn < b.turn);
}

/** Node runs the next tick when no promise has anything left to do. */
function drained(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}
