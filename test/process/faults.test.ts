import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { Bus } from "../support/bus.ts";
import { until } from "../support/proc.ts";

/** A command that leaves one line per execution, so that executions can be counted. */
const counted = (bus: Bus, name: string, more = ""): { command: string; runs: () => number } => {
  const file = join(bus.root, name);
  writeFileSync(file, "");
  return {
    command: `echo ran >> ${file}; ${more} echo done`,
    runs: () => readFileSync(file, "utf8").split("\n").filter(Boolean).length,
  };
};

describe("faults", () => {
  let bus: Bus;
  afterEach(() => bus[Symbol.asyncDispose]());

  it.each(["worker", "publisher", "reqserver", "controller"] as const)(
    "kill -9 of the %s during a job: it is back, the job ran once and its result is there",
    async (role) => {
      bus = await Bus.start({ minions: ["m1", "m2"] });
      const { command, runs } = counted(bus, "runs", "sleep 2;");
      const jid = await bus.submit("*", "cmd.run", command);
      await until("both run", () => runs() === 2);
      const before = bus.pidsOf(role);
      for (const pid of before) process.kill(pid, "SIGKILL");
      await until(
        `${role} is back`,
        () => bus.pidsOf(role).length === before.length && !bus.pidsOf(role).some((pid) => before.includes(pid)),
      );
      await until(
        "both results",
        async () => {
          const { code, stdout } = await bus.run("jobs.lookup", jid, "--out=json");
          return code === 0 && stdout.split('"done"').length === 3;
        },
        60_000,
      );
      await bus.connected();
      expect(await bus.msalt("*", "test.ping", "--out=txt")).toMatchObject({ code: 0 });
      expect(runs()).toBe(2);
    },
  );

  it("P3: kill -9 of the whole master while a job ends: the result is stored when it is back", async () => {
    bus = await Bus.start({ minions: ["m1"] });
    const { command, runs } = counted(bus, "runs", "sleep 1;");
    const jid = await bus.submit("m1", "cmd.run", command);
    await until("it runs", () => runs() === 1);
    const children = ["controller", "publisher", "reqserver", "worker"] as const;
    const pids = children.flatMap((role) => bus.pidsOf(role));
    await bus.master?.stop("SIGKILL");
    await until("no process of it is left", () => pids.every((pid) => !exists(pid)));
    await new Promise((resolve) => setTimeout(resolve, 20_000));
    await bus.startMaster();
    // Back-off grows while the master is away; how long it may take is not what is tested here.
    await until("the result", async () => (await bus.lookup(jid))["m1"] === "done", 60_000);
    expect(runs()).toBe(1);
    expect(await bus.msalt("m1", "test.ping")).toMatchObject({ code: 0 });
  }, 120_000);

  it("P2: kill -9 of a minion during a job: it ends as lost and is not run again", async () => {
    bus = await Bus.start({ minions: ["m1"] });
    const { command, runs } = counted(bus, "runs", "sleep 30;");
    const jid = await bus.submit("m1", "cmd.run", command);
    await until("it runs", () => runs() === 1);
    await bus.minion("m1").stop("SIGKILL");
    await bus.startMinion("m1");
    await until("the job is lost", async () => String((await bus.lookup(jid))["m1"]).includes("lost"));
    expect(runs()).toBe(1);
    expect((await bus.run("jobs.exit_success", jid, "--out=json")).stdout).toContain('"m1": false');
  });

  it("P4: a minion that was away at publication runs the job when it is back", async () => {
    bus = await Bus.start({ minions: ["m1", "m2"] });
    const { command, runs } = counted(bus, "runs");
    await bus.minion("m1").stop("SIGKILL");
    const jid = await bus.submit("*", "cmd.run", command);
    await bus.startMinion("m1");
    await until("both results", async () => {
      const found = await bus.lookup(jid);
      return found["m1"] === "done" && found["m2"] === "done";
    });
    expect(runs()).toBe(2);
  });

  it("P4: the first command after a restart of the master reaches every minion", async () => {
    const ids = Array.from({ length: 8 }, (_, n) => `m${n + 1}`);
    bus = await Bus.start({ minions: ids });
    await bus.master?.stop("SIGTERM");
    await bus.startMaster();
    const { code, stdout } = await bus.msalt("*", "test.ping", "--out=json", "-t", "15");
    expect({ code, answers: JSON.parse(stdout) as unknown }).toEqual({
      code: 0,
      answers: Object.fromEntries(ids.map((id) => [id, true])),
    });
  });

  it("P8: names a minion that is not connected at once, and keeps the job for it", async () => {
    bus = await Bus.start({ minions: ["m1", "m2"] });
    await bus.minion("m2").stop("SIGKILL");
    await until("it is seen as gone", async () => (await bus.run("manage.down")).stdout.includes("m2"));
    const { code, stdout } = await bus.msalt("*", "test.ping");
    expect(code).toBe(1);
    expect(stdout).toContain("m1:\n    True");
    expect(stdout).toMatch(/m2:\n {4}Minion did not return. \[Not connected\]/);
    expect(stdout).toMatch(/Not connected since \d{4}-/);
  });

  it("P5: without a master every tool ends with a message and its exit code", async () => {
    bus = await Bus.start({ minions: [] });
    await bus.master?.stop();
    expect(await bus.msalt("*", "test.ping")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("cannot be contacted"),
    });
    expect(await bus.run("manage.status")).toMatchObject({ code: 2 });
    expect(await bus.key("-L")).toMatchObject({ code: 2 });
  });

  it("stops on SIGTERM within 10 s and leaves no process", async () => {
    bus = await Bus.start({ minions: ["m1"] });
    const pids = (["controller", "publisher", "reqserver", "worker"] as const).flatMap((role) => bus.pidsOf(role));
    expect(pids.length).toBeGreaterThanOrEqual(5);
    expect(await bus.master?.stop("SIGTERM")).toMatchObject({ code: 0 });
    expect(pids.filter(exists)).toEqual([]);
    expect(await bus.minion("m1").stop("SIGTERM")).toMatchObject({ code: 0 });
  });
});

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
