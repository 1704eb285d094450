/**
 * Mixed work on 20 minions while every kind of process is killed and stopped at random: nothing is lost and nothing runs twice.
 * `npm run marathon` is the long form: 10,000 jobs. The seed is printed, and `MSALT_MARATHON_SEED` plays its faults again.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { LocalClient } from "../../src/client/local.ts";
import { MsaltError } from "../../src/errors.ts";
import type { Target } from "../../src/job/types.ts";
import { Bus } from "../support/bus.ts";
import { Faults } from "../support/faults.ts";
import { type Marked, Marks } from "../support/marks.ts";
import { Random } from "../support/random.ts";
import { startSwarm } from "../support/swarm.ts";

const jobs = Number(process.env["MSALT_MARATHON_JOBS"] ?? 300);
const seed = Number(process.env["MSALT_MARATHON_SEED"] ?? Date.now() % 1_000_000);
const isLong = jobs >= 5000;
const real = Array.from({ length: 6 }, (_, n) => `m${n + 1}`);
const emulated = 14;
/** Jobs under way at a time. */
const most = 150;
/** How far the clocks of the record and of the test may lie apart. */
const slackMs = 5000;

it(
  `PF-01, PF-02, PF-03, PF-04 and PF-08: ${jobs} jobs while everything is killed and stopped, seed ${seed}`,
  { timeout: 240_000 + jobs * 400 },
  async () => {
    const random = new Random(seed);
    await using bus = await Bus.start({ minions: real, master: "enroll_rate: 1000000\nworker_threads: 2" });
    const swarm = await startSwarm(bus, emulated);
    const client = await LocalClient.connect(bus.sockDir);
    const marks = new Marks(bus, client, (id) => id.startsWith("web"));
    for (const [id, minion] of bus.minions) marks.knows(id, minion);
    const stopMs = isLong ? 15_000 : 12_000;
    const everyMs = isLong ? ([500, 4000] as const) : ([500, 2500] as const);
    const faults = new Faults({ bus, marks, random, emulated, stopMs, everyMs }, swarm);
    const healed = new AbortController();
    const faulting = faults.run(healed.signal);
    faulting.catch(() => undefined);

    /** Of its own, so that what the faults do depends on the seed alone. */
    const work = new Random(seed + 1);
    const killed = new Set<Marked>();
    const kill = async (job: Marked): Promise<void> => {
      killed.add(job);
      await sleep(work.between(0, 2000));
      for (const { jid } of [job])
        if (jid !== undefined) await patiently(() => client.call("job.kill", { jid, user: "test" }));
    };
    const orders: readonly (() => Promise<unknown>)[] = [
      () => marks.run(`web${1 + Math.floor(work.next() * emulated)}`),
      () => marks.run("web*", { subset: 4 }),
      () => marks.run(work.pick(real) ?? "m1"),
      () => marks.run(work.pick(real) ?? "m1", {}, "sleep 0.3;"),
      () => marks.run(`m[1-${1 + Math.floor(work.next() * 3)}]`),
      () => marks.run(work.pick(real) ?? "m1", { timeoutMs: 600_000 }, "sleep 2;"),
      () => marks.run("*", { subset: 5, parallel: 2 }),
      async () => void kill(await marks.run("m*", { subset: 2 }, "sleep 20;")),
      () => marks.run("*"),
    ];
    const started = Date.now();
    while (marks.jobs.length < jobs) {
      // The more costly, the more rarely.
      await orders[Math.floor(work.next() * work.next() * orders.length)]?.();
      if (isLong) await sleep(10);
      else await sleep(60);
      if (marks.jobs.length % 20 > 0) continue;
      while ((await patiently(() => client.call("job.active", {}))).jobs.length > most) await sleep(200);
    }
    healed.abort();
    await faulting;

    const mayBe = ({ id, state, ended = 0 }: Target, job: Marked): boolean => {
      if (killed.has(job) && (state === "killed" || state === "skipped")) return true;
      const times = faults.killed.get(id.startsWith("web") ? "web" : id) ?? [];
      return state === "lost" && times.some((at) => at > started - slackMs && at < ended + slackMs);
    };
    const found = await marks.violations(mayBe);
    const stop = (): Promise<unknown> => Promise.all([...bus.minions.values()].map((minion) => minion.stop()));
    await stop();
    // The last faults may have swallowed an acknowledgement: who starts sends again at once what has none.
    await Promise.all(real.map((id) => bus.startMinion(id)));
    await stop();
    found.push(...(await marks.ledgerViolations(real)));
    const states = new Map<string, number>();
    for (const { ended } of marks.jobs)
      for (const state of ended.values()) states.set(state, (states.get(state) ?? 0) + 1);
    const show = (all: ReadonlyMap<string, number>): string => [...all].map(([name, n]) => `${n} ${name}`).join(", ");
    const seconds = Math.round((Date.now() - started) / 1000);
    const unknown = marks.jobs.filter(({ jid }) => jid === undefined).length;
    process.stdout.write(
      `marathon, seed ${seed}: ${jobs} jobs in ${seconds} s, ${unknown} of them not taken by a master that died\n` +
        `  targets: ${show(states)}\n  faults: ${show(faults.counts)}\n  violations: ${found.length}\n`,
    );
    await faults.close();
    client.close();
    expect(found).toEqual([]);
  },
);

/** Asks again for as long as there is no master. */
async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (failure) {
      if (!(failure instanceof MsaltError) || failure.code !== "ERR_MASTER_UNREACHABLE") throw failure;
      await sleep(200);
    }
  }
}
