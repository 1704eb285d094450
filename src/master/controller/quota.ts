import { TokenBucket } from "../../lib/token-bucket.ts";
import { limits } from "../../wire/limits.ts";

/** What one minion may ask of the master; charged only after its box opened, so nobody can use up another's (W12). */
export class Quota {
  readonly #requests = new TokenBucket(limits.requestsPerSecond, limits.requestBurst);
  readonly #bytes = new TokenBucket(limits.bytesPerSecond, limits.byteBurst);
  readonly #events = new TokenBucket(limits.eventsPerSecond, limits.eventBurst);
  readonly #targets = new TokenBucket(limits.targetMsPerSecond, limits.targetMsPerSecond);

  /** 0 when the request may be served, otherwise after how many milliseconds to ask again. */
  charge(cmd: string, bytes: number, now: number): number {
    const costs: [TokenBucket, number][] = [
      [this.#requests, 1],
      [this.#bytes, bytes],
    ];
    if (cmd === "event") costs.push([this.#events, 1]);
    const wait = Math.max(...costs.map(([bucket, cost]) => bucket.wait(now, cost)));
    // All or nothing: what is refused costs nothing, or a large result would never get its turn.
    if (wait === 0) for (const [bucket, cost] of costs) bucket.charge(now, cost);
    return wait;
  }

  /** As `charge`, for work whose cost shows only when it is done: `spend` it then. */
  mayTarget(now: number): number {
    return this.#targets.wait(now, 1);
  }

  spend(now: number, targetMs: number): void {
    this.#targets.spend(now, targetMs);
  }
}
