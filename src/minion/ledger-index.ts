import type { Jid } from "../wire/ids.ts";
import type { LedgerRecord, Place } from "./ledger-format.ts";

const hourMs = 3_600_000;

export interface Entry {
  readonly state: "running" | "done";
  readonly fun: string;
  readonly notAfter: number;
  /** Of the START or END that this state stands in. */
  place: Place;
  acked: boolean;
}

/** What the records of a ledger say, without their results. */
export class LedgerIndex {
  readonly entries = new Map<Jid, Entry>();
  /** Ended and not acknowledged, in the order in which the jobs ended. */
  readonly outbox = new Set<Jid>();
  count = 0;
  highestTime = 0;

  /** What one record changes: the same when it has just been synced as when the file is replayed. */
  apply(record: LedgerRecord, place: Place): void {
    this.count += 1;
    if ("at" in record) this.highestTime = Math.max(this.highestTime, record.at);
    if (record.kind === "time") return;
    const { kind, jid } = record;
    if (kind === "ack") return this.acknowledge(jid);
    const state = ({ start: "running", end: "done" } as const)[kind];
    this.entries.set(jid, { state, fun: record.fun, notAfter: record.notAfter, place, acked: false });
    if (kind === "end") this.outbox.add(jid);
  }

  acknowledge(jid: Jid): void {
    const entry = this.entries.get(jid);
    if (entry !== undefined) entry.acked = true;
    this.outbox.delete(jid);
  }

  /** Forgets what ended, is acknowledged and an hour past its own not-after (W9), and returns the bytes of the records that are still needed. */
  forget(time: number, mayForget: (jid: Jid) => boolean): number {
    let live = 0;
    for (const [jid, { state, acked, notAfter, place }] of this.entries) {
      if (state === "done" && acked && time > notAfter + hourMs && mayForget(jid)) this.entries.delete(jid);
      else live += place.size;
    }
    return live;
  }
}
