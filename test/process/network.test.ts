import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bus } from "../support/bus.ts";
import { until } from "../support/proc.ts";
import { type FaultyPath, type Paths, both, pathsTo } from "../support/faulty-path.ts";
import { seedOfRun, seeded } from "../support/seed.ts";

const rounds = Number(process.env["MSALT_TEST_ROUNDS"] ?? 3);
const random = seeded(seedOfRun());
const pick = <T>(...from: T[]): T => from[Math.floor(random() * from.length)] as T;

describe("minions behind paths that stall, lose and break", () => {
  const ids = ["m1", "m2", "m3", "m4"];
  const paths = new Map<string, Paths>();
  let bus: Bus;
  beforeAll(async () => {
    bus = await Bus.start({ minions: [] });
    for (const id of ids) {
      const direct = bus.ports;
      const path = await pathsTo(bus.ports);
      paths.set(id, path);
      bus.ports = { ...direct, ret_port: path.requests.port, publish_port: path.publications.port };
      await bus.startMinion(id);
      bus.ports = direct;
    }
  });
  afterAll(async () => {
    for (const path of [...paths.values()].flatMap(both)) await path[Symbol.asyncDispose]();
    await bus[Symbol.asyncDispose]();
  });

  const pathOf = (id: string): Paths => {
    const found = paths.get(id);
    if (found === undefined) throw new Error(`no path of ${id}`);
    return found;
  };
  /** A job that writes one line for each time that it is run. */
  const counted = (name: string, more = ""): { command: string; runs: () => string[] } => {
    const file = join(bus.root, name);
    writeFileSync(file, "");
    return {
      command: `${more} echo $MSALT_MINION_ID ran >> ${file}; echo done`,
      runs: () => readFileSync(file, "utf8").split("\n").filter(Boolean),
    };
  };
  const allDone = async (jid: string): Promise<void> =>
    until(
      `every result of ${jid}`,
      async () => Object.values(await bus.lookup(jid)).join() === ids.map(() => "done").join(),
      60_000,
    );

  it("NF-02, NF-05: a peer that vanishes, or is heard only or hears only, is seen as gone; nothing runs twice", async () => {
    const go = join(bus.root, "go");
    const during = counted("during", `until [ -e ${go} ]; do sleep 0.05; done;`);
    const running = await bus.submit("*", "cmd.run", during.command, "--ttl", "300");
    await bus.runs(running, 4);
    for (const path of both(pathOf("m1"))) path.clog("up", "down");
    for (const path of both(pathOf("m2"))) path.clog("up");
    for (const path of both(pathOf("m3"))) path.clog("down");
    writeFileSync(go, "");
    await until(
      "three are seen as gone",
      async () => (await bus.run("manage.down", "--out=json")).stdout.replaceAll(/\s/g, "") === '["m1","m2","m3"]',
      60_000,
    );
    const meanwhile = counted("meanwhile");
    const later = await bus.submit("*", "cmd.run", meanwhile.command, "--ttl", "300");
    // Who has vanished comes back as somebody else; the others are heard again.
    for (const path of both(pathOf("m1"))) path.cut();
    for (const path of [...paths.values()].flatMap(both)) path.unclog();
    await allDone(running);
    await allDone(later);
    expect([during.runs().length, meanwhile.runs().length]).toEqual([4, 4]);
    await bus.connected();
  }, 180_000);

  it("NF-06: a job that is published before the subscription works comes with it", async () => {
    const { publications } = pathOf("m4");
    publications.clog("up");
    publications.cut();
    await until(
      "m4 is seen as gone",
      async () => (await bus.run("manage.down", "--out=json")).stdout.includes("m4"),
      60_000,
    );
    const { command, runs } = counted("early");
    const jid = await bus.submit("m4", "cmd.run", command, "--ttl", "300");
    publications.unclog();
    publications.cut();
    await until("its result", async () => (await bus.lookup(jid))["m4"] === "done", 60_000);
    expect(runs()).toHaveLength(1);
  }, 120_000);

  it(
    "NF-10: connections that are clogged one by one and unclogged in another order lose and double nothing",
    async () => {
      await bus.connected();
      for (let round = 0; round < rounds; round += 1) {
        const { command, runs } = counted(`round${round}`);
        const shuffled = (): FaultyPath[] =>
          [...paths.values()]
            .flatMap(both)
            .map((path) => [random(), path] as const)
            .toSorted(([a], [b]) => a - b)
            .map(([, path]) => path);
        const jids: string[] = [];
        for (const path of shuffled()) {
          path.clog(...pick<("up" | "down")[]>(["up"], ["down"], ["up", "down"]));
          if (random() < 0.3) path.cut();
          if (random() < 0.4) jids.push(await bus.submit("*", "cmd.run", command, "--ttl", "300"));
        }
        for (const path of shuffled()) path.unclog();
        for (const jid of jids) await allDone(jid);
        expect(runs()).toHaveLength(4 * jids.length);
      }
      await bus.connected();
    },
    90_000 + rounds * 30_000,
  );
});
