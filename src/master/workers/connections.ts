/**
 * What a worker keeps of each connection, by its routing id: until a box has opened nothing else tells peers apart (W12). One that
 * sends too much that does not open, or too much at all, is no longer looked at: to open a large box takes milliseconds.
 */
import { TokenBucket } from "../../lib/token-bucket.ts";
import { limits } from "../../wire/limits.ts";

/** Who heeds `E_RATE` stays far below. */
const excess = 2;
/** One that has sent nothing for this long, or twice as long, begins anew; a minion sends a heartbeat four times as often. */
const rememberedMs = 60_000;
const remembered = 10_000;

export interface Connection {
  bad: number;
  readonly requests: TokenBucket;
  readonly bytes: TokenBucket;
}

export class Connections {
  #recent = new Map<string, Connection>();
  #before = new Map<string, Connection>();
  #since = 0;

  /** @param now milliseconds of a clock that only rises */
  of(routingId: string, now: number): Connection {
    if (now - this.#since > rememberedMs || this.#recent.size >= remembered) {
      this.#before = this.#recent;
      this.#recent = new Map();
      this.#since = now;
    }
    const known = this.#recent.get(routingId);
    if (known !== undefined) return known;
    const found = this.#before.get(routingId) ?? newConnection();
    this.#recent.set(routingId, found);
    return found;
  }
}

function newConnection(): Connection {
  return {
    bad: 0,
    requests: new TokenBucket(excess * limits.requestsPerSecond, excess * limits.requestBurst),
    bytes: new TokenBucket(excess * limits.bytesPerSecond, excess * limits.byteBurst),
  };
}

/** True when a frame of so many bytes is worth a look. */
export function isHeard({ bad, requests, bytes }: Connection, size: number, now: number): boolean {
  return bad < limits.badFrames && requests.charge(now, 1) === 0 && bytes.charge(now, size) === 0;
}
