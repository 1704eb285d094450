/**
 * A minion's executor and ledger in a process of their own that kills itself (SIGKILL) at its n-th operation on the ledger's
 * file. Bundled and started by test/process/at-most-once.test.ts.
 *
 *     node victim.mjs <folder> <n, or -1> <before | in | after> <order numbers, such as 0,1,0> [forgetful]
 *
 * The folder holds `orders.json`; the commands of the orders append to a file there. Prints what the ledger holds at the end.
 * `forgetful`: nothing that is written reaches the disk, as if no START were synced.
 */
import { readFileSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { Verifier } from "../../src/crypto/primitives.ts";
import { MasterClock } from "../../src/minion/clock.ts";
import { CommandRunner } from "../../src/minion/command.ts";
import { Executor } from "../../src/minion/executor.ts";
import type { LedgerFs } from "../../src/minion/ledger-file.ts";
import type { LedgerHandle } from "../../src/minion/ledger-replay.ts";
import { Ledger } from "../../src/minion/ledger.ts";
import { builtins } from "../../src/modules/registry.ts";
import { asJid, type MinionId } from "../../src/wire/ids.ts";
import { fakeHost } from "./host.ts";

interface Orders {
  readonly now: number;
  readonly masterSign: string;
  readonly ownSign: string;
  readonly orders: readonly { readonly jid: string; readonly bytes: string; readonly signature: string }[];
}

const [, , folder = "", at = "-1", when = "before", sequence = "", forgetful] = process.argv;
const given = JSON.parse(readFileSync(join(folder, "orders.json"), "utf8")) as Orders;
const hex = (text: string): Buffer => Buffer.from(text, "hex");
let operations = 0;

/** One operation on the file: the process ends before it, in the middle of it, or when it is done and nobody knows. */
async function step<T>(whole: () => Promise<T>, half: () => Promise<unknown> = async () => undefined): Promise<T> {
  const mine = operations === Number(at);
  operations += 1;
  if (mine && when === "in") await half();
  if (mine && when !== "after") process.kill(process.pid, "SIGKILL");
  const result = await whole();
  if (mine) process.kill(process.pid, "SIGKILL");
  return result;
}

let opened = false;
const fs: LedgerFs = {
  open: async (path, flags, mode) => {
    const handle = await open(path, flags, mode);
    return {
      read: (...args) => handle.read(...args),
      write: (from, offset, length, position) => {
        if (forgetful !== undefined && opened) return step(async () => ({ bytesWritten: length }));
        return step(
          () => handle.write(from, offset, length, position),
          () => handle.write(from, offset, length >> 1, position),
        );
      },
      truncate: (length) => step(() => handle.truncate(length)),
      datasync: () => step(() => handle.datasync()),
      sync: () => step(() => handle.sync()),
      stat: () => handle.stat(),
      close: () => handle.close(),
    } satisfies LedgerHandle;
  },
  rename: (from, to) => step(() => rename(from, to)),
  rm,
};

const clock = new MasterClock(() => performance.now());
clock.set(given.now);
const ledger = await Ledger.open(join(folder, "ledger"), { now: () => clock.now(), fs });
opened = true;
const executor = new Executor({
  maxJobs: 64,
  id: "m1" as MinionId,
  ownSignKey: hex(given.ownSign),
  verifier: () => new Verifier(hex(given.masterSign)),
  ledger,
  clock,
  commands: new CommandRunner(),
  functions: builtins,
  allowed: undefined,
  log: {
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error: (message, facts) => process.stderr.write(`${message} ${JSON.stringify(facts)}\n`),
  },
  host: fakeHost({ grains: {}, config: {} }),
  onStart: () => undefined,
  onResult: () => undefined,
  onOutput: () => undefined,
  onEnd: () => undefined,
});
for (const number of sequence.split(",").map(Number)) {
  const order = given.orders[number];
  if (order !== undefined) executor.take(hex(order.bytes), hex(order.signature));
}
const settled = async (): Promise<void> => {
  while (!executor.idle) await new Promise((resolve) => setTimeout(resolve, 5));
};
await settled();
const results: Record<string, unknown> = {};
for (const jid of new Set(given.orders.map((order) => order.jid))) {
  const result = forgetful === undefined ? await ledger.result(asJid(jid)) : undefined;
  results[jid] = { seen: ledger.seen(asJid(jid)), state: result?.state };
}
for (const jid of ledger.outbox()) await ledger.ack(jid);
await ledger.tick();
await ledger.close();
process.stdout.write(`${JSON.stringify({ results, operations })}\n`);
process.exit(0);
