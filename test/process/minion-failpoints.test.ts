/** A minion killed at each of its failpoints, and what must be true after that: see `Marks`. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LocalClient } from "../../src/client/local.ts";
import { type Failpoint, minionPoints } from "../../src/lib/failpoint.ts";
import { Ledger } from "../../src/minion/ledger.ts";
import { asJid } from "../../src/wire/ids.ts";
import { Bus } from "../support/bus.ts";
import { until } from "../support/proc.ts";
import { Points, startedAtLast } from "../support/failpoints.ts";
import { Marks } from "../support/marks.ts";

const ids = ["m1", "m2", "m3"] as const;
let bus: Bus;
let client: LocalClient;
let marks: Marks;
let folder: string;
const points = new Map<string, Points>();

/** Each minion has its own. */
function ofMinion(id: string): Points {
  const found = points.get(id) ?? new Points(join(folder, id));
  points.set(id, found);
  return found;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "msalt-points-"));
  bus = await Bus.start({ minions: ids, master: "worker_threads: 2", minionEnv: (id) => ofMinion(id).env });
  client = await LocalClient.connect(bus.sockDir);
  marks = new Marks(bus, client);
  for (const id of ids) marks.knows(id, bus.minion(id));
}, 60_000);

afterAll(async () => {
  (client as LocalClient | undefined)?.close();
  await bus[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const restartMinion = (id: string): Promise<void> => bus.restartMinion(id, (minion) => marks.knows(id, minion));

/** Makes the ledger large with what may be forgotten by now. */
async function fillLedger(path: string): Promise<void> {
  const at = Date.now() - 3 * 3_600_000;
  const ledger = await Ledger.open(path, { now: () => at });
  for (let n = 0; n < 3; n += 1) {
    const job = { jid: asJid(`2020010100000000000${n}`), fun: "cmd.run" };
    await ledger.start({ ...job, notAfter: at });
    const ret = Buffer.alloc(1_000_000);
    await ledger.end({ ...job, state: "succeeded", retcode: 0, success: true, ret });
    await ledger.ack(job.jid);
  }
  await ledger.close();
}

/** Where a job passes in a minion, for the how-manieth time, and how it ends. START is the first write, END the second. */
const inTheMinion: readonly (readonly [Failpoint, number, "succeeded" | "lost"])[] = [
  ["order.take", 1, "succeeded"],
  ["ledger.write", 1, "succeeded"],
  ["ledger.sync", 1, "lost"],
  ["ledger.synced", 1, "lost"],
  ["run.begin", 1, "lost"],
  ["run.report", 1, "lost"],
  ["run.end", 1, "lost"],
  ["ledger.write", 2, "lost"],
  ["ledger.sync", 2, "succeeded"],
  ["ledger.synced", 2, "succeeded"],
  ["result.send", 1, "succeeded"],
  ["result.stored", 1, "succeeded"],
];

describe("a minion killed at each of its failpoints", () => {
  const mayBeLost = new Set<string>();

  it("PF-06: at each step of a job: never twice, lost where it had begun, and one result", async () => {
    const all = [...inTheMinion];
    const rounds = async (id: string): Promise<void> => {
      for (let step = all.shift(); step !== undefined; step = all.shift()) {
        const [name, nth, state] = step;
        ofMinion(id).arm(name, { act: "kill", nth });
        const job = await marks.run(id, {}, name === "run.report" ? "sleep 0.5;" : "");
        await ofMinion(id).waitFor(name);
        if (state === "lost") mayBeLost.add(job.mark);
        await restartMinion(id);
        const [target] = await marks.ended(job);
        expect([name, nth, target?.state]).toEqual([name, nth, state]);
      }
    };
    await Promise.all(ids.map((id) => rounds(id)));
  }, 180_000);

  it("PF-06: where a function changes a file: it is the old one or the new one, and the job is lost", async () => {
    const place = join(bus.root, "place");
    mkdirSync(join(bus.masterRoot, "srv/salt"), { recursive: true });
    writeFileSync(join(bus.masterRoot, "srv/salt/new"), "new");
    const kept = ["kept.sync", "kept.rename", "kept.folder"] as const;
    const steps: readonly (readonly [string, readonly Failpoint[], string, ...unknown[]])[] = [
      ["m1", ["fetch.sync", "fetch.rename"], "cp.get_file", "salt://new", place],
      ["m2", ["file.rename"], "file.replace", place, "old", "new"],
      ["m2", kept, "grains.setval", "role", "new"],
      // With its new name it is the new one, and what is there cannot be added again.
      ["m3", ["kept.sync", "kept.rename"], "schedule.add", "new", "function=test.ping", "hours=9"],
      ["m3", ["kept.folder"], "schedule.disable"],
    ];
    for (const [id, names, fun, ...arg] of steps) {
      for (const name of names) {
        writeFileSync(place, "old");
        ofMinion(id).arm(name, { act: "kill" });
        const jid = await bus.submit(id, fun, ...arg.map(String));
        await ofMinion(id).waitFor(name);
        expect(readFileSync(place, "utf8")).toBe("old");
        await restartMinion(id);
        await until(`${fun} is lost`, async () => String((await bus.lookup(jid))[id]).includes("lost"), 60_000);
      }
      expect(await bus.msalt(id, fun, ...arg.map(String))).toMatchObject({ code: 0 });
    }
  }, 180_000);

  it("PF-06: at each step of its first start, and while its ledger is made smaller", async () => {
    const names = [
      "lock.link",
      "lock.rename",
      "key.sync",
      "key.rename",
      "key.folder",
      "enrol.send",
      "request.send",
    ] as const;
    const ledger = ["ledger.draft", "ledger.rename", "ledger.folder"] as const;
    const own = ofMinion("m4");
    for (const name of [...names, ...ledger]) own.arm(name, { act: "kill", nth: name.startsWith("key.") ? 2 : 1 });
    const start = (): ReturnType<Bus["startMinion"]> => bus.startMinion("m4", false);
    await startedAtLast(start, "msalt-minion ready", names.length + ledger.length);
    for (const name of [...names, ...ledger]) await own.waitFor(name);

    await bus.minion("m4").stop();
    await fillLedger(join(bus.minionRoot("m4"), "var/lib/msalt/minion/ledger"));
    await restartMinion("m4");
    for (const name of ledger) own.arm(name, { act: "kill" });
    const job = await marks.run("m4");
    // It is written anew once the START is in it: the job is lost, and its END has the next start write it anew again.
    mayBeLost.add(job.mark);
    await own.waitFor("ledger.draft");
    await restartMinion("m4");
    for (const name of ledger) await own.waitFor(name);
    // It is made smaller while the minion connects: the last of them may have come when it was ready already.
    const end = marks.ended(job);
    await Promise.race([end.catch(() => undefined), bus.minion("m4").exit]);
    if (!bus.minion("m4").alive) await restartMinion("m4");
    await end;
  }, 180_000);

  it("I1-I4: in the end every job is in the record as on the minions", async () => {
    expect(await marks.violations(({ state }, { mark }) => state === "lost" && mayBeLost.has(mark))).toEqual([]);
    const all = [...ids, "m4"];
    await Promise.all(all.map((id) => bus.minion(id).stop()));
    expect(await marks.ledgerViolations(all)).toEqual([]);
  });

  it("has been killed at all of them", () => {
    const reached = new Set([...ids, "m4"].flatMap((id) => [...ofMinion(id).reached]));
    expect(minionPoints.filter((name) => !reached.has(name))).toEqual([]);
  });
});
