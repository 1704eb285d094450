import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LocalClient } from "../../src/client/local.ts";
import type { BusEvent } from "../../src/wire/local.ts";
import { Bus } from "../support/bus.ts";
import { commandOf, pidsWith, until } from "../support/proc.ts";

describe("jobs that a minion runs by itself", () => {
  let bus: Bus;
  let client: LocalClient;
  let file: string;
  const events: BusEvent[] = [];
  const lines = (): number => (existsSync(file) ? readFileSync(file, "utf8").split("\n").length - 1 : 0);
  const more = async (count: number): Promise<void> => {
    const before = lines();
    await until(`${count} more runs`, () => lines() >= before + count);
  };
  const answer = async (...words: string[]): Promise<unknown> => {
    const { stdout, stderr } = await bus.msalt("m1", ...words, "--out=json", "--static");
    if (stdout === "") throw new Error(stderr);
    return (JSON.parse(stdout) as Record<string, unknown>)["m1"];
  };

  beforeAll(async () => {
    bus = await Bus.start({ minions: ["m1"], master: "timeout: 60" });
    file = join(bus.root, "ticks");
    client = await LocalClient.connect(bus.sockDir);
    await client.subscribe("salt/minion/m1/schedule/", (event) => events.push(event));
  });
  afterAll(async () => {
    client.close();
    await bus[Symbol.asyncDispose]();
  });

  it("run again and again, and their results are events", async () => {
    const command = `job_args=["echo tick >> ${file}; echo done"]`;
    expect(await answer("schedule.add", "tick", "function=cmd.run", command, "seconds=1")).toMatchObject({
      result: true,
    });
    await more(2);
    await until("two events", () => events.length >= 2);
    expect(events[1]?.tag).toBe("salt/minion/m1/schedule/tick");
    expect(events[1]?.data["data"]).toEqual({ fun: "cmd.run", retcode: 0, success: true, return: "done" });
  });

  it("survive a restart of the minion, and the loss of their master", async () => {
    await bus.minion("m1").stop("SIGKILL");
    // One may have been under way when the minion was killed.
    await until("no tick runs", () => pidsWith(file).length === 0);
    const before = lines();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(lines()).toBe(before);
    await bus.startMinion("m1");
    await more(2);
    await bus.master?.stop();
    await more(2);
    await bus.startMaster();
    await bus.connected();
  });

  it("stop when they are deleted", async () => {
    expect(await answer("schedule.delete", "tick")).toMatchObject({ result: true });
    const before = lines();
    await new Promise((resolve) => setTimeout(resolve, 2500));
    // One may have been under way when the answer came.
    expect(lines() - before).toBeLessThanOrEqual(1);
  });

  it("can be seen and killed as others, and end with the minion", async () => {
    const sleeping = async (): Promise<{ jid: string; pid: number } | undefined> =>
      ((await answer("saltutil.running")) as { jid: string; pid: number; user: string }[]).find(
        ({ user }) => user === "schedule",
      );
    /** Until its command has begun, the minion's own pid stands for it. */
    const asleep = async (): ReturnType<typeof sleeping> => {
      let found: Awaited<ReturnType<typeof sleeping>>;
      await until("the command runs", async () => {
        found = await sleeping();
        return commandOf(found?.pid ?? 0).includes("sleep 1000");
      });
      return found;
    };
    await answer(
      "schedule.add",
      "nap",
      "function=cmd.run",
      "job_args=['exec sleep 1000']",
      "hours=1",
      "return_job=False",
    );
    await answer("schedule.run_job", "nap");
    const first = await asleep();
    expect(await answer("saltutil.kill_job", first?.jid ?? "")).toBe(
      `Signal 9 sent to job ${first?.jid} at pid ${first?.pid}`,
    );
    await until("its end", async () => (await sleeping()) === undefined);
    await answer("schedule.run_job", "nap");
    const second = await asleep();
    expect(await bus.minion("m1").stop()).toMatchObject({ code: 0 });
    expect(commandOf(second?.pid ?? 0)).toBe("");
  });

  it("that cannot run keep a minion from starting when its configuration names them", async () => {
    const minion = await bus.startMinion("m1", false, [], "schedule: {a: {function: test.pign, seconds: 1}}");
    const { code, stderr } = await minion.exit;
    expect(code).not.toBe(0);
    expect(stderr).toContain("schedule.a: 'test.pign' is not available. Did you mean test.ping?");
  });
});
