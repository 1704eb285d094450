import { sleep } from "../lib/deadline.ts";
import { type AnyFunction, type Host, Outcome } from "../modules/declare.ts";

export interface Behaviour {
  /** How long a function takes, at least and at most; milliseconds. */
  readonly thinkMs: readonly [number, number];
  /** Part of the runs that fail, 0 to 1. */
  readonly failRate: number;
  /** Of the text that stands for what a function with effects would say. */
  readonly outputBytes?: number | undefined;
}

/** What concerns the bus alone is as on any minion. */
const real = new Set(["event", "mine", "pillar", "publish", "saltutil", "schedule", "sys"]);

/**
 * Functions that leave the machine alone: many minions that all obey `pkg.upgrade` on one host would end it. What is without
 * effects is run; what has effects answers with a text. Both take their time and fail as told.
 */
export function emulated(
  functions: ReadonlyMap<string, AnyFunction>,
  behaviour: Behaviour,
): ReadonlyMap<string, AnyFunction> {
  return new Map(
    [...functions].map(([name, fn]) => [name, real.has(name.split(".")[0] ?? "") ? fn : likeIt(fn, behaviour)]),
  );
}

function likeIt(fn: AnyFunction, { thinkMs: [least, most], failRate, outputBytes }: Behaviour): AnyFunction {
  const run = async (args: never, host: Host): Promise<unknown> => {
    const ms = least + Math.random() * (most - least);
    if (ms > 0 && !(await sleep(ms, host.signal))) return new Outcome("ended while it ran", 1);
    if (Math.random() < failRate) return new Outcome(`${fn.name} failed on ${host.id}, as it was told to`, 1);
    return fn.effects === "none"
      ? fn.run(args, host)
      : answer(`${fn.name} on ${host.id}, not really run\n`, outputBytes);
  };
  return { ...fn, run };
}

function answer(line: string, bytes: number | undefined): string {
  return bytes === undefined ? line.trimEnd() : line.repeat(Math.ceil(bytes / line.length)).slice(0, bytes);
}
