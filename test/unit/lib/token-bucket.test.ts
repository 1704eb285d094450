import { describe, expect, it } from "vitest";
import { TokenBucket } from "../../../src/lib/token-bucket.ts";

const takes = (bucket: TokenBucket, now: number, times: number): number =>
  Array.from({ length: times }, () => bucket.take(now)).filter(Boolean).length;

describe("TokenBucket", () => {
  it("lets the burst through, then its rate, and never gathers more than the burst", () => {
    const bucket = new TokenBucket(10, 5);
    expect(takes(bucket, 1000, 20)).toBe(5);
    expect(takes(bucket, 1100, 20)).toBe(1);
    expect(takes(bucket, 1350, 20)).toBe(2);
    expect(takes(bucket, 60_000, 20)).toBe(5);
  });

  it("gives nothing for a clock that went back", () => {
    const bucket = new TokenBucket(10, 1);
    expect(takes(bucket, 5000, 2)).toBe(1);
    expect(takes(bucket, 1000, 2)).toBe(0);
    expect(takes(bucket, 1100, 2)).toBe(1);
  });

  it("says when it can be forgotten", () => {
    const bucket = new TokenBucket(1, 3);
    bucket.take(0);
    expect(bucket.isFull(999)).toBe(false);
    expect(bucket.isFull(1000)).toBe(true);
  });
});
