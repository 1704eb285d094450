import { describe, expect, it } from "vitest";
import type { ApiContext } from "../../../src/api/context.ts";
import { followJob } from "../../../src/api/job-events.ts";
import type { Stream } from "../../../src/api/streams.ts";
import { MsaltError } from "../../../src/errors.ts";
import type { Target } from "../../../src/job/types.ts";
import { encode } from "../../../src/wire/codec.ts";
import type { Jid, MinionId } from "../../../src/wire/ids.ts";
import type { BusEvent } from "../../../src/wire/local.ts";
import { tags } from "../../../src/wire/tags.ts";

const jid = "20261121100000123456" as Jid;
const bus = "00112233aabbccdd";
const created = Date.UTC(2026, 10, 21, 10);
const ids = ["m1", "m2", "m3"] as MinionId[];

/** A master with one job, a stream, and what was said on it. */
class Scene {
  targets: Target[] = ids.map((id) => ({ id, state: "waiting" }));
  sequence = 1;
  bus = bus;
  stopped = false;
  reads = 0;
  failing: MsaltError | undefined;
  /** Called in the midst of each reading of the record. */
  onRead = (): void => undefined;
  readonly said: { event: string; data: Readonly<Record<string, unknown>>; id: string | undefined }[] = [];
  readonly marks: string[] = [];
  readonly #closed = new AbortController();
  #listener: ((event: BusEvent) => void) | undefined;
  subscribed = 0;

  readonly context = {
    master: {
      call: async (cmd: string, load: { ids?: readonly string[] }) => {
        if (this.failing !== undefined) throw this.failing;
        if (cmd === "job.returns") return { targets: this.targets.filter(({ id }) => load.ids?.includes(id)) };
        this.reads += 1;
        const record = {
          job: {
            jid,
            user: "u",
            fun: "f",
            arg: [],
            tgt: "*",
            tgtType: "glob",
            options: {},
            created,
            notAfter: created,
            minions: ids,
            missing: [],
          },
          sequence: this.sequence,
          bus: this.bus,
          time: created + 60_000,
          targets: this.targets,
          ...(this.stopped && { stop: { at: created, reason: "stopped" } }),
        };
        this.onRead();
        return record;
      },
      subscribe: async (_prefix: string, listener: (event: BusEvent) => void) => {
        this.subscribed += 1;
        this.#listener = listener;
        return () => (this.subscribed -= 1);
      },
    },
    log: { error: () => undefined },
  } as unknown as ApiContext;

  readonly stream: Stream = {
    closed: this.#closed.signal,
    send: (event, data, id) => void this.said.push({ event, data: data as Record<string, unknown>, id }),
    mark: (id) => void this.marks.push(id),
    drained: async () => undefined,
    end: () => this.#closed.abort(),
  };

  /** The record has moved; without `heard` the bus has lost it. */
  move(target: Target, heard = true): void {
    this.targets = this.targets.map((each) => (each.id === target.id ? target : each));
    this.sequence += 1;
    if (!heard) return;
    const { id, state } = target;
    const common = {
      id,
      jid,
      _seq: this.sequence,
      _bus: this.bus,
      _stamp: new Date(target.ended ?? created).toISOString(),
    };
    if (state === "running") this.fire(tags.jobStart(jid, id), common);
    else this.fire(tags.jobRet(jid, id), { ...common, state, retcode: 0, success: true, return: `live ${id}` });
  }

  fire(tag: string, data: Record<string, unknown>): void {
    this.#listener?.({ tag, data });
  }

  follow(last?: string, returns = true): Promise<void> {
    return followJob(this.context, this.stream, { jid, returns, last });
  }

  get states(): string[] {
    return this.said
      .filter(({ event }) => event === "target")
      .map(({ data }) => `${String(data["id"])} ${String(data["state"])}`);
  }

  async reading(): Promise<void> {
    const { reads } = this;
    await expect.poll(() => this.reads, { timeout: 15_000 }).toBeGreaterThan(reads);
  }
}

const done = (id: string, at = created): Target => ({
  id: id as MinionId,
  state: "succeeded",
  retcode: 0,
  success: true,
  ended: at,
  ret: encode(`stored ${id}`),
});
const end = (scene: Scene): void => {
  for (const id of ids)
    if (scene.targets.some((each) => each.id === id && each.state !== "succeeded")) scene.move(done(id));
  scene.fire(tags.jobEnd(jid), { jid, _seq: (scene.sequence += 1), _bus: scene.bus });
};

