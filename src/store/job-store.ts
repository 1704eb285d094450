import type { Job, Stop, Target } from "../job/types.ts";
import type { Jid, KeyId, MinionId } from "../wire/ids.ts";

/** One change of the record. A batch of them is one transaction. */
export type Write =
  | { readonly kind: "job"; readonly job: Job }
  /** Replaces the row of this target (state, times and, where given, its result). */
  | { readonly kind: "target"; readonly jid: Jid; readonly target: Target }
  /** A second, different result, kept beside the first. */
  | {
      readonly kind: "conflict";
      readonly jid: Jid;
      readonly id: MinionId;
      readonly ret: Uint8Array;
      readonly at: number;
    }
  | { readonly kind: "stop"; readonly jid: Jid; readonly stop: Stop }
  | { readonly kind: "end"; readonly jid: Jid; readonly at: number }
  | { readonly kind: "minion"; readonly minion: MinionRow }
  | {
      readonly kind: "grains";
      readonly id: MinionId;
      readonly grains: Readonly<Record<string, unknown>>;
      readonly at: number;
    }
  | { readonly kind: "mine"; readonly id: MinionId; readonly mine: Readonly<Record<string, unknown>> }
  /** Forgets what is known of a minion (grains, mine, ledger, presence); its old returns stay. */
  | { readonly kind: "forget"; readonly id: MinionId };

/** What the master remembers of a minion between its own restarts. Times in ms since 1970. */
export interface MinionRow {
  readonly id: MinionId;
  readonly keyId: KeyId;
  readonly ledgerId?: Uint8Array;
  readonly ledgerCount?: number;
  readonly lastSeen?: number;
}

export interface JobRecord {
  readonly job: Job;
  /** Undefined while a target is open. */
  readonly ended?: number;
  readonly stop?: Stop;
}

/** A job in a list: without the names of its targets, of which there may be many. */
export interface JobLine extends Omit<JobRecord, "job"> {
  readonly job: Omit<Job, "minions">;
  readonly targets: number;
}

/** A second, different result that came for a target. */
export interface Conflict {
  readonly at: number;
  readonly ret: Uint8Array;
}

/** Rows of one job in minion order of the job, without those that have no row yet. */
export interface TargetPage {
  readonly targets: readonly Target[];
  /** Give it back as `after` to go on; undefined at the end. */
  readonly next: number | undefined;
}

/**
 * The durable record. One process owns it. `commit` resolves when everything is synced; if it fails nothing of the batch
 * was written. Every method @throws MsaltError `ERR_STORE`, or `ERR_DISK_FULL` when there is no room.
 */
export interface JobStore {
  commit(batch: readonly Write[]): Promise<void>;
  job(jid: Jid): Promise<JobRecord | undefined>;
  /** States of all targets that have a row; `ret` left out. */
  targets(jid: Jid): Promise<readonly Target[]>;
  /** The same with results, at most `maxBytes` of them (but always one) a page. */
  returns(jid: Jid, after: number | undefined, maxBytes: number): Promise<TargetPage>;
  /** Result of one target. */
  return(jid: Jid, id: MinionId): Promise<Target | undefined>;
  /** Further, different results of one target, as they came. */
  conflicts(jid: Jid, id: MinionId): Promise<readonly Conflict[]>;
  /** Jobs that have not ended, oldest first. */
  openJobs(): Promise<readonly JobRecord[]>;
  /** Newest first, strictly older than `before`. */
  jobs(before: Jid | undefined, limit: number): Promise<readonly JobLine[]>;
  minions(): Promise<readonly MinionRow[]>;
  grains(id: MinionId): Promise<Readonly<Record<string, unknown>> | undefined>;
  mine(id: MinionId): Promise<Readonly<Record<string, unknown>> | undefined>;
  /** The highest jid ever given, also of purged jobs. */
  lastJid(): Promise<Jid | undefined>;
  /**
   * Drops ended jobs older than `before`, at most `limit` of them; the number dropped. They are gone at once; their rows are
   * erased in slices between which others are served.
   */
  purge(before: Jid, limit: number): Promise<number>;
  close(): Promise<void>;
}
