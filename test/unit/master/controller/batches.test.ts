import { describe, expect, it } from "vitest";
import { MsaltError } from "../../../../src/errors.ts";
import type { Jid, KeyId, MinionId } from "../../../../src/wire/ids.ts";
import { Rig } from "./jobs-kit.ts";

/** Answers what was sent until nothing more is sent; the most that were on their way at once. */
async function answerAll(rig: Rig, jid: Jid, state: "succeeded" | "failed" = "succeeded"): Promise<number> {
  let most = 0;
  const open: MinionId[] = [];
  for (;;) {
    await rig.settled();
    open.push(...rig.takeSent());
    most = Math.max(most, open.length);
    const next = open.splice(0, Math.max(1, Math.floor(open.length / 3)));
    if (next.length === 0) return most;
    await Promise.all(next.map((id) => rig.returns(jid, id, state)));
  }
}

describe("batches at 1,000 targets", () => {
  it("keeps a tenth running until all have answered", async () => {
    await using rig = await Rig.open(1000);
    const { jid, parallel } = await rig.publish({ parallel: { percent: 10 } });
    expect(parallel).toBe(100);
    expect(await answerAll(rig, jid)).toBe(100);
    expect(await rig.states(jid)).toEqual({ succeeded: 1000 });
    expect((await rig.store.job(jid))?.ended).toBeDefined();
  });

  it("is not held up by those that are offline, and gives them a place when they come back in time", async () => {
    await using rig = await Rig.open(1000);
    for (const id of rig.ids.slice(0, 300)) rig.link(id, false);
    rig.now += 60_000;
    const { jid } = await rig.publish({ parallel: 50 });
    expect(await answerAll(rig, jid)).toBe(50);
    expect(await rig.states(jid)).toEqual({ succeeded: 700, waiting: 300 });
    for (const id of rig.ids.slice(0, 100)) rig.link(id, true);
    expect(await answerAll(rig, jid)).toBe(50);
    expect(await rig.states(jid)).toEqual({ succeeded: 800, waiting: 200 });
    rig.now += 71_000;
    await rig.jobs.tick();
    expect(await rig.states(jid)).toEqual({ succeeded: 800, expired: 200 });
    const { targets } = await rig.jobs.record(jid);
    expect(targets.filter(({ unreachable }) => unreachable === true)).toHaveLength(200);
  });

  it("gives each target its time from its own turn on, however long the batch takes", async () => {
    await using rig = await Rig.open(3);
    const { jid } = await rig.publish({ parallel: 1, ttlMs: 10_000 });
    for (const id of rig.ids) {
      await rig.settled();
      const [order] = rig.sent.splice(0).map(({ order: each }) => each);
      expect(order).toMatchObject({ order: "run", not_after: rig.now + 10_000 });
      rig.now += 3_600_000;
      await rig.jobs.started(id, jid);
      await rig.jobs.tick();
      await rig.returns(jid, id);
    }
    expect(await rig.states(jid)).toEqual({ succeeded: 3 });
  });

  it("goes on after a restart with the same targets on their way, and no more", async () => {
    await using rig = await Rig.open(1000);
    const { jid } = await rig.publish({ parallel: 40 });
    await rig.settled();
    const first = rig.takeSent();
    await Promise.all(first.slice(0, 10).map((id) => rig.returns(jid, id)));
    await rig.settled();
    const second = rig.takeSent();
    await rig.restart();
    await rig.settled();
    expect(rig.takeSent()).toEqual([]);
    for (const id of rig.ids) rig.link(id, true);
    await rig.settled();
    expect(rig.takeSent()).toEqual([]);
    const underway = [...first.slice(10), ...second];
    expect(underway).toHaveLength(40);
    const given = rig.ids.filter((id) => rig.jobs.delivery.sync(id, rig.keyOf(id)).jobs.length > 0);
    expect(given).toEqual([...underway].toSorted());
    await Promise.all(underway.map((id) => rig.returns(jid, id)));
    expect(await answerAll(rig, jid)).toBe(40);
    expect(await rig.states(jid)).toEqual({ succeeded: 1000 });
  });

  it("leaves a freed place empty for batch_wait", async () => {
    await using rig = await Rig.open(4);
    const { jid } = await rig.publish({ parallel: 2, batchWaitMs: 60_000 });
    await rig.settled();
    expect(rig.takeSent()).toHaveLength(2);
    await rig.returns(jid, "m0001" as MinionId);
    await rig.settled();
    expect(rig.takeSent()).toEqual([]);
    rig.now += 60_000;
    await rig.jobs.tick();
    await rig.settled();
    expect(rig.takeSent()).toEqual(["m0003"]);
  });

  it("frees the place of one that was sent the job and went away before it said that it runs", async () => {
    await using rig = await Rig.open(3);
    const { jid } = await rig.publish({ parallel: 2 });
    await rig.settled();
    expect(rig.takeSent()).toEqual(["m0001", "m0002"]);
    await rig.jobs.started("m0002" as MinionId, jid);
    rig.link("m0001" as MinionId, false);
    rig.link("m0002" as MinionId, false);
    await rig.jobs.tick();
    await rig.settled();
    expect(rig.takeSent()).toEqual([]);
    rig.now += 11_000;
    await rig.jobs.tick();
    await rig.settled();
    expect(rig.takeSent()).toEqual(["m0003"]);
  });

  it("rounds a percentage down, to 1 at least, and goes into batches by itself from a limit on", async () => {
    await using rig = await Rig.open(19);
    const parallel = async (load: Parameters<Rig["publish"]>[0]): Promise<unknown> =>
      (await rig.publish(load)).parallel;
    expect(await parallel({ parallel: { percent: 10 } })).toBe(1);
    expect(await parallel({ parallel: { percent: 50 } })).toBe(9);
    expect(await parallel({ parallel: { percent: 0.1 } })).toBe(1);
    expect(await parallel({ batchSafe: { limit: 20, size: 8 } })).toBeUndefined();
    expect(await parallel({ batchSafe: { limit: 19, size: 8 } })).toBe(8);
    expect(await parallel({ batchSafe: { limit: 19, size: 8 }, parallel: 3 })).toBe(3);
  });

  it("takes a random subset, the connected ones first", async () => {
    await using rig = await Rig.open(100, 20);
    const few = (await rig.publish({ subset: 5 })).minions;
    expect(few).toHaveLength(5);
    expect(few.every((id) => rig.ids.indexOf(id) < 20)).toBe(true);
    const many = (await rig.publish({ subset: 30 })).minions;
    expect(many.filter((id) => rig.ids.indexOf(id) < 20)).toHaveLength(20);
    expect(many).toHaveLength(30);
  });
});

