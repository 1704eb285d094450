/**
 * What a worker keeps of each connection, by its routing id: until a box has opened nothing else tells peers apart (W12). One that
 * sends too much that does not open, or too much at all, is no longer looked at: to open a large box takes milliseconds.
 */
import { TokenBucket } from "../../lib/token-bucket.ts";
import { limits } from "../../wire/limits.ts";

/** Who heeds `E_RATE` stays far below. */
const excess = 2;
const remembered = 10_000;

export interface Connection {
  bad: number;
  readonly requests: TokenBucket;
  readonly bytes: TokenBucket;
}

export class Connections {
  readonly #known = new Map<string, Connection>();

  of(routingId: string): Connection {
    const known = this.#known.get(routingId);
    if (known !== undefined) return known;
    if (this.#known.size >= remembered) this.#known.clear();
    const made = {
      bad: 0,
      requests: new TokenBucket(excess * limits.requestsPerSecond, excess * limits.requestBurst),
      bytes: new TokenBucket(excess * limits.bytesPerSecond, excess * limits.byteBurst),
    };
    this.#known.set(routingId, made);
    return made;
  }
}

/** True when a frame of so many bytes is worth a look. */
export function isHeard({ bad, requests, bytes }: Connection, size: number, now: number): boolean {
  return bad < limits.badFrames && requests.charge(now, 1) === 0 && bytes.charge(now, size) === 0;
}
