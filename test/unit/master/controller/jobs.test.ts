import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encode } from "@msgpack/msgpack";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Signer, Verifier } from "../../../../src/crypto/primitives.ts";
import { type Event, EventBus } from "../../../../src/event/bus.ts";
import { Committer } from "../../../../src/master/controller/committer.ts";
import { Jobs } from "../../../../src/master/controller/jobs.ts";
import { Orders } from "../../../../src/master/controller/orders.ts";
import { Presence } from "../../../../src/master/controller/presence.ts";
import { createLog } from "../../../../src/log/log.ts";
import type { JobStore } from "../../../../src/store/job-store.ts";
import { openSqliteStore } from "../../../../src/store/sqlite.ts";
import type { ToFront } from "../../../../src/wire/front.ts";
import type { Jid, KeyId, MinionId } from "../../../../src/wire/ids.ts";
import type { Load } from "../../../../src/wire/loads.ts";
import type { LocalLoad } from "../../../../src/wire/local.ts";
import { orderSignedBytes, parseOrder } from "../../../../src/wire/publication.ts";

const ids = ["m1", "m2", "m3"] as MinionId[];
const [m1, m2, m3] = ids as [MinionId, MinionId, MinionId];
const keyOf = (id: MinionId): KeyId => id.padEnd(32, "0").replace("m", "a") as KeyId;
const accepted = new Map(ids.map((id) => [id, keyOf(id)]));
const signer = new Signer(new Uint8Array(32).fill(5));
const publish: LocalLoad<"publish"> = {
  tgt: "*",
  tgtType: "glob",
  fun: "cmd.run",
  arg: ["uptime"],
  user: "root",
  waitMs: 5000,
};

const quiet = createLog({ name: "test", level: "quiet" });

let dir: string;
let store: JobStore;
let jobs: Jobs;
let presence: Presence;
let now: number;
let events: Event[];
let sent: ToFront[];

async function open(): Promise<void> {
  store = await openSqliteStore(join(dir, "jobs.sqlite"));
  presence = new Presence(
    () => now,
    () => undefined,
  );
  for (const [index, id] of ids.entries()) {
    if (id === m3) continue;
    presence.startSession(presence.of(id, keyOf(id)), {
      topic: new Uint8Array(16).fill(index),
      publishKey: new Uint8Array(32),
    });
    presence.setLink(new Uint8Array(16).fill(index), true);
  }
  const bus = new EventBus();
  events = [];
  sent = [];
  bus.on("event", (event) => events.push(event));
  const committer: Committer = new Committer(store, () => jobs.load());
  const toPublisher = (message: ToFront): void => void sent.push(message);
  jobs = new Jobs({
    store,
    committer,
    bus,
    presence,
    orders: new Orders(signer),
    log: quiet,
    nodegroups: {},
    withPillar: (candidates) => candidates,
    now: () => now,
    busId: "b",
    accepted: () => accepted,
    toPublisher,
  });
  await jobs.load();
}

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "msalt-jobs-"));
  now = Date.UTC(2026, 10, 21);
  await open();
});
afterEach(async () => {
  await store.close();
  rmSync(dir, { recursive: true });
});

const returnOf = (
  jid: Jid,
  value: unknown,
  more: Partial<Load<"job.return">> = {},
): [Load<"job.return">, Uint8Array] => {
  const data = encode(value);
  const load: Load<"job.return"> = {
    cmd: "job.return",
    jid,
    fun: "cmd.run",
    retcode: 0,
    success: true,
    state: "succeeded",
    total: data.length,
    offset: 0,
    sha256: new Uint8Array(32),
    data,
    ...more,
  };
  return [load, data];
};
const statesOf = async (jid: Jid): Promise<string[]> => (await jobs.record(jid)).targets.map(({ state }) => state);