describe("the failure budget", () => {
  it("stops at 1,000 targets when more than the rate allows have failed, and skips the rest", async () => {
    await using rig = await Rig.open(1000);
    const { jid } = await rig.publish({ parallel: 25, failRate: 0.029 });
    const failed: MinionId[] = [];
    while (failed.length < 29) {
      await rig.settled();
      for (const id of rig.takeSent().slice(0, 29 - failed.length)) {
        await rig.returns(jid, id, failed.length % 2 === 0 ? "failed" : "timed_out");
        failed.push(id);
      }
    }
    await rig.settled();
    expect((await rig.jobs.record(jid)).stop).toBeUndefined();
    await rig.returns(jid, (rig.takeSent().at(-1) ?? rig.ids.at(29)) as MinionId, "lost");
    const { stop, targets } = await rig.jobs.record(jid);
    expect(stop?.reason).toBe(
      "30 of 1000 targets failed (15 failed, 14 timed out, 1 lost), more than the 29 that fail_rate 0.029 allows",
    );
    expect((await rig.store.job(jid))?.stop).toEqual(stop);
    const open = targets.filter(({ state }) => state === "sent").map(({ id }) => id);
    expect(targets.filter(({ state }) => state === "skipped")).toHaveLength(1000 - 30 - open.length);
    for (const id of open) await rig.returns(jid, id);
    await rig.settled();
    expect(rig.takeSent()).toEqual([]);
    expect((await rig.store.job(jid))?.ended).toBeDefined();
    expect(rig.events.map(({ tag }) => tag)).toContain(`salt/job/${jid}/stop`);
  });

  it("starts nothing after a stop, not even what had been sent to one that was away", async () => {
    await using rig = await Rig.open(3);
    const { jid } = await rig.publish({ failCount: 0 });
    await rig.settled();
    rig.link("m0003" as MinionId, false);
    await rig.returns(jid, "m0001" as MinionId, "failed");
    rig.link("m0003" as MinionId, true);
    expect(rig.jobs.delivery.sync("m0003" as MinionId, rig.keyOf("m0003" as MinionId)).jobs).toEqual([]);
  });

  it("kills what runs with fail_kill", async () => {
    await using rig = await Rig.open(4);
    const { jid } = await rig.publish({ parallel: 3, failCount: 0, failKill: true });
    await rig.settled();
    rig.sent = [];
    await rig.returns(jid, "m0002" as MinionId, "failed");
    await rig.settled();
    expect(rig.takeSent("kill")).toEqual(["m0001", "m0003"]);
    expect(await rig.states(jid)).toEqual({ failed: 1, sent: 2, skipped: 1 });
  });

  it("has no limit with fail_count -1, and the larger of both limits otherwise", async () => {
    await using rig = await Rig.open(10);
    const endless = await rig.publish({ failCount: -1, failRate: 0.1 });
    await Promise.all(rig.ids.map((id) => rig.returns(endless.jid, id, "failed")));
    expect(await rig.states(endless.jid)).toEqual({ failed: 10 });
    rig.sent = [];
    const { jid } = await rig.publish({ parallel: 1, failCount: 1, failRate: 0.3 });
    await answerAll(rig, jid, "failed");
    expect(await rig.states(jid)).toEqual({ failed: 4, skipped: 6 });
    expect((await rig.store.job(jid))?.stop?.reason).toMatch(/more than the 3 that fail_rate 0.3 allows$/);
  });
});

