import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { Ledger, type LedgerResult } from "../../../src/minion/ledger.ts";
import { encode } from "../../../src/wire/codec.ts";
import { asJid, type Jid } from "../../../src/wire/ids.ts";

export const hourMs = 3_600_000;

export function jidOf(number: number): Jid {
  return asJid(`20260101${String(number).padStart(12, "0")}`);
}

export function resultOf(number: number, value: unknown = `result ${number}`): LedgerResult {
  return { jid: jidOf(number), fun: "cmd.run", state: "succeeded", retcode: 0, success: true, ret: encode(value) };
}

/** A folder for one test. */
export async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "msalt-ledger-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** A clock that a test sets. */
export class Hands {
  at = 1_767_225_600_000;
  readonly now = (): number => this.at;
}

export async function ledgerFile(): Promise<{ path: string; clock: Hands; open: () => Promise<Ledger> }> {
  const path = join(await folder(), "ledger");
  const clock = new Hands();
  const open = async (): Promise<Ledger> => {
    const ledger = await Ledger.open(path, { now: clock.now });
    onTestFinished(() => ledger.close());
    return ledger;
  };
  return { path, clock, open };
}

/** A result with its bytes as one string: comparing megabytes element by element takes a minute. */
export function flat(result: LedgerResult | undefined): unknown {
  return result && { ...result, ret: Buffer.from(result.ret).toString("latin1") };
}
