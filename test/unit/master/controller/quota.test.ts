import { describe, expect, it } from "vitest";
import { Quota } from "../../../../src/master/controller/quota.ts";
import { limits } from "../../../../src/wire/limits.ts";

describe("Quota", () => {
  it("lets a large result through part by part, however often a part is sent away", () => {
    const quota = new Quota();
    let now = 0;
    for (let part = 0; part < (5 * limits.resultBytes) / limits.partBytes; part += 1) {
      for (let tries = 0; ; tries += 1) {
        expect(tries).toBeLessThan(3);
        const wait = quota.charge("job.return", limits.partBytes, now);
        if (wait === 0) break;
        now += wait;
      }
    }
    expect(now).toBeLessThan(10_000);
  });

  it("takes nothing of a request that it refuses", () => {
    const quota = new Quota();
    while (quota.charge("heartbeat", limits.byteBurst / 4, 0) === 0);
    for (let n = 0; n < 10 * limits.requestBurst; n += 1) quota.charge("heartbeat", limits.byteBurst, 0);
    expect(quota.charge("heartbeat", 1, 1)).toBe(0);
  });

  it("RX-11: time spent on targets is paid for afterwards, and out of nothing else", () => {
    const quota = new Quota();
    expect(quota.mayTarget(0)).toBe(0);
    quota.spend(0, 3 * limits.targetMs);
    const wait = quota.mayTarget(0);
    expect(wait).toBeGreaterThanOrEqual((2 * limits.targetMs * 1000) / limits.targetMsPerSecond);
    expect(quota.charge("job.return", 100, 0)).toBe(0);
    expect(quota.mayTarget(wait + 1)).toBe(0);
  });

  it("holds a flood of events back without holding back results", () => {
    const quota = new Quota();
    let events = 0;
    while (quota.charge("event", 10, 0) === 0) events += 1;
    expect(events).toBe(limits.eventBurst);
    expect(quota.charge("job.return", 10, 0)).toBe(0);
  });
});