describe("kill", () => {
  it("skips what waits, tells what runs, and tells again whoever was away, also after a restart", async () => {
    await using rig = await Rig.open(6, 5);
    const [a, b, c] = rig.ids as [MinionId, MinionId, MinionId];
    const { jid } = await rig.publish({ parallel: 3 });
    await rig.settled();
    await rig.jobs.started(b, jid);
    rig.link(c, false);
    rig.sent = [];
    expect(await rig.jobs.kill({ jid, user: "root", signal: 9 })).toEqual({ skipped: 3, told: [a, b, c] });
    await rig.settled();
    expect(rig.sent.map(({ id, order }) => [id, order.order === "kill" && order.signal])).toEqual([
      [a, 9],
      [b, 9],
    ]);
    await rig.restart();
    for (const id of rig.ids) rig.link(id, true);
    const { jobs } = rig.jobs.delivery.sync(c, rig.keyOf(c));
    expect(jobs).toHaveLength(1);
    expect(rig.jobs.delivery.outstanding(c)).toBe(1);
    await Promise.all([a, b, c].map((id) => rig.returns(jid, id, "killed")));
    expect(await rig.states(jid)).toEqual({ killed: 3, skipped: 3 });
    expect((await rig.store.job(jid))?.stop).toMatchObject({ reason: "killed by root", signal: 9 });
    expect(rig.jobs.delivery.sync(c, rig.keyOf(c)).jobs).toEqual([]);
  });

  it("never sends a job to one that was offline when it was killed", async () => {
    await using rig = await Rig.open(2, 1);
    const { jid } = await rig.publish({});
    await rig.jobs.kill({ jid, user: "root" });
    const away = rig.ids[1] as MinionId;
    rig.link(away, true);
    expect(rig.jobs.delivery.sync(away, rig.keyOf(away)).jobs).toEqual([]);
    expect((await rig.jobs.record(jid)).targets[1]).toMatchObject({ state: "skipped", reason: "killed by root" });
  });

  it("tells an unknown job from one that has ended", async () => {
    await using rig = await Rig.open(1);
    const { jid } = await rig.publish({});
    await rig.returns(jid, rig.ids[0] as MinionId);
    expect(await rig.jobs.kill({ jid, user: "root" })).toEqual({ skipped: 0, told: [] });
    const unknown = rig.jobs.kill({ jid: "2".repeat(20) as Jid, user: "root" });
    await expect(unknown).rejects.toMatchObject({ code: "ERR_UNKNOWN_JID" });
  });
});

