import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createLog } from "../../../src/log/log.ts";
import type { Ledger } from "../../../src/minion/ledger.ts";
import type { Link } from "../../../src/minion/link.ts";
import { Outbox } from "../../../src/minion/outbox.ts";
import type { Jid } from "../../../src/wire/ids.ts";
import { limits } from "../../../src/wire/limits.ts";

interface Part {
  readonly offset: number;
  readonly total: number;
  readonly data: Uint8Array;
}

/** An outbox with results of given sizes, and a master that takes each part after 2 ms. */
function setUp(onPart: (part: Part) => void): {
  acked: Jid[];
  add: (bytes: number) => Jid;
  allSent: () => Promise<void>;
} {
  const sizes = new Map<Jid, number>();
  const acked: Jid[] = [];
  const ledger = {
    outbox: () => [],
    result: async (jid: Jid) => {
      const ret = new Uint8Array(sizes.get(jid) ?? 0);
      return { fun: "f", state: "succeeded", retcode: 0, success: true, ret };
    },
    ack: async (jid: Jid) => void acked.push(jid),
  };
  const link = {
    ask: async (part: Part) => {
      onPart(part);
      await new Promise((resolve) => setTimeout(resolve, 2));
      const have = part.offset + part.data.length;
      return { have, stored: have === part.total };
    },
  };
  const outbox = new Outbox(ledger as unknown as Ledger, createLog({ name: "m1", level: "quiet" }));
  outbox.use(link as unknown as Link);
  return {
    acked,
    add: (bytes) => {
      const jid = String(sizes.size).padStart(20, "0") as Jid;
      sizes.set(jid, bytes);
      outbox.add(jid);
      return jid;
    },
    allSent: async () => {
      for (let seconds = 0; seconds < 60 && !outbox.empty; seconds += 1) await vi.advanceTimersByTimeAsync(1000);
    },
  };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("Outbox", () => {
  it("sends large results no faster than the master takes them, and all of them", async () => {
    const began = performance.now();
    let sent = 0;
    let most = 0;
    const { acked, add, allSent } = setUp(({ data }) => {
      sent += data.length;
      const taken = limits.byteBurst + (limits.bytesPerSecond * (performance.now() - began)) / 1000;
      most = Math.max(most, sent / taken);
    });
    for (let n = 0; n < 20; n += 1) add(limits.resultBytes);
    await allSent();
    expect(acked).toHaveLength(20);
    expect(sent).toBe(20 * limits.resultBytes);
    expect(most).toBeLessThan(1);
  });

  it("does not let small results wait behind large ones", async () => {
    const begun = new Set<number>();
    const { acked, add, allSent } = setUp(({ total, offset }) => {
      if (offset === 0) begun.add(total);
    });
    for (let n = 0; n < 20; n += 1) add(limits.resultBytes - n);
    const small = add(1);
    await vi.advanceTimersByTimeAsync(50);
    expect(acked).toEqual([small]);
    expect(begun).toEqual(new Set([limits.resultBytes, limits.resultBytes - 1, 1]));
    await allSent();
    expect(acked).toHaveLength(21);
  });
});