describe("Jobs", () => {
  it("P1: has the job in the record when the jid is given", async () => {
    const { jid, minions } = await jobs.publish(publish);
    expect(minions).toEqual(ids);
    expect((await store.job(jid))?.job).toMatchObject({ jid, fun: "cmd.run", minions: ids, notAfter: now + 65_000 });
    expect(events.map(({ tag }) => tag)).toEqual([`salt/job/${jid}/new`]);
  });

  it("EN-08: signs for each target alone, and only for those that are connected", async () => {
    const { jid } = await jobs.publish(publish);
    const [message] = sent;
    if (message?.is !== "publish") throw new Error("nothing was published");
    expect(message.targets.map(({ keyId }) => keyId)).toEqual([keyOf(m1), keyOf(m2)]);
    const verifier = new Verifier(signer.publicKey);
    for (const { keyId, signature } of message.targets) {
      for (const other of accepted.values()) {
        const signed = orderSignedBytes(message.order, Buffer.from(other, "hex"));
        expect(verifier.verify(signed, signature)).toBe(other === keyId);
      }
    }
    expect(parseOrder(message.order)).toMatchObject({ order: "run", jid, fun: "cmd.run", arg: ["uptime"] });
    expect(await statesOf(jid)).toEqual(["sent", "sent", "waiting"]);
  });

  it("P4: gives a minion that was away its order when it asks, and not after its time", async () => {
    const { jid } = await jobs.publish(publish);
    expect(jobs.delivery.outstanding(m3)).toBe(1);
    const { jobs: orders, more } = jobs.delivery.sync(m3, keyOf(m3));
    expect(more).toBe(false);
    expect(orders.map(({ body }) => parseOrder(body).jid)).toEqual([jid]);
    now += 65_000;
    expect(jobs.delivery.sync(m3, keyOf(m3)).jobs).toEqual([]);
  });

  it("does not tell the targets of a list each other's names", async () => {
    await jobs.publish({ ...publish, tgt: "m1,m2,gone", tgtType: "list" });
    const [message] = sent;
    expect(message?.is === "publish" && Buffer.from(message.order).includes("m2")).toBe(false);
  });

  it("P3: stores a result once, and takes the same again as the duplicate it is", async () => {
    const { jid } = await jobs.publish(publish);
    const all = await Promise.all([1, 2, 3].map(() => jobs.returned(m1, ...returnOf(jid, "up"))));
    expect(all).toEqual([true, true, true]);
    expect(await store.return(jid, m1)).toMatchObject({ state: "succeeded", retcode: 0, ret: encode("up") });
    expect((await store.return(jid, m1))?.conflicts).toBeUndefined();
    expect(events.filter(({ tag }) => tag === `salt/job/${jid}/ret/m1`)).toHaveLength(1);
  });

  it("keeps the first result and counts a different one", async () => {
    const { jid } = await jobs.publish(publish);
    await jobs.returned(m1, ...returnOf(jid, "first"));
    await jobs.returned(m1, ...returnOf(jid, "second"));
    expect(await store.return(jid, m1)).toMatchObject({ ret: encode("first"), conflicts: 1 });
  });

  it("AZ-07: takes nothing for a job that is not this minion's", async () => {
    const { jid } = await jobs.publish({ ...publish, tgt: "m1" });
    expect(await jobs.returned(m2, ...returnOf(jid, "forged"))).toBe(false);
    expect(await jobs.started(m2, jid)).toBe(false);
    expect(await jobs.returned(m1, ...returnOf("20000101000000000000" as Jid, "x"))).toBe(false);
    expect(await statesOf(jid)).toEqual(["sent"]);
    await jobs.returned(m1, ...returnOf(jid, "mine"));
    expect(await jobs.returned(m2, ...returnOf(jid, "forged"))).toBe(false);
  });

  it("I10: numbers a job's events without a gap, and ends it when all have answered", async () => {
    const { jid } = await jobs.publish(publish);
    await jobs.started(m1, jid);
    for (const id of ids) await jobs.returned(id, ...returnOf(jid, id));
    expect(events.map(({ data }) => data["_seq"])).toEqual([1, 2, 3, 4, 5, 6]);
    expect(events.at(-1)?.tag).toBe(`salt/job/${jid}/end`);
    expect(await store.openJobs()).toEqual([]);
    expect(await statesOf(jid)).toEqual(["succeeded", "succeeded", "succeeded"]);
  });

  it("P4: expires what was not started in time, and keeps a result that comes all the same as late", async () => {
    const { jid } = await jobs.publish(publish);
    await jobs.returned(m1, ...returnOf(jid, "in time"));
    await jobs.started(m2, jid);
    now += 65_000 + 5001;
    await jobs.tick();
    expect(await statesOf(jid)).toEqual(["succeeded", "running", "expired"]);
    // Over the old link and over the new one.
    await Promise.all([1, 2].map(() => jobs.returned(m3, ...returnOf(jid, "late"))));
    expect(events.map(({ data }) => JSON.stringify(data)).filter((text) => text.includes('"late":true'))).toHaveLength(
      1,
    );
    expect(await store.return(jid, m3)).toMatchObject({ state: "succeeded", late: true, ret: encode("late") });
    expect(events.at(-1)).toMatchObject({ tag: `salt/job/${jid}/ret/m3`, data: { state: "succeeded", late: true } });
    await jobs.returned(m2, ...returnOf(jid, "slow"));
    expect(await store.openJobs()).toEqual([]);
  });

  it("gives up a run whose minion stays away", async () => {
    const { jid } = await jobs.publish(publish);
    await jobs.started(m1, jid);
    presence.setLink(new Uint8Array(16).fill(0), false);
    now += 3_600_001;
    await jobs.tick();
    expect((await jobs.record(jid)).targets[0]).toMatchObject({
      state: "lost",
      reason: "the minion did not come back",
    });
  });

  it("SF-06: loses the open jobs of a minion whose ledger went back, and runs none of them again", async () => {
    const { jid } = await jobs.publish(publish);
    await jobs.loseAll(m1, "ledger lost");
    expect(await statesOf(jid)).toEqual(["lost", "sent", "waiting"]);
    expect(jobs.delivery.sync(m1, keyOf(m1)).jobs).toEqual([]);
  });

  it("P4: hands out more outstanding jobs than one answer holds, each once, until there are no more", async () => {
    const jids: string[] = [];
    for (let n = 0; n < 150; n += 1) jids.push((await jobs.publish({ ...publish, tgt: "m3" })).jid);
    const answers = [1, 2, 3].map(() => jobs.delivery.sync(m3, keyOf(m3)));
    expect(answers.map(({ more }) => more)).toEqual([true, true, false]);
    expect(answers.flatMap((answer) => answer.jobs.map(({ body }) => String(parseOrder(body).jid)))).toEqual(jids);
    expect(jobs.delivery.sync(m3, keyOf(m3)).jobs).toHaveLength(64);
  });

  it("P4: gives up a run that its connected minion no longer names", async () => {
    const { jid } = await jobs.publish(publish);
    await jobs.started(m1, jid);
    await jobs.started(m2, jid);
    for (let beat = 0; beat < 6; beat += 1) {
      await jobs.running(m1, []);
      await jobs.running(m2, [jid]);
      now += 15_000;
    }
    expect(await statesOf(jid)).toEqual(["lost", "running", "waiting"]);
    await jobs.returned(m1, ...returnOf(jid, "after all"));
    expect(await store.return(jid, m1)).toMatchObject({ state: "succeeded", late: true });
  });

  it("P1, P4: goes on after a restart where it was", async () => {
    const { jid } = await jobs.publish(publish);
    await jobs.started(m1, jid);
    await jobs.returned(m2, ...returnOf(jid, "before"));
    await store.close();
    await open();
    expect(await statesOf(jid)).toEqual(["running", "succeeded", "waiting"]);
    expect(jobs.delivery.sync(m3, keyOf(m3)).jobs).toHaveLength(1);
    const next = await jobs.publish(publish);
    expect(next.jid > jid).toBe(true);
  });

  it("refuses a target that nobody matches, and says that no jid was given", async () => {
    await expect(jobs.publish({ ...publish, tgt: "nosuch*" })).rejects.toMatchObject({ code: "ERR_NO_MATCH" });
    expect(await store.jobs(undefined, 9)).toEqual([]);
  });

  it("CL-07: gives distinct, rising jids to many callers at once", async () => {
    const all = await Promise.all(Array.from({ length: 500 }, () => jobs.publish({ ...publish, tgt: "m1" })));
    const jids = all.map(({ jid }) => jid);
    expect(new Set(jids).size).toBe(500);
    expect(jids.toSorted()).toEqual(jids);
  });

  it("tells an unknown jid from a known one", async () => {
    await expect(jobs.record("20000101000000000000" as Jid)).rejects.toMatchObject({ code: "ERR_UNKNOWN_JID" });
  });
});
