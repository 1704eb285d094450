import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LocalClient } from "../../src/client/local.ts";
import { Bus } from "../support/bus.ts";
import { Proc, dist, until } from "../support/proc.ts";

let bus: Bus;

beforeAll(async () => {
  bus = await Bus.start({ minions: [], autoAccept: false, master: "timeout: 60" });
});
afterAll(() => bus[Symbol.asyncDispose]());

const flags = (): string[] => {
  const { publish_port, ret_port, enroll_port } = bus.ports;
  const ports = [`--publish-port=${publish_port}`, `--master-port=${ret_port}`, `--enroll-port=${enroll_port}`];
  return ["--master", "127.0.0.1", ...ports, "--root-dir", bus.minionRoot("swarm")];
};
const swarm = (...args: string[]): Proc => bus.track(new Proc("msalt-swarm", [...flags(), ...args]));

describe("msalt-swarm", () => {
  it("brings up minions that a master cannot tell from others, and again the same ones", async () => {
    const { stdout: token } = await bus.key("--token", "--uses", "12");
    const like = ["--minions", "12", "--id", "web{n}", "--grain", "dc={n%3}", "--processes", "2"];
    const first = swarm(...like, "--token", token.trim());
    await first.says("msalt-swarm ready minions=12 processes=2");
    const ping = await bus.msalt("*", "test.ping", "--out=json", "--static");
    const ids = Array.from({ length: 12 }, (_, n) => `web${n + 1}`);
    expect(JSON.parse(ping.stdout)).toEqual(Object.fromEntries(ids.map((id) => [id, true])));
    const grain = await bus.msalt("-G", "dc:1", "grains.get", "dc", "--out=json", "--static");
    expect(JSON.parse(grain.stdout)).toEqual({ web1: 1, web4: 1, web7: 1, web10: 1 });
    const run = await bus.msalt("web1", "cmd.run", `touch ${join(bus.root, "touched")}`, "--out=json");
    expect(JSON.parse(run.stdout)).toEqual({ web1: "cmd.run on web1, not really run" });
    expect(await first.stop()).toMatchObject({ code: 0 });

    const second = swarm(...like, "--output-size", "100", "--fail-rate", "1");
    await second.says("msalt-swarm ready minions=12");
    const failed = await bus.msalt("web3", "test.ping", "--out=json");
    expect([failed.code, JSON.parse(failed.stdout)]).toEqual([
      1,
      { web3: "test.ping failed on web3, as it was told to" },
    ]);
    expect(await second.stop("SIGINT")).toMatchObject({ code: 0 });
  });

  it("makes its links anew when told to, and its minions answer", async () => {
    const like = ["--minions", "4", "--id", "web{n}", "--processes", "1", "--disconnect-every", "2"];
    const restless = swarm(...like);
    await restless.says("msalt-swarm ready minions=4");
    const client = await LocalClient.connect(bus.sockDir);
    try {
      const sinceWhen = async (): Promise<Map<string, number>> => {
        const { minions } = await client.call("minion.list", {});
        const linked = minions.filter(({ connected, id }) => connected && /^web[1-4]$/.test(id));
        return new Map(linked.map(({ id, since = 0 }) => [id, since]));
      };
      let first = new Map<string, number>();
      await until("four links", async () => (first = await sinceWhen()).size === 4);
      await until("four newer links", async () => {
        const now = await sinceWhen();
        return [...first].every(([id, since]) => (now.get(id) ?? 0) > since);
      });
    } finally {
      client.close();
    }
    const ping = await bus.msalt("web[1-4]", "test.ping", "--out=json", "--static");
    expect(JSON.parse(ping.stdout)).toEqual({ web1: true, web2: true, web3: true, web4: true });
    await restless.stop();
  });

  it("waits for its keys to be accepted", async () => {
    const waiting = swarm("--minions", "3", "--id", "new{n}");
    await waiting.says("waiting for the rest");
    await until("three keys that wait", async () => {
      const { stdout } = await bus.key("-l", "un");
      return ["new1", "new2", "new3"].every((id) => stdout.includes(id));
    });
    expect((await bus.key("-y", "-a", "new*")).code).toBe(0);
    await waiting.says("msalt-swarm ready minions=3");
    await waiting.stop();
  });

  it.each([
    [["--id", "web"], "put {n} where the number goes"],
    [["--id", "../{n}"], '"../1"'],
    [["--grain", "role", "--id", "g{n}"], "not name=value"],
    [["--minions", "none"], "--minions"],
  ])("says what is wrong with %j", async (args, text) => {
    const { code, stderr } = await swarm("--minions", "3", ...args).exit;
    expect([code, stderr]).toEqual([64, expect.stringContaining(text)]);
  });

  it("says how many open files it would need", () => {
    const command = `ulimit -n 200; exec ${process.execPath} ${join(dist, "msalt-swarm.js")} --minions 500 --processes 1`;
    const { status, stderr } = spawnSync("bash", ["-c", command], { encoding: "utf8" });
    expect(status).toBe(1);
    expect(stderr).toContain("500 minions in one process need about 4100 open files, and the limit is 200");
    expect(stderr).toContain("ulimit -n 4100");
  });
});
