/** Starts the physical yardstick: as many processes, sockets and bytes as the product uses, and no content. */
import { generateKeys, makeKeyRecord } from "../src/crypto/keys.ts";
import { sealEnvelope } from "../src/crypto/envelope.ts";
import { keyIdOf, randomBytes, sha256, sharedKey, x25519Public } from "../src/crypto/primitives.ts";
import { encode } from "../src/wire/codec.ts";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { RawMasterCalls } from "./load/raw-master.ts";
import type { RawMinionCalls } from "./load/raw-minions.ts";
import { LoadProcess } from "./load-process.ts";
import { cpuMs } from "./processes.ts";
import type { Cleanup } from "./row.ts";

/** Bytes on the wire of a returned test.ping, of its acknowledgement, and of the publication that asks for it. */
function frameSizes(): { readonly request: number; readonly reply: number; readonly publication: number } {
  const keys = generateKeys();
  const sender = keyIdOf(makeKeyRecord("minion", "web0", keys, 1).sign);
  const key = sharedKey(keys.box, x25519Public(generateKeys().box));
  const size = (direction: "request" | "reply", body: unknown): number => {
    const inner = { sender, requestId: randomBytes(16), bootId: randomBytes(8), counter: 1, body: encode(body) };
    return sealEnvelope(direction, inner, key).length;
  };
  const data = encode(true);
  const request = size("request", {
    cmd: "job.return",
    jid: "20261121023504473347",
    fun: "test.ping",
    retcode: 0,
    success: true,
    state: "succeeded",
    total: data.length,
    offset: 0,
    sha256: sha256(data),
    data,
  });
  // A publication of test.ping is 46 bytes of head, a wrap of 172 and some 250 of body (src/wire/publication.ts).
  return { request, reply: size("reply", { ok: { have: data.length, stored: true } }), publication: 470 };
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
