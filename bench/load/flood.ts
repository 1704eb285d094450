/** Accepted minions that say hello and never subscribe, and then return results of jobs as fast as the master takes them. */
import { randomBytes, sha256 } from "../../src/crypto/primitives.ts";
import { MsaltError } from "../../src/errors.ts";
import { Link, Refused } from "../../src/minion/link.ts";
import type { Jid } from "../../src/wire/ids.ts";
import type { KeyRecord } from "../../src/wire/key-record.ts";
import { protocolVersion } from "../../src/wire/loads.ts";
import type { Identity } from "../identities.ts";
import { ownCpuMs, serveParent, sharedNow } from "../load-process.ts";
import { pingReturn } from "../ping-return.ts";

/** What one process of a flood did. Times in milliseconds of `sharedNow`. */
export interface Flooded {
  readonly startedAt: number;
  readonly endedAt: number;
  /** Requests that the master sent away to come again, and such as it did not answer: both were made again. */
  readonly refused: number;
  readonly unanswered: number;
  readonly cpuMs: number;
}

export interface FloodCalls {
  connect: {
    load: { ports: { publish_port: number; ret_port: number }; master: KeyRecord; minions: readonly Identity[] };
    answer: undefined;
  };
  /** Every connection returns every job, `window` at a time. */
  flood: { load: { jids: readonly Jid[]; window: number }; answer: Flooded };
}

/** As the product's outbox. */
const answerMs = 10_000;
const connecting = 100;
let refused = 0;
let unanswered = 0;
const links: Link[] = [];

async function open({ id, keys, record }: Identity, { ports, master }: FloodCalls["connect"]["load"]): Promise<Link> {
  let count = 0;
  const link = await Link.open({
    host: "127.0.0.1",
    requestPort: ports.ret_port,
    publishPort: ports.publish_port,
    keys,
    record,
    master,
    bootId: randomBytes(8),
    nextCounter: () => (count += 1),
    onPublication: () => undefined,
    onLink: () => undefined,
    onError: (failure) => process.stderr.write(`flood: ${String(failure)}\n`),
  });
  // The same each time: another one would be a ledger that went back.
  const ledger = { id: sha256(Buffer.from(id)).subarray(0, 16), count: 0 };
  await untilAnswered(() => link.ask({ cmd: "hello", protocol: protocolVersion, version: "bench", ledger }, answerMs));
  return link;
}

/** Asks again as a minion does: when it was told to, and when no answer came. */
async function untilAnswered<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (failure) {
      const retryMs = failure instanceof Refused ? failure.retryMs : 200 + Math.random() * 800;
      if (failure instanceof Refused) refused += 1;
      else if (failure instanceof MsaltError && failure.code === "ERR_TIMEOUT") unanswered += 1;
      else throw failure;
      if (retryMs === undefined) throw failure;
      await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
  }
}

async function store(link: Link, jid: Jid): Promise<void> {
  const { stored } = await untilAnswered(() => link.ask(pingReturn(jid), answerMs));
  if (!stored) throw new Error("a whole result was answered without being stored");
}

serveParent<FloodCalls>({
  connect: async (load) => {
    for (let at = 0; at < load.minions.length; at += connecting) {
      links.push(...(await Promise.all(load.minions.slice(at, at + connecting).map((each) => open(each, load)))));
    }
    return undefined;
  },
  flood: async ({ jids, window }) => {
    refused = 0;
    unanswered = 0;
    const before = ownCpuMs();
    const startedAt = sharedNow();
    const connection = async (link: Link): Promise<void> => {
      const todo = jids.values();
      const one = async (): Promise<void> => {
        for (const jid of todo) await store(link, jid);
      };
      await Promise.all(Array.from({ length: window }, one));
    };
    await Promise.all(links.map(connection));
    const endedAt = sharedNow();
    return { startedAt, endedAt, refused, unanswered, cpuMs: ownCpuMs() - before };
  },
});
