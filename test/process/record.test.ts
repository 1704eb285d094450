import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { LocalClient } from "../../src/client/local.ts";
import type { Write } from "../../src/store/job-store.ts";
import { openSqliteStore } from "../../src/store/sqlite.ts";
import { type Jid, type MinionId, nextJid } from "../../src/wire/ids.ts";
import { Bus } from "../support/bus.ts";
import { until } from "../support/proc.ts";

const stored = Number(process.env["MSALT_TEST_JOBS"] ?? 100_000);

describe("the master's record", () => {
  let bus: Bus;
  afterEach(() => bus[Symbol.asyncDispose]());

  it("SF-07: with yesterday's record nothing runs again, what was open is answered once more, and a deleted key stays out", async () => {
    bus = await Bus.start({ minions: ["m1", "m2"] });
    const file = join(bus.root, "runs");
    writeFileSync(file, "");
    const runs = (): number => readFileSync(file, "utf8").split("\n").filter(Boolean).length;
    const data = join(bus.masterRoot, "var/lib/msalt/master");
    const jid = await bus.submit("m1", "cmd.run", `echo ran >> ${file}; sleep 2; echo done`, "--ttl", "600");
    await until("it runs", () => runs() === 1);
    await bus.master?.stop();
    cpSync(data, join(bus.root, "yesterday"), { recursive: true });
    await bus.startMaster();
    await until("its result", async () => (await bus.lookup(jid))["m1"] === "done", 60_000);
    const later = await bus.submit("m1", "cmd.run", `echo ran >> ${file}; echo later`);
    await until("another result", async () => (await bus.lookup(later))["m1"] === "later");
    await bus.key("-y", "-d", "m2");
    await bus.master?.stop();

    rmSync(data, { recursive: true });
    cpSync(join(bus.root, "yesterday"), data, { recursive: true });
    await bus.startMaster();
    await bus.connected(["m1"]);
    await until("the result is there again", async () => (await bus.lookup(jid))["m1"] === "done", 60_000);
    expect(runs()).toBe(2);
    expect((await bus.run("jobs.lookup", later)).code).not.toBe(0);
    const fresh = await bus.submit("m1", "cmd.run", "echo fresh");
    expect(fresh > later).toBe(true);
    await until("a new result", async () => (await bus.lookup(fresh))["m1"] === "fresh");
    expect((await bus.key("-l", "acc")).stdout).not.toContain("m2");
  }, 150_000);

  it("RX-14: a large record holds up neither the start nor lists, lookups, purging and new jobs", async () => {
    bus = await Bus.start({ minions: ["m1"] });
    await bus.master?.stop();
    const data = join(bus.masterRoot, "var/lib/msalt/master");
    mkdirSync(data, { recursive: true });
    const store = await openSqliteStore(join(data, "jobs.sqlite"));
    const id = "m1" as MinionId;
    const ret = Buffer.from([0xc3]);
    const from = Date.now() - 80_000_000;
    let jid: Jid | undefined;
    for (let n = 0; n < stored; n += 2000) {
      const writes: Write[] = [];
      for (let k = n; k < Math.min(stored, n + 2000); k += 1) {
        const created = from + Math.floor((k / stored) * 79_000_000);
        jid = nextJid(created * 1000, jid);
        const job = {
          jid,
          user: "root",
          fun: "test.ping",
          arg: [],
          tgt: "m1",
          tgtType: "glob",
          options: { waitMs: 5000 },
          created,
          notAfter: created + 65_000,
          minions: [id],
          missing: [],
        } as const;
        writes.push({ kind: "job", job: { ...job, arg: [], minions: [id], missing: [] } });
        writes.push({
          kind: "target",
          jid,
          target: { id, state: "succeeded", ended: created, retcode: 0, success: true, ret },
        });
        writes.push({ kind: "end", jid, at: created });
      }
      await store.commit(writes);
    }
    await store.close();
    const began = performance.now();
    await bus.startMaster();
    const startMs = performance.now() - began;
    await bus.connected();
    const client = await LocalClient.connect(bus.sockDir);
    const { jobs } = await client.call("job.list", { limit: 10_000 });
    expect(jobs).toHaveLength(Math.min(stored, 10_000));
    let before: Jid | undefined;
    let seen = 0;
    for (;;) {
      const page = await client.call("job.list", { limit: 10_000, ...(before !== undefined && { before }) });
      seen += page.jobs.length;
      before = page.jobs.at(-1)?.job.jid;
      if (page.jobs.length < 10_000) break;
    }
    expect(seen).toBe(stored);
    expect(await client.call("job.record", { jid: jobs.at(-1)?.job.jid ?? ("" as Jid) })).toMatchObject({
      targets: [{ state: "succeeded" }],
    });
    expect(await bus.msalt("m1", "test.ping")).toMatchObject({ code: 0 });
    client.close();

    // Half of them are too old from now on; they go while new ones come.
    await bus.master?.stop();
    const more = join(bus.masterRoot, "etc/msalt/master.d");
    mkdirSync(more);
    writeFileSync(join(more, "keep.conf"), "keep_jobs_seconds: 40000\n");
    await bus.startMaster();
    await bus.connected();
    const again = await LocalClient.connect(bus.sockDir);
    const oldest = nextJid((Date.now() - 40_000_000) * 1000, undefined);
    const old = async (): Promise<number> => (await again.call("job.list", { before: oldest, limit: 1 })).jobs.length;
    const ping = { tgt: "m1", tgtType: "glob" as const, fun: "test.ping", arg: [], user: "test", waitMs: 60_000 };
    const waits: number[] = [];
    const jids: Jid[] = [];
    do {
      const asked = performance.now();
      jids.push((await again.call("publish", ping)).jid);
      waits.push(performance.now() - asked);
      await sleep(20);
    } while ((await old()) > 0);
    for (const jid of jids) {
      const state = async (): Promise<unknown> => (await again.call("job.record", { jid })).targets[0]?.state;
      await until(`the end of ${jid}`, async () => (await state()) === "succeeded");
    }
    expect((await again.call("job.list", { before: jids[0], limit: 10_000 })).jobs.length).toBeGreaterThan(0);
    process.stdout.write(
      `a record of ${stored} jobs: start ${startMs.toFixed(0)} ms; ${jids.length} jobs accepted while half of them were dropped, ` +
        `at the longest after ${Math.max(...waits).toFixed(0)} ms\n`,
    );
    again.close();
  }, 600_000);
});
