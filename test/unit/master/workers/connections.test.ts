import { describe, expect, it } from "vitest";
import { Connections, isHeard } from "../../../../src/master/workers/connections.ts";
import { limits } from "../../../../src/wire/limits.ts";

describe("Connections", () => {
  it("RX-11: one that sends far more than a minion may is not looked at until it has waited", () => {
    const connection = new Connections().of("a", 0);
    let heard = 0;
    while (isHeard(connection, 100, 0)) heard += 1;
    expect(heard).toBe(2 * limits.requestBurst);
    expect(isHeard(connection, 100, 10_000)).toBe(true);
    let bytes = 0;
    const other = new Connections().of("b", 0);
    while (isHeard(other, limits.requestBytes, 0)) bytes += limits.requestBytes;
    expect(bytes).toBeLessThanOrEqual(2 * limits.byteBurst);
    expect(bytes).toBeGreaterThan(limits.byteBurst);
  });

  it("RX-07: one whose frames do not open is not looked at again; others are", () => {
    const connections = new Connections();
    for (let n = 0; n < limits.badFrames; n += 1) {
      expect(isHeard(connections.of("a", 0), 1, 0)).toBe(true);
      connections.of("a", 0).bad += 1;
    }
    expect(isHeard(connections.of("a", 0), 1, 1e9)).toBe(false);
    expect(isHeard(connections.of("b", 0), 1, 0)).toBe(true);
  });

  it("RX-07: keeps in mind who goes on, and forgets who has been silent for minutes", () => {
    const connections = new Connections();
    const [goesOn, falls] = ["a", "b"].map((name) => connections.of(name, 0));
    for (let now = 0; now <= 600_000; now += 15_000) expect(connections.of("a", now)).toBe(goesOn);
    expect(connections.of("b", 600_000)).not.toBe(falls);
  });

  it("RX-07: keeps in mind who goes on, however many come", () => {
    const connections = new Connections();
    const goesOn = connections.of("a", 0);
    for (let n = 0; n < 50_000; n += 1) {
      connections.of(`stranger ${n}`, 1);
      if (n % 5000 === 0) expect(connections.of("a", 1)).toBe(goesOn);
    }
  });
});
