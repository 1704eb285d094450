import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LocalClient } from "../../src/client/local.ts";
import { isTerminal } from "../../src/job/state.ts";
import { type Jid, type MinionId, asJid } from "../../src/wire/ids.ts";
import { rawMinion, stillServing } from "../support/attack.ts";
import { Bus } from "../support/bus.ts";
import { until } from "../support/proc.ts";
import { Peaks } from "../support/measure.ts";

const printed = Number(process.env["MSALT_TEST_PRINTED_BYTES"] ?? 200_000_000);
const roles = ["controller", "publisher", "reqserver", "worker"] as const;

describe("more than there is room for", () => {
  let bus: Bus;
  let client: LocalClient;
  beforeAll(async () => {
    bus = await Bus.start({ minions: ["m1", "m2", "m3"] });
    client = await LocalClient.connect(bus.sockDir);
  });
  afterAll(async () => {
    client.close();
    await bus[Symbol.asyncDispose]();
  });
  const pids = (): number[] => roles.flatMap((role) => bus.pidsOf(role));
  const statesOf = async (jid: Jid): Promise<Record<string, string>> =>
    Object.fromEntries((await client.call("job.record", { jid })).targets.map(({ id, state }) => [id, state]));

  it("RX-08: a minion that stands still keeps nobody from large orders, and gets its own when it goes on", async () => {
    await using peaks = new Peaks(pids);
    const before = pids();
    const stopped = bus.minion("m3");
    stopped.child.kill("SIGSTOP");
    const order = {
      tgt: "m*",
      tgtType: "glob" as const,
      fun: "test.echo",
      user: "test",
      waitMs: 20_000,
      ttlMs: 300_000,
    };
    const text = "x".repeat(700_000);
    const jids: Jid[] = [];
    for (let n = 0; n < 40; n += 1) jids.push((await client.call("publish", { ...order, arg: [`${n} ${text}`] })).jid);
    for (const jid of jids) {
      await until(`m1 and m2 have done ${jid}`, async () => {
        const { m1, m2 } = await statesOf(jid);
        return m1 === "succeeded" && m2 === "succeeded";
      });
    }
    expect(pids()).toEqual(before);
    for (const { name, kib } of peaks.growth()) expect([name, kib < 200 * 1024]).toEqual([name, true]);
    stopped.child.kill("SIGCONT");
    for (const jid of jids)
      await until(`m3 has done ${jid}`, async () => (await statesOf(jid))["m3"] === "succeeded", 60_000);
  });

  it("RX-09: a listener that reads nothing costs a bounded part of memory and is told what it missed; others hear all", async () => {
    const deaf = bus.spawn("msalt-run", "state.event", "flood/", "count=100000000");
    await deaf.says("");
    const hearing = await Promise.all([1, 2, 3].map(() => LocalClient.connect(bus.sockDir)));
    const heard = hearing.map(() => new Set<unknown>());
    for (const [n, each] of hearing.entries()) await each.subscribe("flood/", ({ data }) => heard[n]?.add(data["n"]));
    await until("it listens", async () => {
      await client.call("event.fire", { tag: "flood/first", data: {} });
      return deaf.stdout.includes("flood/first");
    });
    deaf.child.kill("SIGSTOP");
    await using peaks = new Peaks(pids);
    const pad = "x".repeat(16_000);
    const count = 12_000;
    for (let n = 0; n < count; n += 100) {
      const batch = Array.from({ length: 100 }, (_, k) =>
        client.call("event.fire", { tag: "flood/more", data: { n: n + k, pad } }),
      );
      await Promise.all(batch);
    }
    for (const [n, each] of heard.entries()) await until(`listener ${n} has heard all`, () => each.size > count);
    for (const { name, kib } of peaks.growth()) expect([name, kib < 96 * 1024]).toEqual([name, true]);
    deaf.child.kill("SIGCONT");
    await until(
      "it goes on",
      async () => {
        await client.call("event.fire", { tag: "flood/last", data: {} });
        return deaf.stdout.includes("flood/last");
      },
      60_000,
    );
    const missed = [...deaf.stderr.matchAll(/msalt-run: (\d+) events? (?:are|is) missing here/g)].map(([, n]) =>
      Number(n),
    );
    const had = deaf.stdout.match(/^flood\/more\t/gm)?.length ?? 0;
    expect(missed.length).toBeGreaterThan(0);
    expect(missed.reduce((sum, n) => sum + n, had)).toBeGreaterThanOrEqual(count);
    for (const each of hearing) each.close();
    await deaf.stop("SIGKILL");
  });

  it("RX-09: large results do not pile up for a listener that reads nothing, and are shown whole to who asks", async () => {
    const deaf = bus.spawn("msalt-run", "state.event");
    await until("it listens", async () => {
      await client.call("event.fire", { tag: "flood/first", data: {} });
      return deaf.stdout.includes("flood/first");
    });
    deaf.child.kill("SIGSTOP");
    await using peaks = new Peaks(() => bus.pidsOf("controller"));
    const before = pids();
    const bytes = 7_000_000;
    for (let n = 0; n < 8; n += 1) {
      const large = `head -c ${bytes} /dev/zero | tr '\\0' x`;
      const { stdout, code } = await bus.msalt("m*", "cmd.run", large, "--timeout=60", "--out=json", "--static");
      const lengths = Object.values(JSON.parse(stdout) as Record<string, string>).map(({ length }) => length);
      expect([code, ...lengths]).toEqual([0, bytes, bytes, bytes]);
    }
    const { jobs } = await client.call("job.list", { limit: 1 });
    const ids = ["m1", "m2", "m3"] as MinionId[];
    const page = await client.call("job.returns", { jid: asJid(jobs[0]?.job.jid ?? ""), ids });
    expect([page.targets.map(({ id }) => id), page.next]).toEqual([["m1"], 1]);
    expect(pids()).toEqual(before);
    for (const { name, kib } of peaks.growth()) expect([name, kib < 140 * 1024]).toEqual([name, true]);
    deaf.child.kill("SIGCONT");
    await deaf.says(/"return": ?"VALUE_TRIMMED"/);
    await deaf.stop("SIGKILL");
  });

  it("RX-10: while workers stand still requests wait in bounded queues, and all are served when they go on", async () => {
    const raws = await Promise.all(["r1", "r2", "r3", "r4"].map((id) => rawMinion(bus, id)));
    const body = Buffer.alloc(4000);
    const frames = raws.map((raw) => Array.from({ length: 500 }, () => raw.frame(body)));
    await using peaks = new Peaks(() => bus.pidsOf("reqserver"));
    for (const pid of bus.pidsOf("worker")) process.kill(pid, "SIGSTOP");
    for (let n = 0; n < 500; n += 1)
      for (const [k, raw] of raws.entries()) await raw.sendFrames(frames[k]?.[n] ?? body).catch(() => undefined);
    const waiting = raws.map((raw) => raw.ask({ cmd: "sync" }, 3000));
    await Promise.all(waiting);
    for (const pid of bus.pidsOf("worker")) process.kill(pid, "SIGCONT");
    for (const raw of raws)
      await until(`${raw.id} is answered again`, async () => (await raw.ask({ cmd: "sync" }))?.ok !== undefined);
    for (const { name, kib } of peaks.growth()) expect([name, kib < 64 * 1024]).toEqual([name, true]);
    for (const raw of raws) raw[Symbol.dispose]();
    await stillServing(bus);
  });

  it("RX-13: a job that prints far more than is kept is cut, and says so; the minion does not grow with it", async () => {
    await using peaks = new Peaks(() => [bus.minion("m1").pid]);
    const { stdout } = await bus.msalt(
      "-t",
      "60",
      "m1",
      "cmd.run",
      `head -c ${printed} /dev/zero | tr '\\0' x`,
      "--out=json",
    );
    const text = (JSON.parse(stdout) as { m1: string }).m1;
    expect(text.length).toBeLessThan(9 * 1_048_576);
    expect(text.slice(-200)).toMatch(/cut|truncated|more/i);
    for (const { name, kib } of peaks.growth()) expect([name, kib < 160 * 1024]).toEqual([name, true]);
    await stillServing(bus);
  }, 120_000);

  it("RX-13: a job that starts processes without end leaves none when its time is up", async () => {
    const many = "for i in $(seq 300); do sleep 4711 & done; wait";
    const jid = (await bus.submit("m2", "cmd.run", many, "--run-timeout", "15")) as Jid;
    const sleeping = (): number => spawnSync("pgrep", ["-fx", "sleep 4711"]).stdout.toString().split("\n").length - 1;
    await until("they are there", () => sleeping() === 300);
    await stillServing(bus, "m2");
    await until(
      "it is over",
      async () => isTerminal((await client.call("job.record", { jid })).targets[0]?.state ?? "waiting"),
      60_000,
    );
    expect((await statesOf(jid))["m2"]).toBe("timed_out");
    expect(sleeping()).toBe(0);
    await stillServing(bus, "m2");
  });
});
