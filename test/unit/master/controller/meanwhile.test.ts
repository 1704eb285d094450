/** What comes while something of a job is being written. */
import { describe, expect, it } from "vitest";
import type { MinionId } from "../../../../src/wire/ids.ts";
import { Rig } from "./jobs-kit.ts";

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

/** `work` begins while the next commit is under way; what it gives. */
function during<T>(rig: Rig, work: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    rig.onCommit = async () => {
      rig.onCommit = () => undefined;
      work().then(resolve, reject);
      await turns();
    };
  });
}

describe("a turn in a batch", () => {
  it("is on record before a minion that asks for orders is given the job", async () => {
    await using rig = await Rig.open(2);
    const [first, second] = rig.ids as [MinionId, MinionId];
    const { jid } = await rig.publish({ parallel: 1 });
    await rig.returns(jid, first);
    rig.takeSent();
    const asked = during(rig, async () => rig.jobs.delivery.sync(second, rig.keyOf(second)).jobs);
    await rig.settled();
    expect(await asked).toEqual([]);
    await rig.settled();
    expect(rig.takeSent()).toEqual([second]);
    expect(rig.jobs.delivery.sync(second, rig.keyOf(second)).jobs).toHaveLength(1);
  });
});

describe("the record of a job", () => {
  it("P8: shows a result when it is written, with what follows from it", async () => {
    await using rig = await Rig.open(2);
    const [first, second] = rig.ids as [MinionId, MinionId];
    const { jid } = await rig.publish({});
    /** Whether it shows the end, how many results it shows, and how many of these are stored. */
    const look = async (): Promise<[boolean, number, number]> => {
      const { ended, targets } = await rig.jobs.record(jid);
      const shown = targets.filter(({ state }) => state === "succeeded");
      const stored = await Promise.all(shown.map(({ id }) => rig.store.return(jid, id)));
      return [ended !== undefined, shown.length, stored.filter((target) => target?.ret !== undefined).length];
    };
    const looked = during(rig, () => {
      const returned = rig.returns(jid, second);
      return turns().then(() => Promise.all([look(), returned]));
    });
    await rig.returns(jid, first);
    expect((await looked)[0]).toEqual([true, 2, 2]);
    expect(await look()).toEqual([true, 2, 2]);
  });

  it("shows what stands in the record when it could not be written", async () => {
    await using rig = await Rig.open(1);
    const { jid } = await rig.publish({});
    const looked = during(rig, () => {
      rig.onCommit = () => Promise.reject(new Error("the disk fails"));
      const refused = rig.returns(jid, rig.ids[0] as MinionId).catch(() => undefined);
      const states = rig.states(jid);
      return refused.then(() => states);
    });
    await rig.jobs.kill({ jid, user: "root", gently: true });
    expect(await looked).toEqual({ sent: 1 });
  });
});

describe("the end of a job", () => {
  it("I10: is announced when it is written, not when it is decided; the numbers of its events go on", async () => {
    await using rig = await Rig.open(2);
    const [first, second] = rig.ids as [MinionId, MinionId];
    const { jid } = await rig.publish({});
    const refused = during(rig, () => {
      rig.onCommit = () => Promise.reject(new Error("the disk fails"));
      return rig.returns(jid, second).then(
        () => "taken",
        () => "refused",
      );
    });
    await rig.returns(jid, first);
    expect(await refused).toBe("refused");
    rig.onCommit = () => undefined;
    await rig.returns(jid, second);
    const ofJob = rig.events.filter(({ tag }) => tag.startsWith(`salt/job/${jid}/`));
    expect(ofJob.map(({ tag, data }) => [tag.split("/")[3], data["_seq"]])).toEqual([
      ["new", 1],
      ["ret", 2],
      ["ret", 3],
      ["end", 4],
    ]);
  });

  it("is not changed by a kill that comes while it is written", async () => {
    await using rig = await Rig.open(1);
    const { jid } = await rig.publish({});
    const killed = during(rig, () => rig.jobs.kill({ jid, user: "root" }));
    await rig.returns(jid, rig.ids[0] as MinionId);
    expect(await killed).toEqual({ skipped: 0, told: [] });
    expect((await rig.store.job(jid))?.stop).toBeUndefined();
  });
});
