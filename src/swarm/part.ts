/** One process of a swarm: its share of the minions, each the product's own, from keys to ledger. */
import { setMaxListeners } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { MinionConfig } from "../config/minion.ts";
import { MsaltError, messageOf } from "../errors.ts";
import { gatherGrains } from "../grains/gather.ts";
import type { Log } from "../log/log.ts";
import { runMinion } from "../minion/minion.ts";
import { builtins } from "../modules/registry.ts";
import { type Behaviour, emulated } from "./emulated.ts";
import { fillGrains, idOf } from "./pattern.ts";

export interface Share {
  /** Numbers of its minions: `first` up to, not including, `end`. */
  readonly first: number;
  readonly end: number;
  readonly idPattern: string;
  readonly grains: readonly string[];
  readonly behaviour: Behaviour;
  readonly remakeMs?: number | undefined;
}

export interface PartOptions {
  readonly share: Share;
  /** Of the one minion that all are like. */
  readonly config: MinionConfig;
  /** Each minion keeps its keys and its ledger in a folder of its own below it. */
  readonly dir: string;
  readonly version: string;
  readonly log: Log;
  /** Each time that one more can take jobs. */
  readonly onReady: () => void;
}

/** So many are starting at a time: the master takes 64 connections at once on its enrolment port. */
const starting = 32;
/** One that waits to be accepted must not keep the others from asking. */
const patienceMs = 5000;

/** Runs until `signal` aborts. @throws MsaltError `ERR_USAGE` for a pattern that gives no ids, `ERR_INTERNAL` when all have ended. */
export async function runPart(options: PartOptions, signal: AbortSignal): Promise<void> {
  const { share, config, dir, version, log, onReady } = options;
  setMaxListeners(0, signal);
  const functions = emulated(builtins, share.behaviour);
  const facts = await gatherGrains({ id: config.id, master: config.masters[0] ?? "", version });
  const running: Promise<void>[] = [];
  let going = 0;
  let next = (): void => undefined;

  const start = async (n: number): Promise<void> => {
    const id = idOf(share.idPattern, n);
    const own = join(dir, id);
    mkdirSync(own, { recursive: true, mode: 0o700 });
    going += 1;
    let under = true;
    const started = (): void => {
      if (!under) return;
      under = false;
      going -= 1;
      next();
    };
    const patience = setTimeout(started, patienceMs);
    try {
      await runMinion(
        {
          config: {
            ...config,
            id,
            pkiDir: join(own, "pki"),
            dataDir: join(own, "data"),
            grainsFile: join(own, "grains"),
          },
          log: namedLog(log, id),
          version,
          onStarted: () => undefined,
          onReady: () => {
            started();
            onReady();
          },
          emulation: { functions, grains: { ...facts, ...fillGrains(share.grains, n) }, remakeMs: share.remakeMs },
        },
        signal,
      );
    } catch (failure) {
      log.error("a minion ended", { id, failure: messageOf(failure) });
    } finally {
      clearTimeout(patience);
      started();
    }
  };
  for (let n = share.first; n < share.end && !signal.aborted; n += 1) {
    if (going >= starting) await new Promise<void>((resolve) => (next = resolve));
    running.push(start(n));
  }
  await Promise.all(running);
  if (!signal.aborted) throw new MsaltError("ERR_INTERNAL", "none of its minions could go on");
}

function namedLog(log: Log, id: string): Log {
  const say =
    (level: keyof Log) =>
    (message: string, fields?: Readonly<Record<string, unknown>>): void =>
      log[level](message, { id, ...fields });
  return { debug: say("debug"), info: say("info"), warn: say("warn"), error: say("error") };
}
