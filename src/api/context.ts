import type { Log } from "../log/log.ts";
import type { LocalReplies } from "../wire/local.ts";
import type { Accounts, Who } from "./accounts.ts";
import type { Gate } from "./gate.ts";
import type { Master } from "./master.ts";
import type { Metrics } from "./metrics.ts";
import type { Scripts } from "./scripts.ts";
import type { Setup } from "./setup.ts";
import type { Streams } from "./streams.ts";
import type { BackOff } from "./throttle.ts";

/** What routes may touch. */
export interface ApiContext {
  readonly master: Master;
  /** Every open job with its targets. */
  readonly activeJobs: () => Promise<LocalReplies["job.active"]>;
  readonly accounts: Accounts;
  readonly scripts: Scripts;
  readonly gate: Gate;
  readonly streams: Streams;
  readonly setup: Setup;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Failed log-ins of a name, and from an address. */
  readonly backOff: { readonly names: BackOff; readonly addresses: BackOff };
  readonly version: string;
  /** Ms since 1970, never back. */
  readonly now: () => number;
  /** Ms of no particular beginning. */
  readonly steady: () => number;
}

/** The user of a job, in the record and the audit log. */
export function userOf({ account }: Pick<Who, "account">): string {
  return `api:${account.name}`;
}

export function isAdmin({ account }: Who): boolean {
  return account.role === "admin";
}
