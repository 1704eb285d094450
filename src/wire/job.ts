import type { Words } from "./args.ts";
import type { Jid, MinionId } from "./ids.ts";
import type { KillReport, RunState } from "./loads.ts";

/** DESIGN §6. The first three are open, the others terminal. */
export const targetStates = [
  "waiting",
  "sent",
  "running",
  "succeeded",
  "failed",
  "timed_out",
  "killed",
  "lost",
  "skipped",
  "expired",
] as const;
export type TargetState = "waiting" | "sent" | "running" | "skipped" | "expired" | RunState;

export interface JobOptions {
  /** Kill the run on the minion after so many milliseconds. */
  readonly timeoutMs?: number;
  /** At most so many targets at once; a percentage is resolved when the job is accepted. */
  readonly parallel?: number;
  /** A freed place stays empty for so long. */
  readonly batchWaitMs?: number;
  /** Failure budget (DESIGN §6): without both there is none. -1: no limit at all. */
  readonly failCount?: number;
  /** Part of the targets, 0 to 1. */
  readonly failRate?: number;
  /** What runs is killed when the budget is spent. */
  readonly failKill?: true;
  /** Somebody wanted the output live from the start. */
  readonly follow?: true;
  /** How long the submitting command line waits; part of the record because the default lifetime follows from it. */
  readonly waitMs?: number;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** One accepted command, as the store keeps it. Times are the master's, milliseconds since 1970. */
export interface Job {
  readonly jid: Jid;
  readonly user: string;
  /** Of a compound command: all of them, separated by commas. */
  readonly fun: string;
  /** As Salt shows them: positional values, then at most one map marked `__kwarg__`. Of a compound command a list of these. */
  readonly arg: readonly unknown[];
  /** The words as typed, when the job came from a command line. */
  readonly words?: Words;
  readonly tgt: string;
  readonly tgtType: string;
  readonly options: JobOptions;
  readonly created: number;
  /** An absent target may begin until then; in a batch, until as long after its turn as this is after `created`. */
  readonly notAfter: number;
  /** The resolved targets: exactly who must answer. */
  readonly minions: readonly MinionId[];
  /** Names in a list target without an accepted key. */
  readonly missing: readonly string[];
}

/** Why a job begins no more targets. */
export interface Stop {
  readonly at: number;
  /** One sentence. */
  readonly reason: string;
  /** What runs is ended by this signal. */
  readonly signal?: number;
}

/** What the record knows of one target. Without a stored row a target is `waiting` or `sent`. */
export interface Target {
  readonly id: MinionId;
  readonly state: TargetState;
  /** Why it ended so, in one clause, where the state alone does not say. */
  readonly reason?: string;
  /** In a batch: when its turn came. */
  readonly turn?: number;
  /** It expired and was never sent the job. */
  readonly unreachable?: true;
  readonly started?: number;
  readonly ended?: number;
  readonly retcode?: number;
  readonly success?: boolean;
  readonly out?: string;
  /** How it was ended from outside. */
  readonly kill?: KillReport;
  /** The encoded return value; left out where only states were asked for. */
  readonly ret?: Uint8Array;
  /** The result came after the target had been given up as expired or lost. */
  readonly late?: boolean;
  /** Further, different results that came for this target; the first stays. */
  readonly conflicts?: number;
}
