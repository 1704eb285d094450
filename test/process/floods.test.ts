import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LocalClient } from "../../src/client/local.ts";
import { limits } from "../../src/wire/limits.ts";
import { encode } from "../../src/wire/codec.ts";
import type { BusEvent } from "../../src/wire/local.ts";
import { rawMinion, stillServing, unharmed } from "../support/attack.ts";
import { Bus } from "../support/bus.ts";
import { until } from "../support/proc.ts";
import {
  Flood,
  bytesWithoutEnd,
  partsWithoutEnd,
  requestsWithoutEnd,
  strangersKeys,
  subscriptionsWithoutEnd,
} from "../support/flood.ts";
import { Peaks } from "../support/measure.ts";
import { type RawMinion, z85 } from "../support/raw-minion.ts";

const roles = ["controller", "publisher", "reqserver", "worker"] as const;

describe("floods", () => {
  let bus: Bus;
  let raw: RawMinion;
  let client: LocalClient;
  const ended = new Map<string, () => void>();
  beforeAll(async () => {
    bus = await Bus.start({ minions: ["m1", "m2", "m3"] });
    raw = await rawMinion(bus, "raw");
    client = await LocalClient.connect(bus.sockDir);
    await client.subscribe("salt/job/", ({ tag }: BusEvent) => ended.get(tag)?.());
    for (let n = 0; n < 20; n += 1) await ping();
    quiet = await pings(100);
  });
  afterAll(async () => {
    client.close();
    raw[Symbol.dispose]();
    await bus[Symbol.asyncDispose]();
  });

  let quiet: number[];
  /** Milliseconds from the question to the last of three answers. */
  async function ping(): Promise<number> {
    const began = performance.now();
    const load = { tgt: "m*", tgtType: "glob" as const, fun: "test.ping", arg: [], user: "test", waitMs: 20_000 };
    const { jid } = await client.call("publish", load);
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`no end of ${jid}`)), 60_000);
      const done = (): void => {
        clearTimeout(late);
        ended.delete(`salt/job/${jid}/end`);
        resolve();
      };
      ended.set(`salt/job/${jid}/end`, done);
      void client.call("job.record", { jid }).then(({ ended: at }) => at !== undefined && done());
    });
    const { targets } = await client.call("job.record", { jid });
    expect(targets.map(({ id, state }) => [id, state])).toEqual(["m1", "m2", "m3"].map((id) => [id, "succeeded"]));
    return performance.now() - began;
  }

  /** Their times, in order of length. */
  async function pings(count: number): Promise<number[]> {
    const all: number[] = [];
    for (let n = 0; n < count; n += 1) all.push(await ping());
    return all.toSorted((a, b) => a - b);
  }
  async function pingsUnder(without: readonly number[]): Promise<number[]> {
    const flooded = await pings(40);
    const ms = [flooded, without].map(
      (times) => `p50 ${at(times, 0.5).toFixed(0)} ms, p99 ${at(times, 0.99).toFixed(0)} ms`,
    );
    process.stdout.write(`ping under it: ${ms[0]}; without: ${ms[1]}\n`);
    return flooded;
  }
  const at = (times: readonly number[], share: number): number => times[Math.floor(times.length * share)] ?? 0;

  /**
   * Of forty pings, so large a share takes at most five times as long as the slowest without a flood. When it does not, the machine may have
   * become busier since that was measured: the flood stands still while it is measured again.
   */
  async function expectNotSlowed(flooding: Flood, share: number): Promise<void> {
    let without = quiet;
    for (let rounds = 5; ; rounds -= 1) {
      const [slow, bound] = [at(await pingsUnder(without), share), 5 * at(without, 0.99)];
      if (slow <= bound) return;
      expect(rounds, `rounds left; ${slow} ms is more than ${bound} ms`).toBeGreaterThan(1);
      flooding.pause();
      await sleep(2000);
      without = await pings(100);
      flooding.goOn();
    }
  }

  const curveOf = ({ curve, master }: RawMinion): Record<string, unknown> => ({
    serverKey: z85(master?.curve ?? Buffer.alloc(32)),
    publicKey: z85(curve.publicKey),
    secretKey: z85(curve.secretKey),
  });
  /** It takes a moment until a process that is over its cap is seen and gone. */
  function underCaps(peaks: Peaks): void {
    for (const { name, kib } of peaks.all()) {
      const cap = roles.find((role) => name.endsWith(role)) ?? "worker";
      expect([name, kib < (1.5 * limits.memoryBytes[cap]) / 1024]).toEqual([name, true]);
    }
  }
  const pids = (): number[] => roles.flatMap((role) => bus.pidsOf(role));
  const greeting = Buffer.concat([
    Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 1]),
    Buffer.from("CURVE".padEnd(20, "\0")),
    Buffer.alloc(32),
  ]);

  const strangers: [string, string, (port: number) => [string, Record<string, unknown>]][] = [
    ["publish_port", "bytes", (port) => [bytesWithoutEnd, { port, head: "", fill: 0, sockets: 20 }]],
    [
      "publish_port",
      "handshakes that are none",
      (port) => [bytesWithoutEnd, { port, head: greeting.toString("hex"), fill: 4, sockets: 20 }],
    ],
    ["publish_port", "unknown keys", (port) => [strangersKeys, { port, sockets: 10, ...curveOf(raw) }]],
    ["ret_port", "bytes", (port) => [bytesWithoutEnd, { port, head: "", fill: 0, sockets: 20 }]],
    [
      "ret_port",
      "handshakes that are none",
      (port) => [bytesWithoutEnd, { port, head: greeting.toString("hex"), fill: 4, sockets: 20 }],
    ],
    ["ret_port", "unknown keys", (port) => [strangersKeys, { port, sockets: 10, ...curveOf(raw) }]],
    ["enroll_port", "bytes", (port) => [bytesWithoutEnd, { port, head: "", fill: 0, sockets: 20 }]],
    [
      "enroll_port",
      "records that are none",
      (port) => [bytesWithoutEnd, { port, head: "6d450100ff", fill: 109, sockets: 20 }],
    ],
  ];
  it.each(strangers)(
    "RX-02: strangers' %s: %s without end cost no job, no process and no memory",
    async (name, _what, flood) => {
      await using peaks = new Peaks(pids);
      {
        await using flooding = new Flood(...flood(bus.ports[name] ?? 0));
        await flooding.begun;
        await sleep(300);
        const before = pids();
        await expectNotSlowed(flooding, 0.99);
        expect(pids()).toEqual(before);
        expect(flooding.lives).toBe(true);
      }
      for (const { name: process, kib } of peaks.growth()) expect([process, kib < 32 * 1024]).toEqual([process, true]);
    },
  );

  const jid = (n: number): string => `20260101${String(n).padStart(12, "0")}`;
  const parts = (jidOf: (n: number) => string): Record<string, unknown>[] =>
    Array.from({ length: 64 }, (_, n) => {
      const data = Buffer.alloc(limits.partBytes - n, 7);
      return { ...raw.result(jidOf(n), 0), total: limits.resultBytes, sha256: Buffer.alloc(32, n), data };
    });
  const greedy: [string, () => Record<string, unknown>[] | Promise<Record<string, unknown>[]>][] = [
    ["sync in a loop", () => [{ cmd: "sync" }]],
    ["events", () => [{ cmd: "event", tag: "flood", data: { text: "x".repeat(16_000) } }]],
    [
      "the mine of all, by a dear target",
      () => [{ cmd: "mine.get", tgt: `(.*)*${"a?".repeat(900)}`, tgt_type: "pcre", names: ["x"] }],
    ],
    ["lists of files", () => [{ cmd: "file.list", path: "", after: "" }]],
    ["parts of large results of jobs that are none", () => parts(jid)],
    [
      "parts of ever other large results of one job",
      async () => {
        const own = await bus.submit("raw", "test.echo", "x");
        return parts(() => own);
      },
    ],
    [
      "results of one job that contradict each other",
      async () => {
        const own = await bus.submit("raw", "test.echo", "x");
        return Array.from({ length: 1000 }, (_, n) => raw.result(own, n));
      },
    ],
  ];
  it.each(greedy)(
    "RX-11: an accepted minion that sends %s gets its quota, and others their answers",
    async (_what, loads) => {
      await using peaks = new Peaks(pids);
      const frames = (await loads()).map((load) => raw.frame(encode(load)).toString("hex"));
      const before = pids();
      {
        await using flooding = new Flood(requestsWithoutEnd, { ...curveOf(raw), port: bus.ports["ret_port"], frames });
        await flooding.begun;
        await sleep(500);
        await expectNotSlowed(flooding, 0.5);
        expect(flooding.lives).toBe(true);
      }
      underCaps(peaks);
      expect(pids()).toEqual(before);
    },
  );

  it("RX-03: an accepted minion's message without end ends at the cap of the front process, and no job is lost", async () => {
    await using peaks = new Peaks(pids);
    const before = bus.pidsOf("reqserver");
    const jid = await bus.submit("m*", "cmd.run", "sleep 3; echo done");
    {
      await using _flooding = new Flood(partsWithoutEnd, { ...curveOf(raw), port: bus.ports["ret_port"] });
      await until(
        "the reqserver is made anew",
        () => bus.pidsOf("reqserver").length === 1 && bus.pidsOf("reqserver")[0] !== before[0],
        60_000,
      );
    }
    await until("every result", async () => Object.values(await bus.lookup(jid)).join() === "done,done,done", 60_000);
    underCaps(peaks);
    await stillServing(bus);
  });

  it("RX-06: subscriptions without end end at the cap of the publisher, and no job is lost", async () => {
    await using peaks = new Peaks(pids);
    const before = bus.pidsOf("publisher");
    {
      const given = { ...curveOf(raw), port: bus.ports["publish_port"], count: 200_000 };
      await using _flooding = new Flood(subscriptionsWithoutEnd, given);
      const jid = await bus.submit("m*", "cmd.run", "sleep 3; echo done");
      await until(
        "the publisher is made anew",
        () => bus.pidsOf("publisher").some((pid) => !before.includes(pid)),
        60_000,
      );
      await until("every result", async () => Object.values(await bus.lookup(jid)).join() === "done,done,done", 60_000);
    }
    underCaps(peaks);
    await bus.connected();
    await unharmed(bus, async () => undefined);
  });
});
