/**
 * The first command after a restart of the master reaches everybody. `npm run marathon` is the long form, with 100 and with
 * 1,000 minions: it says how long it takes until all are back, and in what crowds they come.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { LocalClient } from "../../src/client/local.ts";
import { isTerminal } from "../../src/job/state.ts";
import { Bus } from "../support/bus.ts";
import { until } from "../support/proc.ts";
import { startSwarm } from "../support/swarm.ts";

const sizes = (process.env["MSALT_RESTART_MINIONS"] ?? "100").split(",").map(Number);

describe("kill -9 of the whole master", () => {
  it.each(sizes)(
    "P4: with %i minions, the first command after it reaches all of them",
    async (minions) => {
      await using bus = await Bus.start({ minions: [], master: "enroll_rate: 1000000" });
      const swarm = await startSwarm(bus, minions);
      const before = await LocalClient.connect(bus.sockDir);
      const isUp = async (client: LocalClient): Promise<boolean> => {
        const { minions: all } = await client.call("minion.list", {});
        return all.filter(({ connected }) => connected).length === minions;
      };
      await until("all minions", () => isUp(before), 120_000);
      before.close();

      await bus.master?.stop("SIGKILL");
      await sleep(1000);
      const begun = Date.now();
      await bus.restartMaster();
      const ready = Date.now();
      const client = await LocalClient.connect(bus.sockDir);
      const all = { tgt: "*", tgtType: "glob", user: "test", waitMs: 60_000 } as const;
      const { jid } = await client.call("publish", { ...all, fun: "test.ping", arg: [] });
      const backMs = (async () => {
        await until("all minions", () => isUp(client), 120_000);
        return Date.now() - ready;
      })();
      const answered = async (): Promise<boolean> =>
        (await client.call("job.record", { jid })).targets.every(({ state }) => isTerminal(state));
      await until("all answers", answered, 120_000);
      const answeredMs = Date.now() - ready;
      const { targets, time } = await client.call("job.record", { jid });
      // The master's clock need not be this one.
      const offMs = time - Date.now();
      expect(targets).toHaveLength(minions);
      expect(targets.filter(({ state }) => state !== "succeeded")).toEqual([]);

      const crowded = await crowds(client, ready + offMs);
      process.stdout.write(
        `restart, ${minions} minions: ready after ${ready - begun} ms; from then, all connected after ${await backMs} ms, ` +
          `the first command answered by all after ${answeredMs} ms\n` +
          `  connected anew in each half second: ${crowded.join(" ")}\n`,
      );
      // No herd: they come over seconds. A few may be back within one.
      if (minions >= 1000) expect(Math.max(...crowded)).toBeLessThan(minions / 2);
      client.close();
      await swarm.stop();
    },
    600_000,
  );
});

/** How many minions connected in each half second since then. */
async function crowds(client: LocalClient, since: number): Promise<number[]> {
  const { minions } = await client.call("minion.list", {});
  const counts: number[] = [];
  for (const minion of minions) {
    const at = Math.max(0, Math.floor(((minion.since ?? since) - since) / 500));
    while (counts.length <= at) counts.push(0);
    counts[at] = (counts[at] ?? 0) + 1;
  }
  return counts;
}
