import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LocalClient } from "../../src/client/local.ts";
import type { BusEvent } from "../../src/wire/local.ts";
import { dropped, rawMinion, unharmed } from "../support/attack.ts";
import { Bus } from "../support/bus.ts";
import { Proc, until } from "../support/proc.ts";
import { type Fault, type Paths, both, pathsTo } from "../support/faulty-path.ts";
import { seedOfRun, seeded } from "../support/seed.ts";

const crowd = Number(process.env["MSALT_TEST_MINIONS"] ?? 48);
const random = seeded(seedOfRun());
const pick = <T>(...from: T[]): T => from[Math.floor(random() * from.length)] as T;

describe("a crowd behind one path", () => {
  let bus: Bus;
  let path: Paths;
  let swarm: Proc;
  let client: LocalClient;
  const events: BusEvent[] = [];
  beforeAll(async () => {
    bus = await Bus.start({ minions: ["m1"], master: "enroll_rate: 1000000\nlog_level: debug" });
    path = await pathsTo(bus.ports);
    client = await LocalClient.connect(bus.sockDir);
    await client.subscribe("salt/job/", (event) => events.push(event));
  });
  afterAll(async () => {
    client.close();
    await (swarm as Proc | undefined)?.stop();
    for (const each of both(path)) await each[Symbol.asyncDispose]();
    await bus[Symbol.asyncDispose]();
  });

  /** A fault of any kind in one way of one connection, somewhere in these bytes. */
  const anyFault = (from: number, to: number): Fault => {
    const is = pick<Fault["is"]>("reset", "stall", "half-close", "duplicate", "delay", "trickle");
    if (is === "delay") return { is, ms: 20 + random() * 100 };
    if (is === "trickle") return { is, bytes: 1 + Math.floor(random() * 40) };
    return { is, at: from + Math.floor(random() * (to - from)) };
  };
  /** In each of the first connections. */
  const suffer = (from: number, to: number): void => {
    for (const each of both(path)) {
      const faults = Array.from({ length: crowd }, () => ({ way: pick("up", "down"), fault: anyFault(from, to) }));
      each.suffer((connection, way) => (faults[connection]?.way === way ? faults[connection].fault : undefined));
    }
  };
  const pings = async (): Promise<number> => {
    const { stdout } = await bus.msalt("-t", "30", "c*", "test.ping", "--out=json", "--static");
    return Object.values(JSON.parse(stdout || "{}") as object).filter((value) => value === true).length;
  };

  it("NF-04: whatever happens to the first bytes of a connection, every minion comes through", async () => {
    suffer(0, 2000);
    const ports = [`--publish-port=${path.publications.port}`, `--master-port=${path.requests.port}`];
    const like = ["--minions", `${crowd}`, "--id", "c{n}", "--processes", "1", "--output-size", "3000"];
    const to = ["--master", "127.0.0.1", ...ports, `--enroll-port=${bus.ports["enroll_port"]}`];
    swarm = bus.track(new Proc("msalt-swarm", [...like, ...to, "--root-dir", bus.minionRoot("swarm")]));
    await swarm.says(`msalt-swarm ready minions=${crowd}`, 90_000);
    // Its first bytes may be still to come: who is just then away for a moment is not waited for.
    await until("all answer", async () => (await pings()) === crowd, 60_000);
  }, 150_000);

  it("NF-04: whatever happens while results come back, each is stored once", async () => {
    suffer(2000, 8000);
    for (const each of both(path)) each.cut();
    const jids: string[] = [];
    for (let n = 0; n < 3; n += 1) jids.push(await bus.submit("c*", "cmd.run", `echo ${n}`, "--ttl", "300"));
    for (const jid of jids) {
      const whole = async (): Promise<number> =>
        Object.values(await bus.lookup(jid)).filter((text) => String(text).length === 3000).length;
      await until(`every result of ${jid}`, async () => (await whole()) === crowd, 60_000);
      await until("the end of the job", () => events.some(({ tag }) => tag === `salt/job/${jid}/end`));
      expect(events.filter(({ tag }) => tag.startsWith(`salt/job/${jid}/ret/`))).toHaveLength(crowd);
    }
  }, 150_000);

  it("NF-07: when all links are cut at once all come back, and not in one rush after another", async () => {
    for (const each of both(path)) each.suffer(() => undefined);
    await unharmed(bus, async () => {
      for (const each of both(path)) each.cut();
      await until(
        "all are connected again",
        async () => {
          const up = JSON.parse((await bus.run("manage.up", "--out=json")).stdout || "[]") as string[];
          return up.filter((id) => id.startsWith("c")).length === crowd;
        },
        60_000,
      );
    });
    expect(await pings()).toBe(crowd);
    // One connection more for each would do; a rush that fails and comes again would need many.
    for (const each of both(path)) expect(each.connections).toBeLessThanOrEqual(3 * crowd);
  }, 120_000);

  it("NF-09: many behind one address get their own answers, whatever name they choose for their connection", async () => {
    const raws = await Promise.all(["r1", "r2", "r3", "r4"].map((id) => rawMinion(bus, id)));
    const before = raws.map(({ answers }) => answers.length);
    const each = 250;
    for (let n = 0; n < each; n += 10) {
      const asked = raws.flatMap((raw) => Array.from({ length: 10 }, () => raw.ask({ cmd: "sync" }, 20_000)));
      expect((await Promise.all(asked)).filter((reply) => reply?.ok === undefined)).toEqual([]);
    }
    expect(raws.map(({ answers }, n) => answers.length - (before[n] ?? 0))).toEqual(raws.map(() => each));
    const refused = dropped(bus, "parts");
    for (const raw of raws.slice(0, 2)) {
      raw.connect(bus.ports, "the same");
      expect(await raw.ask({ cmd: "sync" }, 500)).toBeUndefined();
    }
    await until("they are refused", () => dropped(bus, "parts") > refused, 60_000);
    for (const raw of raws) raw[Symbol.dispose]();
  }, 90_000);
});
