import type * as Crypto from "node:crypto";
import { randomFillSync } from "node:crypto";
import { afterEach, describe, expect, it, vi } from "vitest";
import { generateKeys } from "../../../src/crypto/keys.ts";

vi.mock("node:crypto", async (original) => {
  const real = await original<typeof Crypto>();
  return { ...real, randomFillSync: vi.fn<typeof real.randomFillSync>(real.randomFillSync) };
});
const random = vi.mocked(randomFillSync);
const usual = random.getMockImplementation();

describe("generateKeys", () => {
  afterEach(() => {
    if (usual !== undefined) random.mockImplementation(usual);
  });

  it("HS-05: gives no key twice in 10,000 sets", () => {
    const seen = new Set<string>();
    for (let i = 0; i < 10_000; i += 1) {
      for (const key of Object.values(generateKeys())) seen.add(Buffer.from(key as Uint8Array).toString("latin1"));
    }
    expect(seen.size).toBe(30_000);
  });

  it.each<[string, (bytes: Uint8Array) => Uint8Array]>([
    ["gives nothing but zeros", (bytes) => bytes.fill(0)],
    ["repeats itself", (bytes) => bytes.fill(7)],
  ])("HS-05: makes no keys when the random source %s", (_case, fill) => {
    random.mockImplementation(fill as typeof randomFillSync);
    expect(() => generateKeys()).toThrow(/random source gives equal or empty keys/);
  });

  it("HS-05: makes no keys when the random source fails", () => {
    random.mockImplementation(() => {
      throw new Error("no entropy");
    });
    expect(() => generateKeys()).toThrow("no entropy");
  });
});