describe("followJob", () => {
  it("tells the record, then what happens, each thing once, and ends with the job", async () => {
    const scene = new Scene();
    scene.targets = [
      done("m1"),
      { id: "m2" as MinionId, state: "running", started: created },
      { id: "m3" as MinionId, state: "sent" },
    ];
    const followed = scene.follow();
    await expect.poll(() => scene.states).toEqual(["m1 succeeded", "m2 running", "m3 sent"]);
    scene.move(done("m2"));
    scene.move({ id: "m3" as MinionId, state: "running", started: created });
    end(scene);
    await followed;
    expect(scene.states).toEqual([
      "m1 succeeded",
      "m2 running",
      "m3 sent",
      "m2 succeeded",
      "m3 running",
      "m3 succeeded",
    ]);
    expect(scene.said.filter(({ data }) => data["return"] !== undefined).map(({ data }) => data["return"])).toEqual([
      "stored m1",
      "live m2",
      "live m3",
    ]);
    expect(scene.said.at(0)).toMatchObject({ event: "job", data: { jid, targets: 3, counts: { done: 1 } } });
    expect(scene.said.at(-1)).toMatchObject({ event: "end", id: "end", data: { counts: { succeeded: 3 } } });
    expect([scene.stream.closed.aborted, scene.subscribed]).toEqual([true, 0]);
  });

  it("I10: reads the record again when a number is missing", async () => {
    const scene = new Scene();
    const followed = scene.follow();
    await expect.poll(() => scene.said.length).toBe(1);
    scene.move(done("m1"), false);
    scene.move(done("m2"));
    await expect.poll(() => scene.states).toEqual(expect.arrayContaining(["m1 succeeded", "m2 succeeded"]));
    end(scene);
    await followed;
    expect(scene.states.toSorted()).toEqual(["m1 succeeded", "m2 succeeded", "m3 succeeded"]);
  });

  it("tells from the record a result that was too large for its event", async () => {
    const scene = new Scene();
    const followed = scene.follow();
    await expect.poll(() => scene.said.length).toBe(1);
    scene.move(done("m1"), false);
    const trimmed = { id: "m1", state: "succeeded", retcode: 0, success: true, return: "VALUE_TRIMMED" };
    scene.fire(tags.jobRet(jid, "m1" as MinionId), { ...trimmed, jid, _seq: scene.sequence, _bus: scene.bus });
    await expect.poll(() => scene.states).toEqual(["m1 succeeded"]);
    end(scene);
    await followed;
    expect(scene.said.map(({ data }) => data["return"]).filter(Boolean)).toEqual(["stored m1", "live m2", "live m3"]);
  });

  it("takes nothing back that happens while the record is read", async () => {
    const scene = new Scene();
    scene.targets = [{ id: "m1" as MinionId, state: "running", started: created }, ...scene.targets.slice(1)];
    const followed = scene.follow();
    await expect.poll(() => scene.states).toEqual(["m1 running"]);
    scene.onRead = () => {
      scene.onRead = () => undefined;
      scene.move(done("m1"));
    };
    // A gap: the record that is read for it still says running, and the result comes meanwhile.
    scene.fire(tags.jobStop(jid), { jid, _seq: (scene.sequence += 1), _bus: bus });
    await expect.poll(() => scene.states).toContain("m1 succeeded");
    end(scene);
    await followed;
    expect(scene.states.filter((each) => each.startsWith("m1"))).toEqual(["m1 running", "m1 succeeded"]);
  });

  it("hears of a lost event, and of a stop, without another one coming", async () => {
    const scene = new Scene();
    const followed = scene.follow();
    await expect.poll(() => scene.said.length).toBe(1);
    scene.stopped = true;
    scene.move(done("m1"), false);
    await scene.reading();
    await expect.poll(() => scene.states).toEqual(["m1 succeeded"]);
    expect(scene.said.filter(({ event }) => event === "stop")).toMatchObject([{ data: { reason: "stopped" } }]);
    end(scene);
    await followed;
  });

  it("goes on from where a client stopped, and from the beginning after a restart of the master", async () => {
    const minute = created + 60_000;
    for (const [last, told] of [
      [`${bus}.5.${minute}`, ["m2 succeeded", "m3 succeeded"]],
      [`${bus}.5.${minute + 60_000}`, []],
      [`ffffffffffffffff.5.${minute}`, ["m1 succeeded", "m2 succeeded", "m3 succeeded"]],
      ["nonsense", ["m1 succeeded", "m2 succeeded", "m3 succeeded"]],
    ] as const) {
      const scene = new Scene();
      // The second was written down a little before the client was told the time.
      scene.targets = [done("m1", minute - 30_000), done("m2", minute - 5000), done("m3", minute + 1)];
      await scene.follow(last);
      expect([last, scene.states]).toEqual([last, told]);
      expect(scene.said.at(-1)?.event).toBe("end");
    }
  });

  it("waits for a master that is away, but not for one that was never there", async () => {
    const away = new MsaltError("ERR_MASTER_UNREACHABLE", "away");
    const never = new Scene();
    never.failing = away;
    await never.follow();
    expect(never.said).toEqual([
      { event: "error", data: { code: "ERR_MASTER_UNREACHABLE", message: "away" }, id: undefined },
    ]);
    const scene = new Scene();
    const followed = scene.follow();
    await expect.poll(() => scene.said.length).toBe(1);
    scene.failing = away;
    scene.fire(tags.jobStop(jid), { _seq: 99, _bus: bus });
    scene.failing = undefined;
    scene.bus = "ffffffffffffffff";
    scene.targets = ids.map((id) => done(id));
    await followed;
    expect(scene.states).toEqual(["m1 succeeded", "m2 succeeded", "m3 succeeded"]);
  });

  it("ends its subscription when the client goes", async () => {
    const scene = new Scene();
    const followed = scene.follow();
    await expect.poll(() => scene.said.length).toBe(1);
    expect(scene.subscribed).toBe(1);
    scene.stream.end();
    await followed;
    expect(scene.subscribed).toBe(0);
  });

  it("leaves results out when they are not wanted", async () => {
    const scene = new Scene();
    scene.targets = ids.map((id) => done(id));
    await scene.follow(undefined, false);
    expect(scene.states).toHaveLength(3);
    expect(scene.said.filter(({ data }) => "return" in data)).toEqual([]);
  });
});
