import { schedule } from "../../src/config/schedule.ts";
import { Scheduler } from "../../src/minion/scheduler.ts";
import { builtins } from "../../src/modules/registry.ts";
import { type FunctionCall, type FunctionResult, refusalOf } from "../../src/modules/run.ts";

const done: FunctionResult = { value: true, retcode: 0, success: true, state: "succeeded" };

/** A minion's scheduler and what it did: `begun` by name, `fired` and `logged` as they came. */
export function testScheduler(
  dataDir: string,
  configured: unknown = {},
  run: (name: string, call: FunctionCall, atMost: number) => Promise<FunctionResult | undefined> = async () => done,
) {
  const begun: { name: string; call: FunctionCall; atMost: number }[] = [];
  const fired: { tag: string; data: Readonly<Record<string, unknown>> }[] = [];
  const logged: string[] = [];
  const note = (message: string): void => void logged.push(message);
  const scheduler = new Scheduler({
    config: { schedule: schedule.parse(configured), dataDir },
    log: { debug: note, info: note, warn: note, error: note },
    clocks: { monotonic: () => performance.now(), wall: Date.now, random: () => 0 },
    refusal: (call) => refusalOf(builtins, call),
    run: async (name, call, atMost) => {
      begun.push({ name, call, atMost });
      return run(name, call, atMost);
    },
    fire: async (tag, data) => void fired.push({ tag, data }),
  });
  return { scheduler, begun, fired, logged };
}
