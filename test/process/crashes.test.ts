import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LocalClient } from "../../src/client/local.ts";
import { Bus } from "../support/bus.ts";
import { commandOf, until } from "../support/proc.ts";
import { Points } from "../support/failpoints.ts";
import { Marks } from "../support/marks.ts";

let bus: Bus;
let client: LocalClient;
let marks: Marks;
let points: Points;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "msalt-points-"));
  points = new Points(folder);
  bus = await Bus.start({
    minions: ["m1"],
    master: "worker_threads: 2",
    masterEnv: points.env,
    minionEnv: () => points.env,
  });
  client = await LocalClient.connect(bus.sockDir);
  marks = new Marks(bus, client);
  marks.knows("m1", bus.minion("m1"));
});
afterAll(async () => {
  (client as LocalClient | undefined)?.close();
  await bus[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const restartMinion = (): Promise<void> => bus.restartMinion("m1", (minion) => marks.knows("m1", minion));
const works = async (): Promise<void> => {
  await marks.ended(await marks.run("m1"));
};

describe("a fault of msalt itself", () => {
  it.each(["controller", "publisher", "reqserver", "worker"] as const)(
    "PF-11: an uncaught exception in the %s is logged, and it is started again",
    async (role) => {
      const before = bus.pidsOf(role);
      points.arm("child.ping", { act: "throw", program: `master-${role}` });
      await points.waitFor("child.ping");
      await until("another one", () => {
        const now = bus.pidsOf(role);
        return now.length === before.length && now.some((pid) => !before.includes(pid));
      });
      await works();
      expect(bus.master?.stderr).toContain("Error: failpoint child.ping");
      expect(bus.master?.stderr).toContain(`master process ${role} ended, starting it again`);
      expect(bus.master?.stderr).not.toContain("it does not answer");
    },
  );

  it("PF-11: a rejection that nobody handles ends the controller, and no job", async () => {
    points.arm("order.send", { act: "throw" });
    const job = await marks.run("m1");
    await points.waitFor("order.send");
    expect((await marks.ended(job)).map(({ state }) => state)).toEqual(["succeeded"]);
    expect(bus.master?.stderr).toContain("Error: failpoint order.send");
  });

  it.each(["controller", "publisher", "reqserver", "worker"] as const)(
    "PF-11: a %s that answers its supervisor just when that dies does not stay behind",
    async (role) => {
      const pids = bus.pidsOf(role);
      points.arm("child.ping", { act: "delay", ms: 500, program: `master-${role}` });
      await points.waitFor("child.ping");
      bus.master?.child.kill("SIGKILL");
      await until("the end of its children", () => pids.every((pid) => commandOf(pid) === ""));
      await bus.restartMaster();
      await works();
    },
  );

  it("PF-11: a process that dies again and again is started ever more rarely, and the others work on", async () => {
    const said = (): number[] =>
      [...(bus.master?.stderr ?? "").matchAll(/publisher ended, starting it again.* inMs=(\d+)/g)].map(([, ms]) =>
        Number(ms),
      );
    const before = said().length;
    // One that has just been started would count as in a crash loop at its first death already.
    await sleep(1500);
    points.arm("child.start", { act: "throw", program: "master-publisher", always: true });
    for (const pid of bus.pidsOf("publisher")) process.kill(pid, "SIGKILL");
    await until("five deaths", () => said().length >= before + 5, 60_000);
    expect((await bus.run("manage.status")).code).toBe(0);
    points.disarm("child.start");
    // The first was not in a crash loop.
    expect(said().slice(before + 1, before + 5)).toEqual([200, 400, 800, 1600]);
    await works();
  });

  it("PF-11: an uncaught exception in the supervisor or in a minion ends it with a word, and no job twice", async () => {
    points.arm("child.restart", { act: "throw" });
    for (const pid of bus.pidsOf("reqserver")) process.kill(pid, "SIGKILL");
    const { code, stderr } = (await bus.master?.exit) ?? { code: 0, stderr: "" };
    expect(code).not.toBe(0);
    expect(stderr).toContain("Error: failpoint child.restart");
    await bus.restartMaster();
    await works();

    const job = await marks.run("m1", {}, "sleep 30;");
    // The line says whose child it is: nobody's, if the minion dies before the shell has begun.
    await until("it runs", () => readFileSync(join(bus.root, "ran"), "utf8").includes(job.mark));
    points.arm("run.report", { act: "throw" });
    await bus.submit("m1", "test.sleep", "1");
    const minion = await bus.minion("m1").exit;
    expect(minion.code).not.toBe(0);
    expect(minion.stderr).toContain("Error: failpoint run.report");
    await restartMinion();
    expect((await marks.ended(job)).map(({ state }) => state)).toEqual(["lost"]);
    expect(await marks.violations(({ state }) => state === "lost")).toEqual([]);
  });
});

describe("a job that ends its own minion", () => {
  it("PF-10: in order, its result is kept", async () => {
    const job = await marks.run("m1", {}, "kill -TERM $PPID; sleep 0.5;");
    expect(await bus.minion("m1").exit).toMatchObject({ code: 0 });
    // A minion that stops waits a moment for its master to take the result; what it could not hand over lies in its ledger.
    await restartMinion();
    expect((await marks.ended(job)).map(({ state }) => state)).toEqual(["succeeded"]);
    await works();
    expect(await marks.violations(({ state }) => state === "lost")).toEqual([]);
  });

  it("PF-10: at once, it is lost and never begins again", async () => {
    const job = await marks.run("m1", {}, "kill -KILL $PPID; sleep 0.5;");
    await restartMinion();
    expect((await marks.ended(job)).map(({ state }) => state)).toEqual(["lost"]);
    await works();
    expect(await marks.violations(({ state }) => state === "lost")).toEqual([]);
  });
});
