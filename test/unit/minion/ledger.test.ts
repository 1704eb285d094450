import { stat } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { Ledger } from "../../../src/minion/ledger.ts";
import { decodeTrusted, encode } from "../../../src/wire/codec.ts";
import { FakeDisk } from "../../support/fake-disk.ts";
import { flat, Hands, hourMs, jidOf, ledgerFile, resultOf } from "./ledger-kit.ts";

const path = "/data/ledger";
const order = (number: number, notAfter: number): { jid: ReturnType<typeof jidOf>; fun: string; notAfter: number } => ({
  jid: jidOf(number),
  fun: "cmd.run",
  notAfter,
});

async function onFakeDisk(): Promise<{ disk: FakeDisk; clock: Hands; ledger: Ledger; reopen: () => Promise<Ledger> }> {
  const disk = new FakeDisk();
  const clock = new Hands();
  const reopen = (): Promise<Ledger> => Ledger.open(path, { now: clock.now, fs: disk });
  return { disk, clock, ledger: await reopen(), reopen };
}

describe("Ledger", () => {
  it("makes a private file with a random id and keeps both", async () => {
    const { path, open } = await ledgerFile();
    const first = await open();
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(first).toMatchObject({ count: 0, warnings: [] });
    await first.close();
    const again = await open();
    expect(again.id).toEqual(first.id);
    const other = await (await ledgerFile()).open();
    expect(other.id).not.toEqual(first.id);
    expect(other.id).toHaveLength(16);
  });

  it("P2: knows a started job before and after a restart, and refuses to start it again", async () => {
    const { path: _path, clock, open } = await ledgerFile();
    const ledger = await open();
    expect(ledger.seen(jidOf(1))).toBe("no");
    await ledger.start(order(1, clock.at + 1000));
    expect(ledger.seen(jidOf(1))).toBe("running");
    await expect(ledger.start(order(1, clock.at + 1000))).rejects.toMatchObject({ code: "ERR_NOT_ALLOWED" });
    await ledger.end(resultOf(1));
    await ledger.close();
    const again = await open();
    expect(again.seen(jidOf(1))).toBe("done");
    await expect(again.start(order(1, clock.at + 1000))).rejects.toMatchObject({ code: "ERR_NOT_ALLOWED" });
  });

  it("P2: lets only one of two simultaneous starts of a job through", async () => {
    const { clock, ledger } = await onFakeDisk();
    const both = await Promise.allSettled([ledger.start(order(1, clock.at)), ledger.start(order(1, clock.at))]);
    expect(both.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
  });

  it("P3: keeps results, oldest first, until they are acknowledged", async () => {
    const { ledger, clock, reopen } = await onFakeDisk();
    const results = [
      resultOf(3),
      { ...resultOf(1, { deep: [1, 2] }), out: "highstate", retcode: 3, success: false },
      resultOf(2),
    ];
    for (const result of results) {
      await ledger.start(order(Number(result.jid.slice(-3)), clock.at + hourMs));
      await ledger.end(result);
    }
    expect(ledger.outbox()).toEqual([jidOf(3), jidOf(1), jidOf(2)]);
    await ledger.ack(jidOf(1));
    expect(ledger.outbox()).toEqual([jidOf(3), jidOf(2)]);
    await ledger.close();
    const again = await reopen();
    expect(again.outbox()).toEqual([jidOf(3), jidOf(2)]);
    for (const result of results) expect(flat(await again.result(result.jid))).toEqual(flat(result));
    expect(await again.result(jidOf(9))).toBeUndefined();
  });

  it("calls a run that a restart cut off lost, on disk before it opens", async () => {
    const { disk, ledger, clock, reopen } = await onFakeDisk();
    await Promise.all([ledger.start(order(1, clock.at)), ledger.start(order(2, clock.at))]);
    const again = await reopen();
    expect(again.outbox()).toEqual([jidOf(1), jidOf(2)]);
    const lost = await again.result(jidOf(1));
    expect(lost).toMatchObject({ state: "lost", retcode: 1, success: false, fun: "cmd.run" });
    expect(decodeTrusted(lost?.ret ?? new Uint8Array())).toBe("lost: the minion was restarted while the job ran");
    const later = await Ledger.open(path, { now: clock.now, fs: disk.crash(() => 0) });
    expect(later.outbox()).toEqual([jidOf(1), jidOf(2)]);
    expect(later.count).toBe(again.count);
  });

  it("holds the largest result there may be", async () => {
    const { open } = await ledgerFile();
    const ret = encode("x".repeat(8 * 1_048_576 - 5));
    const ledger = await open();
    await ledger.end({ ...resultOf(1), ret });
    await ledger.close();
    expect(flat(await (await open()).result(jidOf(1)))).toEqual(flat({ ...resultOf(1), ret }));
  });

  it.each([
    ["a result over the limit", { ret: new Uint8Array(8 * 1_048_576 + 1) }],
    ["a return code that is no byte", { retcode: Number.NaN }],
    ["a function name without end", { fun: "f".repeat(257) }],
  ])("refuses %s, which it could not read back", async (_case, wrong) => {
    const { ledger, reopen } = await onFakeDisk();
    await expect(ledger.end({ ...resultOf(1), ...wrong })).rejects.toMatchObject({ code: "ERR_INTERNAL" });
    expect(ledger.seen(jidOf(1))).toBe("no");
    expect((await reopen()).count).toBe(0);
  });

  it("refuses a second result", async () => {
    const { ledger } = await onFakeDisk();
    await ledger.end(resultOf(1));
    await expect(ledger.end(resultOf(1, "other"))).rejects.toMatchObject({ code: "ERR_INTERNAL" });
    expect(flat(await ledger.result(jidOf(1)))).toEqual(flat(resultOf(1)));
  });

  it("refuses a job that was ended before it began, also after a restart", async () => {
    const { ledger, clock, reopen } = await onFakeDisk();
    await ledger.end(resultOf(1), clock.at + 1000);
    const again = await reopen();
    expect(again.seen(jidOf(1))).toBe("done");
    await expect(again.start(order(1, clock.at + 1000))).rejects.toThrow("it has ended already");
    expect(() => again.remember(jidOf(1), clock.at)).toThrow("it has ended already");
  });

  it("remembers a job without effects in memory only, and keeps its result", async () => {
    const { disk, ledger, clock, reopen } = await onFakeDisk();
    const before = disk.syncs;
    ledger.remember(jidOf(1), clock.at + 1000);
    ledger.remember(jidOf(2), clock.at + 1000);
    expect(disk.syncs).toBe(before);
    expect(ledger.seen(jidOf(1))).toBe("running");
    await ledger.end(resultOf(1));
    expect(ledger.seen(jidOf(1))).toBe("done");
    const again = await reopen();
    expect(again.seen(jidOf(1))).toBe("done");
    expect(again.seen(jidOf(2))).toBe("no");
  });

  it("keeps a result in memory without a sync, sends it from there, and writes it when it is closed", async () => {
    const { disk, ledger, clock, reopen } = await onFakeDisk();
    const before = disk.syncs;
    for (const number of [1, 2]) ledger.keep(resultOf(number), clock.at + 1000);
    expect(disk.syncs).toBe(before);
    expect(ledger.outbox()).toEqual([jidOf(1), jidOf(2)]);
    expect(ledger.seen(jidOf(1))).toBe("done");
    await ledger.ack(jidOf(1));
    await ledger.close();
    const again = await reopen();
    expect(again.outbox()).toEqual([jidOf(2)]);
    expect(flat(await again.result(jidOf(2)))).toEqual(flat(resultOf(2)));
    expect(again.seen(jidOf(1))).toBe("no");
  });

  it("has room in memory for so many results, and for so many bytes of them", async () => {
    const { ledger, clock } = await onFakeDisk();
    const large = { ...resultOf(0), ret: new Uint8Array(3 * 1_048_576) };
    expect(ledger.hasRoom(large.ret.length)).toBe(true);
    ledger.keep(large, clock.at);
    expect(ledger.hasRoom(large.ret.length)).toBe(false);
    await ledger.ack(large.jid);
    expect(ledger.hasRoom(large.ret.length)).toBe(true);
    for (let number = 1; number <= 1000; number += 1) ledger.keep(resultOf(number), clock.at);
    expect(ledger.hasRoom(1)).toBe(false);
  });

  it("forgets a job without effects some time after it could have come again", async () => {
    const { ledger, clock } = await onFakeDisk();
    ledger.remember(jidOf(1), clock.at + 1000);
    clock.at += 30_000;
    ledger.remember(jidOf(2), clock.at + 1000);
    expect([1, 2].map((number) => ledger.seen(jidOf(number)))).toEqual(["running", "running"]);
    clock.at += 32_000;
    ledger.remember(jidOf(3), clock.at + 1000);
    expect([1, 2, 3].map((number) => ledger.seen(jidOf(number)))).toEqual(["no", "running", "running"]);
  });

  it("bounds what it remembers in memory", async () => {
    const { ledger, clock } = await onFakeDisk();
    for (let number = 0; number < 10_001; number += 1) ledger.remember(jidOf(number), clock.at);
    expect(ledger.seen(jidOf(0))).toBe("no");
    expect(ledger.seen(jidOf(1))).toBe("running");
  });

  it("shares one sync among what comes together", async () => {
    const { disk, ledger, clock } = await onFakeDisk();
    const before = disk.syncs;
    await Promise.all(Array.from({ length: 200 }, (_, number) => ledger.start(order(number, clock.at))));
    expect(disk.syncs - before).toBe(1);
    expect(ledger.count).toBe(200);
  });

  it("does not sync for an acknowledgement, and writes it with the next record", async () => {
    const { disk, ledger, reopen } = await onFakeDisk();
    await ledger.end(resultOf(1));
    const before = disk.syncs;
    await ledger.ack(jidOf(1));
    await ledger.ack(jidOf(7));
    expect(disk.syncs).toBe(before);
    await ledger.end(resultOf(2));
    expect(disk.syncs - before).toBe(1);
    expect((await reopen()).outbox()).toEqual([jidOf(2)]);
  });

  it("W9: keeps the master's time at most once a minute, and never goes below it", async () => {
    const { ledger, clock, reopen } = await onFakeDisk();
    const began = clock.at;
    clock.at += 59_999;
    await ledger.tick();
    expect(ledger).toMatchObject({ count: 0, highestTime: began });
    clock.at += 1;
    await ledger.tick();
    expect(ledger).toMatchObject({ count: 1, highestTime: began + 60_000 });
    clock.at -= hourMs;
    const again = await reopen();
    await again.start(order(1, clock.at));
    expect(again.highestTime).toBe(began + 60_000);
  });

  it.each([
    ["an unacknowledged result", 100 * hourMs, false, "done"],
    ["an acknowledged one within the hour after its not-after", 1000 + hourMs, true, "done"],
    ["an acknowledged one after that", 1001 + hourMs, true, "no"],
  ])("W9: after forgetting, %s is seen as it must be", async (_case, passed, acked, seen) => {
    const { ledger, clock } = await onFakeDisk();
    await ledger.start(order(1, clock.at + 1000));
    await ledger.end(resultOf(1));
    if (acked) await ledger.ack(jidOf(1));
    clock.at += passed;
    await ledger.tick();
    expect(ledger.seen(jidOf(1))).toBe(seen);
  });

  it("forgets a job that never began an hour after it could no longer come", async () => {
    const { ledger, clock } = await onFakeDisk();
    await ledger.end(resultOf(1), clock.at + 1000);
    await ledger.ack(jidOf(1));
    clock.at += hourMs;
    await ledger.tick();
    expect(ledger.seen(jidOf(1))).toBe("done");
    clock.at += hourMs;
    await ledger.tick();
    expect(ledger.seen(jidOf(1))).toBe("no");
  });

  it("rejects calls after it was closed", async () => {
    const { ledger, clock } = await onFakeDisk();
    await ledger.close();
    await expect(ledger.start(order(1, clock.at))).rejects.toMatchObject({ code: "ERR_STORE" });
    expect(ledger.seen(jidOf(1))).toBe("no");
  });
});

describe("compaction", () => {
  const big = "x".repeat(200_000);

  it("makes the file small, and keeps id, count, time, order and all that is needed", async () => {
    const { disk, ledger, clock, reopen } = await onFakeDisk();
    await ledger.start(order(100, clock.at + 1000));
    await ledger.end(resultOf(101), clock.at + 100 * hourMs);
    await ledger.ack(jidOf(101));
    for (let number = 9; number >= 0; number -= 1) {
      await ledger.start(order(number, clock.at + (number === 4 ? 100 * hourMs : 1000)));
      await ledger.end(resultOf(number, `${number}${big}`));
      if (number !== 3 && number !== 8) await ledger.ack(jidOf(number));
    }
    const count = ledger.count;
    clock.at += 2 * hourMs;
    const before = disk.bytes(path).length;
    await ledger.tick();
    // One TIME, and the acknowledgement that waited for it.
    expect(ledger.count).toBe(count + 2);
    await ledger.result(jidOf(3));
    expect(disk.bytes(path).length).toBeLessThan(before / 2);
    expect([...disk.names.keys()]).toEqual([path]);
    const check = async (kept: Ledger, running: string): Promise<void> => {
      expect(kept.seen(jidOf(0))).toBe("no");
      expect(kept.seen(jidOf(4))).toBe("done");
      expect(kept.seen(jidOf(100))).toBe(running);
      expect(kept.seen(jidOf(101))).toBe("done");
      expect(kept.outbox().slice(0, 2)).toEqual([jidOf(8), jidOf(3)]);
      for (const number of [3, 4, 8])
        expect(flat(await kept.result(jidOf(number)))).toEqual(flat(resultOf(number, `${number}${big}`)));
      expect(kept.highestTime).toBe(clock.at);
      expect(kept.id).toEqual(ledger.id);
    };
    await check(ledger, "running");
    await ledger.end(resultOf(102));
    const again = await reopen();
    await check(again, "done");
    expect(again.count).toBe(count + 2 + 1 + 1);
    expect(again.outbox()).toEqual([jidOf(8), jidOf(3), jidOf(102), jidOf(100)]);
  });

  it("W9: keeps the highest time, though every record of it is gone", async () => {
    const { disk, ledger, clock, reopen } = await onFakeDisk();
    for (let number = 0; number < 10; number += 1) {
      await ledger.end(resultOf(number, `${number}${big}`));
      await ledger.ack(jidOf(number));
    }
    clock.at += 2 * hourMs;
    const highest = clock.at;
    await ledger.tick();
    await ledger.close();
    expect(disk.bytes(path).length).toBeLessThan(1000);
    clock.at -= hourMs;
    expect((await reopen()).highestTime).toBe(highest);
  });

  it("goes on with the old file when there is no room for the new one", async () => {
    const disk = new FakeDisk();
    const clock = new Hands();
    const failures: unknown[] = [];
    const ledger = await Ledger.open(path, { now: clock.now, fs: disk, onError: (failure) => failures.push(failure) });
    for (let number = 0; number < 10; number += 1) {
      await ledger.end(resultOf(number, `${number}${big}`));
      if (number > 2) await ledger.ack(jidOf(number));
    }
    clock.at += 2 * hourMs;
    disk.capacity = disk.bytes(path).length + 2000;
    await ledger.tick();
    expect(flat(await ledger.result(jidOf(1)))).toEqual(flat(resultOf(1, `1${big}`)));
    expect(failures).toMatchObject([{ code: "ERR_DISK_FULL" }]);
    expect([...disk.names.keys()]).toEqual([path]);
    disk.capacity = Number.POSITIVE_INFINITY;
    clock.at += 60_000;
    await ledger.tick();
    expect(flat(await ledger.result(jidOf(1)))).toEqual(flat(resultOf(1, `1${big}`)));
    expect(disk.bytes(path).length).toBeLessThan(800_000);
  });

  it("promises nothing in the new file before its name is on disk", async () => {
    const { disk, ledger, clock } = await onFakeDisk();
    for (let number = 0; number < 10; number += 1) {
      await ledger.end(resultOf(number, `${number}${big}`));
      await ledger.ack(jidOf(number));
    }
    clock.at += 2 * hourMs;
    await ledger.tick();
    await ledger.result(jidOf(0));
    expect(disk.durableNames.get(path) === disk.names.get(path)).toBe(false);
    await ledger.start(order(50, clock.at));
    expect(disk.durableNames.get(path) === disk.names.get(path)).toBe(true);
  });
});

describe("a disk that fails", () => {
  it("P2: rejects a START that does not fit, leaves no trace of it, and works again when there is room", async () => {
    const { disk, ledger, clock, reopen } = await onFakeDisk();
    await ledger.start(order(1, clock.at));
    disk.capacity = disk.bytes(path).length + 50;
    await expect(ledger.start(order(2, clock.at))).rejects.toMatchObject({ code: "ERR_DISK_FULL" });
    await expect(ledger.end(resultOf(1))).rejects.toMatchObject({ code: "ERR_DISK_FULL" });
    expect(ledger.seen(jidOf(1))).toBe("running");
    expect(ledger.seen(jidOf(2))).toBe("no");
    disk.capacity = Number.POSITIVE_INFINITY;
    await ledger.end(resultOf(1));
    await ledger.start(order(2, clock.at));
    const again = await reopen();
    expect(again.warnings).toEqual([]);
    expect(flat(await again.result(jidOf(1)))).toEqual(flat(resultOf(1)));
    expect(again.seen(jidOf(2))).toBe("done");
  });

  it.each([
    ["the sync", ["datasync"]],
    ["the sync and the cut after it", ["datasync", "truncate"]],
  ] as const)("SF-02: gives up only the record whose write failed in %s", async (_case, failing) => {
    const { disk, ledger, clock, reopen } = await onFakeDisk();
    for (const name of failing) disk.failing.add(name);
    const long = { ...order(1, clock.at), fun: "f".repeat(256) };
    await expect(ledger.start(long)).rejects.toMatchObject({ code: "ERR_STORE" });
    disk.failing.clear();
    await ledger.start(order(2, clock.at));
    const again = await reopen();
    expect(again.warnings).toEqual([]);
    expect(again.seen(jidOf(1))).toBe("no");
    expect(again.seen(jidOf(2))).toBe("done");
  });

  it("keeps acknowledgements that could not be written for the next try", async () => {
    const { disk, ledger, reopen } = await onFakeDisk();
    await ledger.end(resultOf(1));
    await ledger.ack(jidOf(1));
    disk.failing.add("datasync");
    await expect(ledger.end(resultOf(2))).rejects.toMatchObject({ code: "ERR_STORE" });
    disk.failing.clear();
    await ledger.end(resultOf(2));
    expect((await reopen()).outbox()).toEqual([jidOf(2)]);
  });

  it("does not open when it cannot write down what became lost", async () => {
    const { disk, ledger, clock, reopen } = await onFakeDisk();
    await ledger.start(order(1, clock.at));
    disk.capacity = disk.bytes(path).length;
    await expect(reopen()).rejects.toMatchObject({ code: "ERR_DISK_FULL" });
  });

  it("says which file it cannot make", async () => {
    const clock = new Hands();
    await expect(Ledger.open("/nowhere/at/all/ledger", { now: clock.now })).rejects.toMatchObject({
      code: "ERR_STORE",
      message: expect.stringContaining("/nowhere/at/all/ledger"),
    });
  });
});
