import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Bus } from "../support/bus.ts";
import { until } from "../support/proc.ts";
import { netnsOrSkip } from "../support/netns.ts";
import { seedOfRun, seeded } from "../support/seed.ts";

const downSeconds = Number(process.env["MSALT_TEST_DOWN_SECONDS"] ?? 5);
const random = seeded(seedOfRun());
const ids = ["m1", "m2", "m3"];
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe("minions on another host", () => {
  it("NF-01, NF-03: through a link that goes down, is lossy and narrow, every job is run once and every result arrives", async (context) => {
    using host = netnsOrSkip(context);
    await using bus = await Bus.start({ minions: ids, address: host.address, minionBefore: host.prefix });
    const counted = (name: string, more = ""): { command: string; runs: () => number } => {
      const file = join(bus.root, name);
      writeFileSync(file, "");
      return {
        command: `${more} echo ran >> ${file}; echo done`,
        runs: () => readFileSync(file, "utf8").split("\n").filter(Boolean).length,
      };
    };
    const submit = (command: string): Promise<string> => bus.submit("*", "cmd.run", command, "--ttl", "600");
    const done = (jid: string): Promise<void> =>
      until(
        `every result of ${jid}`,
        async () => Object.values(await bus.lookup(jid)).join() === ids.map(() => "done").join(),
        90_000,
      );

    // Down while it runs, while it is published, and while it returns.
    const go = join(bus.root, "go");
    const running = counted("running", `until [ -e ${go} ]; do sleep 0.05; done;`);
    const first = await submit(running.command);
    await bus.runs(first, 3);
    host.down();
    writeFileSync(go, "");
    const published = counted("published");
    const second = await submit(published.command);
    // How long it is down is what is tried here.
    await sleep(downSeconds * 1000);
    host.up();
    await done(first);
    await done(second);
    expect([running.runs(), published.runs()]).toEqual([3, 3]);

    // 200 kbit/s, and one way or the other is lost for a part of the time.
    host.narrow(200);
    const lossy = counted("lossy", "head -c 20000 /dev/zero | tr '\\0' x >&2;");
    const jids: string[] = [];
    for (let n = 0; n < 12; n += 1) {
      const way = random() < 0.5 ? "up" : "down";
      host.lose(way);
      if (n % 6 === 0) jids.push(await submit(lossy.command));
      await sleep(50 + random() * 250);
      host.deliver(way);
      await sleep(50 + random() * 500);
    }
    const { code } = await bus.msalt("-t", "30", "*", "test.ping", "--out=json", "--static");
    expect([0, 1]).toContain(code);
    for (const jid of jids)
      await until(
        `every result of ${jid}`,
        async () => Object.values(await bus.lookup(jid)).filter((text) => String(text).endsWith("done")).length === 3,
        90_000,
      );
    expect(lossy.runs()).toBe(3 * jids.length);
    host.widen();
    await bus.connected();
    expect(await bus.msalt("*", "test.ping", "--out=json")).toMatchObject({ code: 0 });
  }, 300_000);
});
