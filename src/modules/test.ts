import * as z from "zod";
import { type AnyFunction, declare, type Host, Outcome } from "./declare.ts";
import { sleep } from "./sleep.ts";

const none = z.strictObject({});
const seconds = z.number().min(0).max(1_000_000);

/** What Salt passes to every function that takes any keyword. */
function published({ job }: Host): Record<string, unknown> {
  return {
    __pub_arg: job.arg,
    __pub_fun: job.fun,
    __pub_jid: job.jid,
    __pub_ret: "",
    __pub_tgt: job.tgt,
    __pub_tgt_type: job.tgt_type,
    __pub_user: job.user,
  };
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");

const ping = declare({
  name: "test.ping",
  summary: "Answer True: this minion is up and the master may order it.",
  examples: ["msalt '*' test.ping"],
  params: none,
  effects: "none",
  run: async () => true,
});

const version = declare({
  name: "test.version",
  summary: "Give the version of msalt on this minion.",
  params: none,
  effects: "none",
  run: async (_args, { grains }) => text(grains["msaltversion"]),
});

const versionsReport = declare({
  name: "test.versions_report",
  summary: "Give the versions of msalt and of what it runs on.",
  params: none,
  effects: "none",
  run: async (_args, { grains }) => {
    const row = (name: string, grain: string): string =>
      `${name.padStart(12)}: ${text(grains[grain]) || "Not Installed"}`;
    const ours = [row("msalt", "msaltversion")];
    const dependencies = [row("Node.js", "nodeversion"), row("ZMQ", "zmqversion")];
    const system = [row("dist", "osfinger"), row("machine", "cpuarch"), row("release", "kernelrelease")];
    return [
      "msalt Version:",
      ...ours,
      "",
      "Dependency Versions:",
      ...dependencies,
      "",
      "System Versions:",
      ...system,
    ].join("\n");
  },
});

const echo = declare({
  name: "test.echo",
  summary: "Give back the value.",
  examples: ["msalt '*' test.echo 'foo bar'"],
  params: z.strictObject({ text: z.unknown() }),
  effects: "none",
  run: async ({ text }) => text,
});

const arg = declare({
  name: "test.arg",
  summary: "Show the positional and keyword arguments that arrived.",
  examples: ["msalt '*' test.arg 1 two txt=three"],
  params: z.strictObject({ args: z.array(z.unknown()), kwargs: z.record(z.string(), z.unknown()) }),
  rest: "args",
  keywords: "kwargs",
  effects: "none",
  run: async ({ args, kwargs }, host) => ({ args, kwargs: { ...published(host), ...kwargs } }),
});

const kwarg = declare({
  name: "test.kwarg",
  summary: "Show the keyword arguments that arrived.",
  examples: ["msalt '*' test.kwarg num=1 txt=two"],
  params: z.strictObject({ kwargs: z.record(z.string(), z.unknown()) }),
  keywords: "kwargs",
  effects: "none",
  run: async ({ kwargs }, host) => ({ ...published(host), ...kwargs }),
});

const fib = declare({
  name: "test.fib",
  summary: "Compute a Fibonacci number; give it and the seconds it took.",
  examples: ["msalt '*' test.fib 30"],
  // Over 78 the number is no longer exact.
  params: z.strictObject({ num: z.int().min(0).max(78) }),
  effects: "none",
  run: async ({ num }) => {
    const begun = performance.now();
    let [number, next] = [0, 1];
    for (let n = 0; n < num; n += 1) [number, next] = [next, number + next];
    return [number, (performance.now() - begun) / 1000];
  },
});

const sleepFor = declare({
  name: "test.sleep",
  summary: "Wait, then answer True.",
  examples: ["msalt '*' test.sleep 20"],
  params: z.strictObject({ length: seconds.describe("seconds") }),
  effects: "none",
  run: async ({ length }, { signal }) => sleep(length * 1000, signal),
});

const randSleep = declare({
  name: "test.rand_sleep",
  summary: "Wait for a random time, then answer True.",
  params: z.strictObject({ max: seconds.default(60).describe("seconds at most") }),
  effects: "none",
  run: async ({ max }, { signal }) => sleep(Math.random() * max * 1000, signal),
});

const isTrue = declare({
  name: "test.true",
  summary: "Answer True.",
  params: none,
  effects: "none",
  run: async () => true,
});

const isFalse = declare({
  name: "test.false",
  summary: "Answer False.",
  params: none,
  effects: "none",
  run: async () => false,
});

const retcode = declare({
  name: "test.retcode",
  summary: "Answer True and end the job with this retcode.",
  examples: ["msalt '*' test.retcode 42"],
  params: z.strictObject({ code: z.int().default(42) }),
  effects: "none",
  run: async ({ code }) => new Outcome(true, code),
});

const exception = declare({
  name: "test.exception",
  summary: "Fail with an exception of this text.",
  examples: ["msalt '*' test.exception 'oh no'"],
  params: z.strictObject({ message: z.string().default("Test Exception") }),
  effects: "none",
  run: async ({ message }) => {
    throw new Error(message);
  },
});

export const testFunctions: readonly AnyFunction[] = [
  ping,
  version,
  versionsReport,
  echo,
  arg,
  kwarg,
  fib,
  sleepFor,
  randSleep,
  isTrue,
  isFalse,
  retcode,
  exception,
];
