/** Memory as the kernel shares it out (PSS), and the start of a minion. */
import { setTimeout as sleep } from "node:timers/promises";
import { Bed } from "../bed.ts";
import { pssMiB } from "../processes.ts";
import { startRaw } from "../raw.ts";
import { Cleanup, type Row } from "../row.ts";
import { saltContender } from "../salt-side.ts";
import { withMinions } from "./commands.ts";

/** Until what the start left behind has been collected. */
const settleMs = 3000;

export function memory(minions: number): Row {
  return {
    name: `memory-${minions}`,
    rounds: 1,
    figures: [
      { name: "master, all processes", unit: "MiB PSS", budget: { atMost: 250 } },
      { name: "one minion", unit: "MiB PSS", budget: { atMost: 65 } },
    ],
    open: async (scale, cleanup) => {
      const count = scale.quick ? Math.min(minions, 2) : minions;
      const bed = await withMinions(count, cleanup);
      return [
        {
          name: "msalt",
          sample: async () => {
            await sleep(settleMs);
            return {
              "master, all processes": pssMiB(bed.masterPids()),
              "one minion": pssMiB(bed.minionPids) / count,
            };
          },
        },
        await saltContender(scale, cleanup, count, async (salt) => {
          const { masterMiB, minionMiB } = await salt.memory();
          return { "master, all processes": masterMiB, "one minion": minionMiB };
        }),
      ];
    },
  };
}

export const minionStart: Row = {
  name: "minion-start",
  rounds: 7,
  figures: [{ name: "until it takes jobs", unit: "s", budget: { atMost: 0.5 } }],
  open: async (scale, cleanup) => {
    const bed = await withMinions(1, cleanup);
    return [
      {
        name: "msalt",
        sample: async () => {
          await bed.stopMinion("m1", "SIGTERM");
          return { "until it takes jobs": (await bed.startMinion("m1")) / 1000 };
        },
      },
      await saltContender(scale, cleanup, 1, async (salt) => ({
        "until it takes jobs": (await salt.minionStart()) / 1000,
      })),
    ];
  },
};

/** Each sample is a new master: what 2,000 connections leave behind is not given back. */
export const connected: Row = {
  name: "memory-per-minion",
  rounds: 2,
  figures: [{ name: "master, for each connected", unit: "KiB PSS", budget: { atMost: 110 } }],
  open: async ({ quick }) => {
    const count = quick ? 20 : 2000;
    return [
      {
        name: "msalt",
        sample: async () => {
          await using cleanup = new Cleanup();
          const bed = cleanup.use(await Bed.start());
          await sleep(settleMs);
          const empty = pssMiB(bed.masterPids());
          await bed.startSwarm(count);
          await sleep(settleMs);
          return { "master, for each connected": ((pssMiB(bed.masterPids()) - empty) * 1024) / count };
        },
      },
      {
        name: "raw",
        sample: async () => {
          await using cleanup = new Cleanup();
          const few = await startRaw({ connections: 1, processes: 1, publications: true }, cleanup);
          await sleep(settleMs);
          const empty = pssMiB(few.masterPids);
          const raw = await startRaw({ connections: count, processes: 2, publications: true }, cleanup);
          await sleep(settleMs);
          return { "master, for each connected": ((pssMiB(raw.masterPids) - empty) * 1024) / count };
        },
      },
    ];
  },
};
