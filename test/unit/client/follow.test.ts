import { encode } from "@msgpack/msgpack";
import { describe, expect, it, vi } from "vitest";
import { followJob } from "../../../src/client/follow.ts";
import type { LocalClient } from "../../../src/client/local.ts";
import type { BusEvent } from "../../../src/wire/local.ts";
import type { Target } from "../../../src/job/types.ts";
import type { Jid, MinionId } from "../../../src/wire/ids.ts";
import type { TargetView } from "../../../src/wire/local.ts";

const jid = "20261121020634330961" as Jid;
const done = (id: string, value: unknown = true): Target => ({
  id: id as MinionId,
  state: "succeeded",
  retcode: 0,
  success: true,
  ret: encode(value),
});

/** A master whose record and events a test plays by hand. */
class FakeMaster {
  readonly targets = new Map<string, TargetView>();
  sequence = 0;
  bus = "b1";
  reads = 0;
  /** Whose results were asked for, call by call. */
  asked: (readonly string[])[] = [];
  #listener: (event: BusEvent) => void = () => undefined;

  constructor(...ids: string[]) {
    for (const id of ids) this.set({ id: id as MinionId, state: "sent", link: { connected: true, since: 0 } });
  }

  set(target: TargetView): void {
    this.targets.set(target.id, target);
  }

  /** The record learns of a result; `told` says whether the event arrives. */
  returns(target: Target, told: boolean): void {
    this.set({ ...target, link: { connected: true, since: 0 } });
    this.sequence += 1;
    if (told) this.fire(`salt/job/${jid}/ret/${target.id}`, { ...target, jid, return: true });
  }

  fire(tag: string, data: Record<string, unknown>): void {
    this.#listener({ tag, data: { ...data, _seq: this.sequence, _bus: this.bus } });
  }

  get client(): LocalClient {
    const call = async (cmd: string, { ids }: { ids?: readonly string[] }): Promise<unknown> => {
      if (cmd === "job.returns") {
        this.asked.push(ids ?? ["all"]);
        const wanted = [...this.targets.values()].filter(({ id }) => ids === undefined || ids.includes(id));
        return { targets: wanted.filter(({ retcode }) => retcode !== undefined) };
      }
      this.reads += 1;
      const job = { jid, minions: [...this.targets.keys()], missing: [], options: {} };
      return { job, sequence: this.sequence, bus: this.bus, time: Date.now(), targets: [...this.targets.values()] };
    };
    const subscribe = async (_prefix: string, listener: (event: BusEvent) => void): Promise<void> => {
      this.#listener = listener;
    };
    return { call, subscribe } as unknown as LocalClient;
  }
}

const run = (master: FakeMaster, waitMs = 60_000): { shown: string[]; end: ReturnType<typeof followJob> } => {
  const shown: string[] = [];
  return { shown, end: followJob(master.client, jid, waitMs, { onReturn: ({ id }) => shown.push(id) }) };
};

describe("followJob", () => {
  it("shows what was in the record before it looked, once", async () => {
    const master = new FakeMaster("m1", "m2");
    master.returns(done("m1"), false);
    const { shown, end } = run(master);
    await vi.waitFor(() => expect(shown).toEqual(["m1"]));
    master.returns(done("m2"), true);
    master.fire(`salt/job/${jid}/ret/m2`, { ...done("m2"), jid });
    const { missing } = await end;
    expect({ shown, missing }).toEqual({ shown: ["m1", "m2"], missing: [] });
  });

  it("P8: finds a result whose event was lost, by the gap that the next event shows", async () => {
    const master = new FakeMaster("m1", "m2", "m3");
    const { shown, end } = run(master);
    await vi.waitFor(() => expect(master.reads).toBe(1));
    master.returns(done("m1"), false);
    master.returns(done("m2"), true);
    await vi.waitFor(() => expect(shown.toSorted()).toEqual(["m1", "m2"]), { timeout: 900 });
    master.returns(done("m3"), true);
    expect((await end).missing).toEqual([]);
  });

  it("shows results that were too large for their events, each asked for once", async () => {
    const ids = Array.from({ length: 30 }, (_, n) => `m${n}`);
    const master = new FakeMaster(...ids, "last");
    const { shown, end } = run(master);
    await vi.waitFor(() => expect(master.reads).toBe(1));
    for (const id of ids.slice(0, 20)) master.returns(done(id), true);
    await vi.waitFor(() => expect(shown).toHaveLength(20));
    master.asked = [];
    for (const id of ids.slice(20)) {
      master.returns(done(id, "large"), false);
      master.fire(`salt/job/${jid}/ret/${id}`, { ...done(id), jid, return: "VALUE_TRIMMED" });
    }
    await vi.waitFor(() => expect(shown).toHaveLength(30), { timeout: 900 });
    master.returns(done("last"), true);
    expect((await end).missing).toEqual([]);
    expect(shown.slice(0, 30)).toEqual(ids);
    expect(master.asked.flat()).toEqual(ids.slice(20));
  });

  it("P8: finds a result whose event was lost and after which nothing comes", async () => {
    const master = new FakeMaster("m1");
    const { shown, end } = run(master);
    await vi.waitFor(() => expect(master.reads).toBe(1));
    master.returns(done("m1"), false);
    await end;
    expect(shown).toEqual(["m1"]);
  });

  it("P8: reads the record again when the events are those of another master process", async () => {
    const master = new FakeMaster("m1", "m2");
    const { shown, end } = run(master);
    await vi.waitFor(() => expect(master.reads).toBe(1));
    master.returns(done("m1"), false);
    master.bus = "b2";
    master.sequence = 0;
    master.returns(done("m2"), true);
    await end;
    expect(shown.toSorted()).toEqual(["m1", "m2"]);
  });

  it("P5: waits no longer than that for a minion that is connected and silent, and gives what is known of it", async () => {
    const master = new FakeMaster("m1");
    const { missing } = await run(master, 100).end;
    expect(missing).toMatchObject([{ id: "m1", state: "sent", link: { connected: true } }]);
  });

  it("does not wait for a minion that has been away", async () => {
    const master = new FakeMaster("m1");
    master.set({ id: "m1" as MinionId, state: "waiting", link: { connected: false, since: 1 } });
    const { missing } = await run(master).end;
    expect(missing).toHaveLength(1);
    expect(master.reads).toBe(1);
  });

  it("waits for a minion that says it is running, however long", async () => {
    const master = new FakeMaster("m1");
    master.set({ id: "m1" as MinionId, state: "running", link: { connected: true, since: 0 } });
    const { shown, end } = run(master, 50);
    await vi.waitFor(() => expect(master.reads).toBeGreaterThan(1), { timeout: 4000 });
    master.returns(done("m1"), true);
    await end;
    expect(shown).toEqual(["m1"]);
  });

  it("does not take for an answer what the master gave up", async () => {
    const master = new FakeMaster("m1");
    const { shown, end } = run(master);
    await vi.waitFor(() => expect(master.reads).toBe(1));
    master.set({ id: "m1" as MinionId, state: "expired", reason: "away" });
    master.sequence += 1;
    master.fire(`salt/job/${jid}/ret/m1`, { id: "m1", retcode: 1, success: false, state: "expired", out: "no_return" });
    const { missing } = await end;
    expect({ shown, missing }).toMatchObject({ shown: [], missing: [{ id: "m1", state: "expired" }] });
  });
});
