import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createLog } from "../../../src/log/log.ts";
import type { Ledger } from "../../../src/minion/ledger.ts";
import type { Link } from "../../../src/minion/link.ts";
import { Outbox } from "../../../src/minion/outbox.ts";
import type { Jid } from "../../../src/wire/ids.ts";
import { limits } from "../../../src/wire/limits.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("Outbox", () => {
  it("sends large results no faster than the master takes them, and all of them", async () => {
    const results = 20;
    const ret = new Uint8Array(limits.resultBytes);
    const acked: Jid[] = [];
    const ledger = {
      outbox: () => [],
      result: async () => ({ fun: "f", state: "succeeded", retcode: 0, success: true, ret }),
      ack: async (jid: Jid) => void acked.push(jid),
    };
    let sent = 0;
    let most = 0;
    const began = performance.now();
    const link = {
      ask: async ({ offset, data }: { offset: number; data: Uint8Array }) => {
        sent += data.length;
        const taken = limits.byteBurst + (limits.bytesPerSecond * (performance.now() - began)) / 1000;
        most = Math.max(most, sent / taken);
        await new Promise((resolve) => setTimeout(resolve, 2));
        const have = offset + data.length;
        return { have, stored: have === ret.length };
      },
    };
    const outbox = new Outbox(ledger as unknown as Ledger, createLog({ name: "m1", level: "error" }));
    outbox.use(link as unknown as Link);
    for (let n = 0; n < results; n += 1) outbox.add(String(n).padStart(20, "0") as Jid);
    for (let seconds = 0; seconds < 60 && !outbox.empty; seconds += 1) await vi.advanceTimersByTimeAsync(1000);
    expect(acked).toHaveLength(results);
    expect(sent).toBe(results * limits.resultBytes);
    expect(most).toBeLessThan(1);
  });
});
