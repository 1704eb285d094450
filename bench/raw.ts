/** Starts the physical yardstick: as many processes, sockets and bytes as the product uses, and no content. */
import { generateKeys, makeKeyRecord } from "../src/crypto/keys.ts";
import { sealEnvelope } from "../src/crypto/envelope.ts";
import { keyIdOf, randomBytes, sharedKey, x25519Public } from "../src/crypto/primitives.ts";
import { sealBody, sealOrder } from "../src/crypto/publication.ts";
import { encode } from "../src/wire/codec.ts";
import { asJid } from "../src/wire/ids.ts";
import type { Order } from "../src/wire/publication.ts";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { RawMasterCalls } from "./load/raw-master.ts";
import type { RawMinionCalls } from "./load/raw-minions.ts";
import { LoadProcess } from "./load-process.ts";
import { pingReturn } from "./ping-return.ts";
import { cpuMs } from "./processes.ts";
import type { Cleanup } from "./row.ts";

const jid = asJid("20261121023504473347");

/** Bytes on the wire of a returned test.ping, of its acknowledgement, and of the publication that asks for it. */
function frameSizes(): { readonly request: number; readonly reply: number; readonly publication: number } {
  const keys = generateKeys();
  const sender = keyIdOf(makeKeyRecord("minion", "web0", keys, 1).sign);
  const key = sharedKey(keys.box, x25519Public(generateKeys().box));
  const size = (direction: "request" | "reply", body: unknown): number => {
    const inner = { sender, requestId: randomBytes(16), bootId: randomBytes(8), counter: 1, body: encode(body) };
    return sealEnvelope(direction, inner, key).length;
  };
  const result = pingReturn(jid);
  const order: Order = {
    order: "run",
    jid,
    fun: "test.ping",
    arg: [],
    user: "root",
    tgt: "*",
    tgt_type: "glob",
    created: 1_795_000_000_000,
    not_after: 1_795_000_065_000,
  };
  const session = { topic: randomBytes(16), publishKey: randomBytes(32) };
  return {
    request: size("request", result),
    reply: size("reply", { ok: { have: result.total, stored: true } }),
    publication: sealOrder(session, 1, sealBody(jid, encode(order)), new Uint8Array(64)).length,
  };
}

export interface RawBus {
  readonly minions: readonly LoadProcess<RawMinionCalls>[];
  readonly publisher: LoadProcess<RawMasterCalls> | undefined;
  readonly masterPids: readonly number[];
  /** CPU of everything that stands for the master, so far. */
  readonly cpuMs: () => number;
}

/** `connections` in all, spread over `processes`; `publications`: each also subscribes. */
export async function startRaw(
  { connections, processes, publications }: { connections: number; processes: number; publications: boolean },
  cleanup: Cleanup,
): Promise<RawBus> {
  const folder = mkdtempSync(join(tmpdir(), "msalt-raw-"));
  cleanup.defer(() => rmSync(folder, { recursive: true, force: true }));
  const back = `ipc://${folder}/workers`;
  const { curve: secret } = generateKeys();
  const sizes = frameSizes();
  const master = (): LoadProcess<RawMasterCalls> => cleanup.use(new LoadProcess<RawMasterCalls>("raw-master"));
  const proxy = master();
  const port = await proxy.call("proxy", { secret, back });
  const workers = Array.from({ length: Math.max(2, availableParallelism()) }, master);
  await Promise.all(workers.map((worker) => worker.call("worker", { back, replyBytes: sizes.reply })));
  const publisher = publications ? master() : undefined;
  const publishPort = await publisher?.call("publisher", { secret, frameBytes: sizes.publication });
  const minions = Array.from({ length: Math.min(processes, connections) }, () =>
    cleanup.use(new LoadProcess<RawMinionCalls>("raw-minions")),
  );
  const server = x25519Public(secret);
  await Promise.all(
    minions.map((minion, n) =>
      minion.call("connect", {
        port,
        server,
        connections: Math.floor((connections + n) / minions.length),
        requestBytes: sizes.request,
        ...(publishPort !== undefined && { publishPort }),
      }),
    ),
  );
  const subscribed = async (): Promise<number> => (await publisher?.call("subscribed", undefined)) ?? connections;
  while ((await subscribed()) < connections) await sleep(20);
  const pids = [proxy, ...workers, ...(publisher === undefined ? [] : [publisher])].map(({ pid }) => pid);
  return { minions, publisher, masterPids: pids, cpuMs: () => pids.reduce((sum, pid) => sum + cpuMs(pid), 0) };
}
