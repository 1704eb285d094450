/** What the HTTP API says (docs/api.md), as far as the dashboard reads it. */

export type TargetState =
  | "waiting"
  | "sent"
  | "running"
  | "succeeded"
  | "failed"
  | "timed_out"
  | "killed"
  | "lost"
  | "skipped"
  | "expired";

export interface Account {
  readonly name: string;
  readonly role: "admin" | "user";
  readonly rules: readonly unknown[];
  readonly disabled: boolean;
  readonly created: string;
  readonly changed: string;
}

export interface Session {
  readonly user: Account;
  readonly scopes: readonly string[];
  readonly csrf?: string;
  readonly expires: string;
}

export interface Token {
  readonly id: string;
  readonly name: string;
  readonly user: string;
  readonly scopes: readonly string[];
  readonly created: string;
  readonly expires: string;
  readonly used?: string;
}

export interface Target {
  readonly id: string;
  readonly state: TargetState;
  readonly reason?: string;
  readonly started?: string;
  readonly ended?: string;
  readonly retcode?: number;
  readonly success?: boolean;
  readonly late?: boolean;
  readonly connected?: boolean;
  readonly return?: unknown;
}

export interface Call {
  readonly fun: string;
  readonly arg: readonly unknown[];
  readonly kwarg: Readonly<Record<string, unknown>>;
}

export interface TargetExpression {
  readonly tgt: string;
  readonly tgt_type: string;
  readonly delimiter?: string;
}

export interface JobOptions {
  readonly timeout?: number;
  readonly ttl?: number;
  readonly subset?: number;
  readonly parallel?: number | string;
  readonly batch_wait?: number;
  readonly fail_count?: number;
  readonly fail_rate?: number;
  readonly fail_kill?: boolean;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

export type JobRequest = Call & TargetExpression & JobOptions;

export interface Counts {
  readonly total: number;
  readonly done: number;
  readonly running: number;
  readonly waiting: number;
  readonly skipped: number;
  readonly succeeded: number;
  readonly failed: number;
}

export interface Job<T = number> extends Call, TargetExpression {
  readonly jid: string;
  readonly user: string;
  readonly created: string;
  readonly not_after: string;
  readonly ended?: string;
  readonly stop?: { readonly at: string; readonly reason: string };
  readonly options: Omit<JobOptions, "metadata">;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly missing: readonly string[];
  readonly counts?: Counts;
  readonly targets: T;
}

export interface Minion {
  readonly id: string;
  readonly connected: boolean;
  readonly since?: string;
  readonly last_seen?: string;
  readonly grains?: Readonly<Record<string, unknown>>;
  readonly jobs?: readonly string[];
}

export interface Key {
  readonly id: string;
  readonly fingerprint: string;
  readonly since?: string;
  readonly deleted_before?: boolean | string;
}

export const keyStates = ["pending", "accepted", "denied", "rejected"] as const;
export type Keys = Readonly<Record<(typeof keyStates)[number], readonly Key[]>> & { readonly master: string };

export interface Parameter {
  readonly name: string;
  readonly kind: "text" | "number" | "boolean" | "list" | "map" | "any";
  readonly required: boolean;
  readonly default?: unknown;
  readonly description?: string;
  readonly variadic?: "rest" | "keywords";
}

export interface FunctionInfo {
  readonly name: string;
  readonly summary: string;
  readonly effects: "none" | "some";
  readonly parameters: readonly Parameter[];
  readonly examples?: readonly string[];
  readonly schema?: { readonly properties?: Readonly<Record<string, unknown>> };
}

export interface ScriptVersion {
  readonly version: number;
  readonly by: string;
  readonly at: string;
  readonly comment?: string;
  readonly bytes?: number;
  readonly script?: string;
}

/** Ended without success; one that was skipped never began. */
export const failedStates: readonly TargetState[] = ["failed", "timed_out", "killed", "lost", "expired"];
export const openStates: readonly TargetState[] = ["waiting", "sent", "running"];
