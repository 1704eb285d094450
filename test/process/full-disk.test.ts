import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Bus } from "../support/bus.ts";
import { until } from "../support/proc.ts";
import { fill, onSmallDisk } from "../support/small-disk.ts";

describe("the minion's disk is full", () => {
  it("P2: begins nothing that it could not remember, and keeps the result of what runs", async (context) => {
    await using bus = await Bus.start({ minions: ["m2"] });
    const data = join(bus.minionRoot("m1"), "var/lib/msalt/minion");
    mkdirSync(data, { recursive: true });
    await onSmallDisk(context, data, async () => {
      await bus.startMinion("m1");
      const ran = join(bus.root, "ran");
      const runs = await bus.submit("m1", "cmd.run", `until [ -e ${bus.root}/go ]; do sleep 0.05; done; echo kept`);
      await bus.runs(runs);
      const makeRoom = fill(data);

      const notStarted = "The job was not started: cannot use the ledger";
      const submitted: string[] = [];
      // The last page of the ledger has room for a few more. Twice: one may be refused for what is written together with it.
      const refused = (): boolean =>
        bus.minion("m1").stderr.split("cannot write the ledger: the job is not started").length > 2;
      while (!refused() && submitted.length < 100) {
        submitted.push(await bus.submit("*", "cmd.run", `echo ran >> ${ran}; echo ${"done".repeat(50)}`));
      }
      const { code, stdout } = await bus.msalt("m1", "cmd.run", `echo no >> ${ran}`);
      expect({ code, stdout }).toMatchObject({ code: 1, stdout: expect.stringContaining(notStarted) as string });
      expect(stdout).toContain("ENOSPC: no space left on device");
      expect((await bus.msalt("m1", "test.ping")).stdout).toBe("m1:\n    True\n");

      await bus.msalt("m2", "file.touch", `${bus.root}/go`);
      await bus.minion("m1").says("cannot write a result to the ledger, trying again");
      expect(JSON.stringify(await bus.lookup(runs))).toContain("running");
      makeRoom();
      await until("the result", async () => (await bus.lookup(runs))["m1"] === "kept");
      await until("no job is open", async () => (await bus.run("jobs.active", "--out=json")).stdout.trim() === "{}");
      const values: string[] = [];
      // One tool at a time: many at once are too slow to be heard by the master in time.
      for (const jid of submitted) values.push(String((await bus.lookup(jid))["m1"]));
      const begun = values.filter((value) => value.startsWith("done")).length;
      expect(begun).toBeLessThan(submitted.length);
      const lines = readFileSync(ran, "utf8").trim().split("\n");
      expect(lines).toEqual(Array.from({ length: submitted.length + begun }, () => "ran"));
      expect((await bus.msalt("m1", "cmd.run", "echo again")).stdout).toContain("again");
    });
  }, 180_000);
});

describe("the master's disk is full", () => {
  it("P3: refuses new jobs, and takes the results that waited when there is room again", async (context) => {
    await using bus = await Bus.start({ minions: [] });
    await bus.master?.stop();
    const data = join(bus.masterRoot, "var/lib/msalt/master");
    await onSmallDisk(
      context,
      data,
      async () => {
        await bus.startMaster();
        await bus.startMinion("m1", true, [], "log_level: debug");
        const runs = await bus.submit("m1", "cmd.run", `until [ -e ${bus.root}/go ]; do sleep 0.05; done; echo kept`);
        await bus.runs(runs);
        const makeRoom = fill(data);

        const refused = await bus.msalt("m1", "cmd.run", `touch ${bus.root}/no`);
        expect(refused).toMatchObject({ code: 2, stdout: "" });
        expect(refused.stderr).toContain(`less than 5 % of the disk of ${data} is free`);
        expect(JSON.stringify(await bus.lookup(runs))).toContain("running");

        // The run ends: the master cannot write its result, and the minion keeps it, come what may.
        writeFileSync(`${bus.root}/go`, "");
        await bus.minion("m1").says("the master's disk is full; keep the result");
        expect(JSON.stringify(await bus.lookup(runs))).toContain("running");
        await bus.minion("m1").stop("SIGKILL");
        makeRoom();
        await bus.startMinion("m1");
        await until("the result", async () => (await bus.lookup(runs))["m1"] === "kept");
        expect((await bus.msalt("m1", "cmd.run", "echo again")).stdout).toContain("again");
        expect(existsSync(`${bus.root}/no`)).toBe(false);
      },
      16,
    );
  });
});
