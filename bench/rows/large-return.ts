/** A return of 4 MB, from its first part on the way until the master has it on disk. */
import { randomBytes, sha256 } from "../../src/crypto/primitives.ts";
import { Link } from "../../src/minion/link.ts";
import { sendResult } from "../../src/minion/result-parts.ts";
import { encode } from "../../src/wire/codec.ts";
import { protocolVersion } from "../../src/wire/loads.ts";
import { Bed } from "../bed.ts";
import { appendMs } from "../disk.ts";
import { type Identity, identities } from "../identities.ts";
import type { Row, Sample } from "../row.ts";

const answerMs = 10_000;
const megabytes = 4;

export const largeReturn: Row = {
  name: "return-4MB",
  rounds: 7,
  figures: [{ name: "until it is stored", unit: "ms", budget: { atMost: 200 } }],
  open: async ({ quick }, cleanup) => {
    // Another minion for each sample: one may send 16 MiB at once, and then 4 MiB a second.
    const minions = identities(quick ? 2 : 100);
    const todo = minions.values();
    const bed = cleanup.use(await Bed.start(minions));
    return [
      {
        name: "msalt",
        sample: async () => {
          const { value } = todo.next();
          if (value === undefined) throw new Error(`at most ${minions.length} rounds`);
          return returnOnce(bed, value);
        },
      },
      { name: "disk", sample: async () => ({ "until it is stored": appendMs(megabytes * 1_000_000, 1) }) },
    ];
  },
};

async function returnOnce(bed: Bed, { id, keys, record }: Identity): Promise<Sample> {
  let count = 0;
  const link = await Link.open({
    host: "127.0.0.1",
    requestPort: bed.ports.ret_port,
    publishPort: bed.ports.publish_port,
    keys,
    record,
    master: bed.record,
    bootId: randomBytes(8),
    nextCounter: () => (count += 1),
    onPublication: () => undefined,
    onLink: () => undefined,
    onError: (failure) => process.stderr.write(`return-4MB: ${String(failure)}\n`),
  });
  const client = await bed.client();
  try {
    const ledger = { id: Buffer.from(randomBytes(16)), count: 0 };
    await link.ask({ cmd: "hello", protocol: protocolVersion, version: "bench", ledger }, answerMs);
    const how = { tgt: id, tgtType: "list", user: "bench", waitMs: 60_000 } as const;
    const { jid } = await client.call("publish", { ...how, fun: "cmd.run", arg: ["cat"] });
    const ret = encode("x".repeat(megabytes * 1_000_000));
    const started = performance.now();
    const state = { retcode: 0, success: true, state: "succeeded", total: ret.length, sha256: sha256(ret) } as const;
    const meta = { cmd: "job.return", jid, fun: "cmd.run", ...state } as const;
    await sendResult(ret, 0, (part) => link.ask({ ...meta, ...part }, answerMs));
    return { "until it is stored": performance.now() - started };
  } finally {
    link.close();
    client.close();
  }
}
