/** One job to all, until the client has every answer from the durable record. */
import { setTimeout as sleep } from "node:timers/promises";
import { followJob } from "../../src/client/follow.ts";
import type { LocalClient } from "../../src/client/local.ts";
import { Bed, cpuPer, roles, swarmProcesses } from "../bed.ts";
import { sharedNow } from "../load-process.ts";
import { type RawBus, startRaw } from "../raw.ts";
import type { Row, Sample } from "../row.ts";

const patienceMs = 60_000;
/** After the last answer the master still writes and announces: it belongs to the job. */
const settleMs = 300;

export function fanOut(minions: number): Row {
  const wall = minions === 2000 ? { budget: { atMost: 0.7 } } : {};
  return {
    name: `fan-out-${minions}`,
    rounds: 5,
    figures: [
      { name: "submit to last answer", unit: "s", ...wall },
      { name: "master CPU", unit: "s/1000 returns", ...(minions >= 1000 && { budget: { atMost: 0.3 } }) },
      ...roles.map((role) => ({ name: `${role} CPU`, unit: "s/1000 returns" })),
      { name: "client CPU", unit: "s/1000 returns" },
    ],
    open: async ({ quick }, cleanup) => {
      const count = quick ? Math.min(minions, 20) : minions;
      const bed = cleanup.use(await Bed.start());
      await bed.startSwarm(count);
      const client = await bed.client();
      cleanup.defer(() => client.close());
      const raw = await startRaw({ connections: count, processes: swarmProcesses(count), publications: true }, cleanup);
      // A few minions cost less than the kernel's clock shows: the mean of several jobs.
      const jobs = Math.max(1, Math.ceil((quick ? 20 : 1000) / count));
      await sampleOwn({ bed, client, count, jobs: 1 });
      return [
        { name: "msalt", sample: () => sampleOwn({ bed, client, count, jobs }) },
        { name: "raw", sample: () => sampleRaw(raw, count, jobs) },
      ];
    },
  };
}

interface Own {
  readonly bed: Bed;
  readonly client: LocalClient;
  readonly count: number;
  readonly jobs: number;
}

async function sampleOwn({ bed, client, count, jobs }: Own): Promise<Sample> {
  const before = bed.cpu();
  const ownBefore = process.cpuUsage();
  let wallMs = 0;
  for (let n = 0; n < jobs; n += 1) {
    const started = performance.now();
    const how = { tgt: "*", tgtType: "glob", user: "bench", waitMs: patienceMs } as const;
    const { jid } = await client.call("publish", { ...how, fun: "test.ping", arg: [] });
    let answers = 0;
    let last = started;
    await followJob(client, jid, patienceMs, {
      onReturn: ({ value }) => {
        if (value !== true) return;
        answers += 1;
        last = performance.now();
      },
    });
    if (answers !== count) throw new Error(`${answers} of ${count} minions answered`);
    wallMs += last - started;
  }
  const own = process.cpuUsage(ownBefore);
  await sleep(settleMs);
  const cpu = cpuPer(count * jobs, before, bed.cpu());
  return {
    "submit to last answer": wallMs / jobs / 1000,
    "master CPU": cpu.all / 1000,
    ...Object.fromEntries(roles.map((role) => [`${role} CPU`, cpu[role] / 1000])),
    "client CPU": (own.user + own.system) / 1000 / (count * jobs),
  };
}

async function sampleRaw({ publisher, minions, cpuMs }: RawBus, count: number, jobs: number): Promise<Sample> {
  const before = cpuMs();
  let wallMs = 0;
  for (let n = 0; n < jobs; n += 1) {
    await Promise.all(minions.map((minion) => minion.call("arm", undefined)));
    const started = sharedNow();
    await publisher?.call("publish", undefined);
    const done = await Promise.all(minions.map((minion) => minion.call("round", undefined)));
    wallMs += Math.max(...done.map(({ endedAt }) => endedAt)) - started;
  }
  return { "submit to last answer": wallMs / jobs / 1000, "master CPU": (cpuMs() - before) / (count * jobs) };
}
