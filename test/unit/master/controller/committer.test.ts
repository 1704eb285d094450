import { afterEach, describe, expect, it, vi } from "vitest";
import { MsaltError } from "../../../../src/errors.ts";
import { Committer } from "../../../../src/master/controller/committer.ts";
import type { JobStore, Write } from "../../../../src/store/job-store.ts";
import type { Jid } from "../../../../src/wire/ids.ts";

const write = (n: number): Write => ({ kind: "end", jid: String(n) as Jid, at: n });

function kit(commit: (batch: readonly Write[]) => Promise<void>): { committer: Committer; failures: () => number } {
  let failures = 0;
  const committer = new Committer({ commit } as unknown as JobStore, async () => {
    failures += 1;
  });
  return { committer, failures: () => failures };
}

describe("Committer", () => {
  afterEach(() => vi.useRealTimers());

  it("makes one transaction of what comes in one turn, and the next of what comes meanwhile", async () => {
    const batches: number[] = [];
    const { committer } = kit(async (batch) => {
      batches.push(batch.length);
      await new Promise((resolve) => setImmediate(resolve));
    });
    const first = [1, 2, 3].map((n) => committer.commit([write(n)]));
    await new Promise((resolve) => setImmediate(resolve));
    const second = [4, 5].map((n) => committer.commit([write(n), write(n)]));
    await Promise.all([...first, ...second]);
    expect(batches).toEqual([3, 4]);
  });

  it("does what has to be done before, together, and leaves out only that for which it failed", async () => {
    const order: string[] = [];
    const { committer, failures } = kit(async (batch) => void order.push(`commit ${batch.length}`));
    const before = (name: string, failure?: Error) => async (): Promise<void> => {
      order.push(name);
      await new Promise((resolve) => setImmediate(resolve));
      if (failure !== undefined) throw failure;
    };
    const commits = [
      committer.commit([write(1)], "now", before("a")),
      committer.commit([write(2)], "now", before("b", new Error("no room"))),
      committer.commit([write(3)]),
    ];
    const outcomes = await Promise.allSettled(commits);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(order).toEqual(["a", "b", "commit 2"]);
    expect(failures()).toBe(0);
  });

  it("lets what may wait be written together where something has just been written, but nobody who waits for it", async () => {
    const batches: number[] = [];
    const { committer } = kit(async (batch) => void batches.push(batch.length));
    // However slow the machine is, the few milliseconds are not over.
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    await committer.commit([write(1)], "soon");
    const soon = [2, 3].map((n) => committer.commit([write(n)], "soon"));
    await new Promise((resolve) => setImmediate(resolve));
    expect(batches).toEqual([1]);
    await Promise.all([committer.commit([write(4)]), ...soon]);
    expect(batches).toEqual([1, 3]);
    const fifth = committer.commit([write(5)], "soon");
    vi.advanceTimersByTime(10);
    await fifth;
    const last = committer.commit([write(6)], "soon");
    await committer.idle();
    await last;
    expect(batches).toEqual([1, 3, 1, 1]);
  });

  it("says when what was given so far is written, at once when it is, and does not wait for what comes later", async () => {
    const releases: (() => void)[] = [];
    const { committer } = kit(() => new Promise<void>((resolve) => void releases.push(resolve)));
    expect(await committer.written()).toBe(true);
    const first = committer.commit([write(1)]);
    let isWritten = false;
    const written = committer.written().then((outcome) => (isWritten = outcome));
    await new Promise((resolve) => setTimeout(resolve, 10));
    const later = committer.commit([write(2)]);
    expect(isWritten).toBe(false);
    releases.shift()?.();
    await Promise.all([first, written]);
    expect(isWritten).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 10));
    releases.shift()?.();
    await later;
  });

  it("P1: resolves only after the store has it", async () => {
    let release = (): void => undefined;
    const { committer } = kit(() => new Promise<void>((resolve) => (release = resolve)));
    let done = false;
    const commit = committer.commit([write(1)]).then(() => (done = true));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(done).toBe(false);
    release();
    await commit;
    expect(done).toBe(true);
  });

  it("fails all that was queued behind a failed commit, has memory read anew first, and goes on", async () => {
    let broken = true;
    const { committer, failures } = kit(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      if (broken) throw new MsaltError("ERR_DISK_FULL", "no room");
    });
    const first = committer.commit([write(1)]);
    await new Promise((resolve) => setImmediate(resolve));
    const second = committer.commit([write(2)]);
    await expect(first).rejects.toMatchObject({ code: "ERR_DISK_FULL" });
    await expect(second).rejects.toMatchObject({ code: "ERR_DISK_FULL" });
    expect(failures()).toBe(1);
    broken = false;
    await committer.commit([write(3)]);
    await committer.idle();
  });
});
