/** Returns into one master as fast as it takes them, each acknowledged after it was synced to disk. */
import { Bed, cpuPer, roles } from "../bed.ts";
import type { Jid } from "../../src/wire/ids.ts";
import { identities } from "../identities.ts";
import type { FloodCalls } from "../load/flood.ts";
import { LoadProcess } from "../load-process.ts";
import { startRaw } from "../raw.ts";
import { Cleanup, type Contender, type Row, type Sample } from "../row.ts";
import { saltContender } from "../salt-side.ts";

/** Load processes, as the machine has cores to run them on. */
const processes = 2;

interface Size {
  readonly connections: number;
  /** Requests in flight on each connection. */
  readonly window: number;
  /** Results that each connection returns. */
  readonly each: number;
}

export function flood(size: Size): Row {
  return {
    name: `flood-${size.connections}x${size.window}`,
    rounds: 5,
    figures: [
      { name: "returns/s", unit: "/s", budget: { atLeast: 10_000 } },
      { name: "master CPU", unit: "us/return" },
      ...roles.map((role) => ({ name: `${role} CPU`, unit: "us/return" })),
      { name: "generator CPU", unit: "us/return" },
      { name: "put off", unit: "requests" },
      { name: "unanswered", unit: "requests" },
    ],
    open: async (scale, cleanup) => {
      const run = scale.quick ? { ...size, connections: Math.min(size.connections, 50), each: 100 } : size;
      const minions = identities(run.connections);
      const bed = cleanup.use(await Bed.start(minions));
      return [
        { name: "msalt", sample: () => sampleOwn(bed, run) },
        { name: "raw", sample: () => sampleRaw(run) },
        await saltContender(scale, cleanup, 0, async (salt) => {
          const { perSecond, masterCpuMsPerReturn } = await salt.returns(scale.quick ? 200 : 4000);
          return { "returns/s": perSecond, "master CPU": masterCpuMsPerReturn * 1000 };
        }),
      ] satisfies Contender[];
    },
  };
}

async function sampleOwn(bed: Bed, { connections, window, each }: Size): Promise<Sample> {
  await using cleanup = new Cleanup();
  const minions = identities(connections);
  const parts = Math.min(processes, connections);
  const loads = await Promise.all(
    Array.from({ length: parts }, async (_, part) => {
      const load = cleanup.use(new LoadProcess<FloodCalls>("flood"));
      const share = minions.filter((_each, n) => n % parts === part);
      await load.call("connect", { ports: bed.ports, master: bed.record, minions: share });
      return load;
    }),
  );
  const client = await bed.client();
  cleanup.defer(() => client.close());
  const jids: Jid[] = [];
  for (let n = 0; n < each; n += 1) {
    const how = { tgt: "*", tgtType: "glob", user: "bench", waitMs: 0, ttlMs: 3_600_000 } as const;
    jids.push((await client.call("publish", { ...how, fun: "test.ping", arg: [] })).jid);
  }
  const before = bed.cpu();
  const done = await Promise.all(loads.map((load) => load.call("flood", { jids, window })));
  const cpu = cpuPer(connections * each, before, bed.cpu());
  const wallMs = Math.max(...done.map(({ endedAt }) => endedAt)) - Math.min(...done.map(({ startedAt }) => startedAt));
  for (const jid of jids) {
    const { ended } = await client.call("job.record", { jid });
    if (ended === undefined) throw new Error(`job ${jid} has results that are not in the record`);
  }
  return {
    "returns/s": (connections * each * 1000) / wallMs,
    "master CPU": cpu.all,
    ...Object.fromEntries(roles.map((role) => [`${role} CPU`, cpu[role]])),
    "generator CPU": (done.reduce((sum, { cpuMs }) => sum + cpuMs, 0) * 1000) / (connections * each),
    "put off": done.reduce((sum, { refused }) => sum + refused, 0),
    unanswered: done.reduce((sum, each) => sum + each.unanswered, 0),
  };
}

async function sampleRaw({ connections, window, each }: Size): Promise<Sample> {
  await using cleanup = new Cleanup();
  const raw = await startRaw({ connections, processes, publications: false }, cleanup);
  const before = raw.cpuMs();
  const done = await Promise.all(raw.minions.map((minion) => minion.call("flood", { each, window })));
  const cpuMs = raw.cpuMs() - before;
  const wallMs = Math.max(...done.map(({ endedAt }) => endedAt)) - Math.min(...done.map(({ startedAt }) => startedAt));
  return {
    "returns/s": (connections * each * 1000) / wallMs,
    "master CPU": (cpuMs * 1000) / (connections * each),
    "generator CPU": (done.reduce((sum, { cpuMs: own }) => sum + own, 0) * 1000) / (connections * each),
  };
}
