import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stillServing } from "../support/attack.ts";
import { Bus } from "../support/bus.ts";

describe("HS-15: new keys for hosts that stay who they are", () => {
  let bus: Bus;
  beforeAll(async () => {
    bus = await Bus.start({ minions: ["m1", "m2", "m3"], master: "timeout: 60" });
  });
  afterAll(() => bus[Symbol.asyncDispose]());

  const fingerprints = async (): Promise<unknown> => JSON.parse((await bus.key("-F", "--out=json")).stdout);

  it("the master's: minions follow by themselves, and no job is lost", async () => {
    const before = await fingerprints();
    const jid = await bus.submit("*", "cmd.run", "sleep 2; echo done");
    expect(await bus.key("--rotate-keys", "master")).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/from its next start on.*([0-9a-f]{2}:){31}[0-9a-f]{2}/s),
    });
    expect(await bus.msalt("m1", "test.ping")).toMatchObject({ code: 0 });
    await bus.master?.stop();
    await bus.startMaster();
    await bus.connected();
    await expect.poll(() => bus.lookup(jid), { timeout: 60_000 }).toEqual({ m1: "done", m2: "done", m3: "done" });
    expect(await fingerprints()).toEqual(before);
  });

  it("a minion's: the master takes them without being asked", async () => {
    const before = await fingerprints();
    await bus.minion("m1").stop();
    const { code } = await bus.spawn("msalt-key", "--rotate-keys", "minion", "--root-dir", bus.minionRoot("m1")).exit;
    expect(code).toBe(0);
    await bus.startMinion("m1");
    await stillServing(bus, "m1");
    expect(await fingerprints()).toEqual(before);
    await bus.master?.says("minion m1 has new keys");
  });

  it("says who can have new keys", async () => {
    expect(await bus.key("--rotate-keys", "all")).toMatchObject({
      code: 64,
      stderr: expect.stringContaining("--rotate-keys all: master or minion was expected"),
    });
  });
});
