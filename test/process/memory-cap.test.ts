import { afterAll, beforeAll, expect, it } from "vitest";
import { Bus } from "../support/bus.ts";
import { until } from "../support/proc.ts";
import { MemoryCap } from "../support/cgroup.ts";

let bus: Bus;
beforeAll(async () => {
  bus = await Bus.start();
});
afterAll(() => bus[Symbol.asyncDispose]());

it("PF-04: workers that the kernel ends for their memory are started anew, and nothing is lost", async () => {
  const cap = MemoryCap.make(8 * 1_048_576);
  if (cap === undefined) {
    process.stdout.write("memory-cap.test.ts is skipped: no cgroup can be made here\n");
    return;
  }
  const before = bus.pidsOf("worker");
  for (const pid of before) cap.add(pid);
  const jids: string[] = [];
  await until(
    `the end of a worker of ${before.join(", ")}`,
    async () => {
      jids.push(await bus.submit("*", "cmd.run", "head -c 3000000 /dev/zero | tr '\\0' x"));
      return bus.pidsOf("worker").some((pid) => !before.includes(pid));
    },
    60_000,
  );
  // One that had no need of more memory.
  for (const pid of bus.pidsOf("worker")) if (before.includes(pid)) process.kill(pid, "SIGKILL");
  for (const jid of jids) {
    await until(
      `the results of ${jid}`,
      async () => {
        const found = Object.values(await bus.lookup(jid));
        return found.length === 2 && found.every((text) => String(text).length === 3_000_000);
      },
      60_000,
    );
  }
  await until("the end of the capped", () => !bus.pidsOf("worker").some((pid) => before.includes(pid)));
  // A process that has given back its memory, and with it its name, still ends for a moment.
  await until("an empty cgroup", () => {
    try {
      cap[Symbol.dispose]();
      return true;
    } catch {
      return false;
    }
  });
  expect((await bus.msalt("*", "test.ping", "-t", "60")).code).toBe(0);
}, 180_000);