describe("a commit that fails", () => {
  const full = (): never => {
    throw new MsaltError("ERR_DISK_FULL", "full");
  };

  it("P3: takes no result for stored, and ends the job when it comes again", async () => {
    await using rig = await Rig.open(2);
    const { jid } = await rig.publish({});
    const [a, b] = rig.ids as [MinionId, MinionId];
    await rig.returns(jid, a);
    rig.onCommit = full;
    const failed = rig.returns(jid, b);
    await expect(failed).rejects.toMatchObject({ code: "ERR_DISK_FULL" });
    rig.onCommit = () => undefined;
    expect(await rig.states(jid)).toEqual({ succeeded: 1, sent: 1 });
    await Promise.all([rig.returns(jid, b), rig.returns(jid, b)]);
    expect((await rig.store.job(jid))?.ended).toBeDefined();
    const numbers = rig.events.map(({ data }) => data["_seq"]);
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
  });

  it("P3: takes what comes while memory is read anew as it takes what comes after it", async () => {
    await using rig = await Rig.open(2);
    const { jid } = await rig.publish({});
    const [a, b] = rig.ids as [MinionId, MinionId];
    let during: Promise<boolean> | undefined;
    rig.onCommit = () => {
      rig.onCommit = () => undefined;
      queueMicrotask(() => {
        during = rig.returns(jid, b);
      });
      return full();
    };
    await expect(rig.returns(jid, a)).rejects.toMatchObject({ code: "ERR_DISK_FULL" });
    expect(await during).toBe(true);
    await rig.returns(jid, a);
    expect(await rig.states(jid)).toEqual({ succeeded: 2 });
    expect((await rig.store.job(jid))?.ended).toBeDefined();
  });

  it("goes on with the batch", async () => {
    await using rig = await Rig.open(5);
    const { jid } = await rig.publish({ parallel: 2 });
    await rig.settled();
    const [first] = rig.takeSent() as [MinionId];
    rig.onCommit = full;
    await expect(rig.returns(jid, first)).rejects.toMatchObject({ code: "ERR_DISK_FULL" });
    rig.onCommit = () => undefined;
    await rig.returns(jid, first);
    await rig.settled();
    await rig.returns(jid, "m0002" as MinionId);
    expect(await answerAll(rig, jid)).toBeLessThanOrEqual(2);
    expect(await rig.states(jid)).toEqual({ succeeded: 5 });
  });
});

describe("a key that goes", () => {
  it("P6: while the job is being written, gives the job to nobody", async () => {
    await using rig = await Rig.open(2);
    const [a] = rig.ids as [MinionId];
    rig.onCommit = () => void rig.accepted.set(a, "f".repeat(32) as KeyId);
    const { jid } = await rig.publish({});
    await rig.settled();
    expect(rig.takeSent()).toEqual(["m0002"]);
    expect(await rig.states(jid)).toEqual({ expired: 1, sent: 1 });
    expect(rig.jobs.delivery.sync(a, "f".repeat(32) as KeyId).jobs).toEqual([]);
  });

  it("P6: gives the next holder of the name none of the old jobs, although that cannot be written yet", async () => {
    await using rig = await Rig.open(2);
    const [a] = rig.ids as [MinionId];
    const { jid } = await rig.publish({});
    await rig.settled();
    rig.onCommit = () => {
      throw new MsaltError("ERR_DISK_FULL", "full");
    };
    await rig.jobs.abandon(a, "gone");
    expect(rig.jobs.delivery.sync(a, "f".repeat(32) as KeyId).jobs).toEqual([]);
    await expect(rig.jobs.started(a, jid)).rejects.toMatchObject({ code: "ERR_STORE" });
    rig.onCommit = () => undefined;
    await expect.poll(() => rig.states(jid), { timeout: 5000 }).toEqual({ lost: 1, sent: 1 });
    expect(await rig.jobs.started(a, jid)).toBe(true);
    expect(await rig.states(jid)).toEqual({ lost: 1, sent: 1 });
  });
});
