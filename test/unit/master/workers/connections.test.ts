import { describe, expect, it } from "vitest";
import { Connections, isHeard } from "../../../../src/master/workers/connections.ts";
import { limits } from "../../../../src/wire/limits.ts";

describe("Connections", () => {
  it("RX-11: one that sends far more than a minion may is not looked at until it has waited", () => {
    const connection = new Connections().of("a");
    let heard = 0;
    while (isHeard(connection, 100, 0)) heard += 1;
    expect(heard).toBe(2 * limits.requestBurst);
    expect(isHeard(connection, 100, 10_000)).toBe(true);
    let bytes = 0;
    const other = new Connections().of("b");
    while (isHeard(other, limits.requestBytes, 0)) bytes += limits.requestBytes;
    expect(bytes).toBeLessThanOrEqual(2 * limits.byteBurst);
    expect(bytes).toBeGreaterThan(limits.byteBurst);
  });

  it("RX-07: one whose frames do not open is not looked at again; others are", () => {
    const connections = new Connections();
    for (let n = 0; n < limits.badFrames; n += 1) {
      expect(isHeard(connections.of("a"), 1, 0)).toBe(true);
      connections.of("a").bad += 1;
    }
    expect(isHeard(connections.of("a"), 1, 1e9)).toBe(false);
    expect(isHeard(connections.of("b"), 1, 0)).toBe(true);
  });
});
