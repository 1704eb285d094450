/** Jobs accepted, and many jobs at once at one minion. */
import { setTimeout as sleep } from "node:timers/promises";
import { isTerminal } from "../../src/job/state.ts";
import type { Jid } from "../../src/wire/ids.ts";
import { Bed, cpuPer } from "../bed.ts";
import { identities } from "../identities.ts";
import { appendMs } from "../disk.ts";
import type { JobCalls } from "../load/jobs.ts";
import { LoadProcess } from "../load-process.ts";
import { Cleanup, type Row, type Sample } from "../row.ts";
import { saltContender } from "../salt-side.ts";
import { withMinions } from "./commands.ts";

const clients = 4;
/** The least that a commit writes. */
const pageBytes = 4096;

/** Four processes publish to one accepted minion that is away, `window` jobs in flight each. */
export function jobs(window: number): Row {
  return {
    name: `jobs-${clients}x${window}`,
    rounds: 3,
    figures: [
      { name: "accepted", unit: "jobs/s", budget: { atLeast: 3000 } },
      { name: "master CPU", unit: "us/job" },
    ],
    open: async (scale, cleanup) => {
      const ms = scale.quick ? 500 : 4000;
      return [
        { name: "msalt", sample: () => sampleJobs(window, ms) },
        { name: "disk", sample: async () => ({ accepted: 1000 / appendMs(pageBytes, 200) }) },
        await saltContender(scale, cleanup, 0, async (salt) => {
          const { perSecond } = await salt.jobs(clients, ms / 1000);
          return { accepted: perSecond };
        }),
      ];
    },
  };
}

/** A new master each time: jobs that nobody takes stay open. */
async function sampleJobs(window: number, ms: number): Promise<Sample> {
  await using cleanup = new Cleanup();
  const away = identities(1);
  const bed = cleanup.use(await Bed.start(away));
  const loads = Array.from({ length: clients }, () => cleanup.use(new LoadProcess<JobCalls>("jobs")));
  await Promise.all(loads.map((load) => load.call("connect", { sockDir: bed.sockDir })));
  const before = bed.cpu();
  const tgt = away.map(({ id }) => id).join(",");
  const done = await Promise.all(loads.map((load) => load.call("publish", { tgt, window, ms })));
  const accepted = done.reduce((sum, each) => sum + each.jobs, 0);
  const lasted = Math.max(...done.map((each) => each.ms));
  return { accepted: (accepted * 1000) / lasted, "master CPU": cpuPer(accepted, before, bed.cpu()).all };
}

/** Nothing has changed for so long: what is missing will not come. */
const quietMs = 20_000;

export const overrun: Row = {
  name: "overrun-700",
  rounds: 1,
  figures: [
    { name: "results stored of 700", unit: "jobs", budget: { atLeast: 700 } },
    { name: "until the last is stored", unit: "s" },
  ],
  open: async (scale, cleanup) => {
    const count = scale.quick ? 50 : 700;
    const bed = await withMinions(1, cleanup);
    return [
      { name: "msalt", sample: () => sampleOverrun(bed, count) },
      await saltContender(scale, cleanup, 1, async (salt) => {
        const { stored, sent, settled } = await salt.overrun(count);
        if (!settled) throw new Error(`results were still coming when the time was over, ${stored} of ${sent} so far`);
        return { "results stored of 700": (stored * 700) / sent };
      }),
    ];
  },
};

async function sampleOverrun(bed: Bed, count: number): Promise<Sample> {
  const client = await bed.client();
  try {
    const started = performance.now();
    const how = { tgt: "m1", tgtType: "list", user: "bench", waitMs: 60_000 } as const;
    const published = Array.from({ length: count }, () =>
      client.call("publish", { ...how, fun: "test.ping", arg: [] }).then(({ jid }) => jid),
    );
    const open = new Set<Jid>(await Promise.all(published));
    let stored = 0;
    let changed = performance.now();
    while (open.size > 0 && performance.now() - changed < quietMs) {
      for (const jid of open) {
        const { targets } = await client.call("job.record", { jid });
        const [target] = targets;
        if (target === undefined || !isTerminal(target.state)) break;
        open.delete(jid);
        changed = performance.now();
        if (target.state === "succeeded") stored += 1;
      }
      await sleep(20);
    }
    return { "results stored of 700": (stored * 700) / count, "until the last is stored": (changed - started) / 1000 };
  } finally {
    client.close();
  }
}
