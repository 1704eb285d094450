/**
 * What local clients (msalt, msalt-run, msalt-key, later the HTTP API) ask of the controller on `local.sock`. Each request is
 * one MessagePack map {secret, n, cmd, load}; each answer {n, ok} or {n, error: {code, message, details}}. Whoever can read
 * the secret file in the 0700 socket folder is an operator; `user` is what the client says it is.
 */
import * as z from "zod";
import { wordsSchema } from "./args.ts";
import type { Job, Stop, Target } from "./job.ts";
import { type Jid, isJid, isMinionId, type MinionId } from "./ids.ts";
import { limits } from "./limits.ts";
import { type KeyReplies, keyChange, keyList, keyToken } from "./keys.ts";
import { parseStrict } from "./loads.ts";

const jid = z.custom<Jid>((value) => typeof value === "string" && isJid(value), "must be a jid of 20 digits");
const minionId = z.custom<MinionId>((value) => typeof value === "string" && isMinionId(value), "must be a minion id");
const millis = z.int().min(0);
/** The user is an account of the HTTP API, which has proved itself there. */
const via = z.literal("api").optional();

export const targetTypes = [
  "glob",
  "list",
  "pcre",
  "grain",
  "grain_pcre",
  "pillar",
  "pillar_pcre",
  "ipcidr",
  "nodegroup",
  "compound",
] as const;
export type TargetType = (typeof targetTypes)[number];

/** What accounts of the HTTP API do that is not a command of the bus. */
const apiActs = [
  "login",
  "logout",
  "setup",
  "password",
  "account.add",
  "account.change",
  "account.delete",
  "token.add",
  "token.delete",
  "script.save",
  "script.delete",
  "denied",
] as const;
export type ApiAct = (typeof apiActs)[number];

const target = {
  tgt: z.string().max(limits.targetBytes),
  tgtType: z.enum(targetTypes),
  /** Between the levels of grain and pillar paths. */
  delimiter: z.string().min(1).max(16).optional(),
};

const schemas = {
  /** Who would be hit. */
  "target.resolve": z.strictObject(target),
  publish: z.strictObject({
    ...target,
    fun: z.string().min(1).max(256),
    arg: z.array(z.unknown()),
    words: wordsSchema.optional(),
    user: z.string().max(128),
    waitMs: millis,
    timeoutMs: millis.optional(),
    /** How long an absent target may still begin. Default: `waitMs` and 60 s. */
    ttlMs: millis.optional(),
    /** So many of the targets, picked at random, the connected ones first. */
    subset: z.int().min(1).optional(),
    parallel: z.union([z.int().min(1), z.strictObject({ percent: z.number().positive() })]).optional(),
    /** From `limit` targets on, `size` of them at once where `parallel` says nothing. */
    batchSafe: z.strictObject({ limit: z.int().min(2), size: z.int().min(1) }).optional(),
    batchWaitMs: millis.optional(),
    failCount: z.int().min(-1).optional(),
    failRate: z.number().min(0).max(1).optional(),
    failKill: z.literal(true).optional(),
    follow: z.literal(true).optional(),
    metadata: z.record(z.string(), z.unknown()).optional(),
    /** What this user may, as `publisher_acl` writes it, judged on the minions that the job would reach. Left out: everything. */
    rules: z.array(z.unknown()).max(limits.userRules).optional(),
    via,
  }),
  /** Ends a job: what waits is skipped, what runs gets the signal (default TERM), then KILL. */
  "job.kill": z.strictObject({
    jid,
    signal: z.int().min(1).max(64).optional(),
    user: z.string().max(128),
    /** What runs goes on. */
    gently: z.literal(true).optional(),
    via,
  }),
  /** Live output of these targets, each from the byte it has been shown up to; waits a moment when there is none. */
  "job.output": z.strictObject({ jid, from: z.record(minionId, z.int().min(0)) }),
  /** The job and the states of its targets. */
  "job.record": z.strictObject({ jid }),
  /** Results, page by page: `next` of one page is `after` of the next. Of all targets, or of these. */
  "job.returns": z.strictObject({
    jid,
    after: z.int().optional(),
    ids: z.array(minionId).max(limits.returnsIds).optional(),
  }),
  "job.list": z.strictObject({ before: jid.optional(), limit: z.int().min(1).max(10_000) }),
  "job.active": z.strictObject({}),
  "minion.list": z.strictObject({}),
  /** What these minions reported of themselves. */
  "minion.grains": z.strictObject({ ids: z.array(minionId).max(100) }),
  /** What this minion gets of the pillar. */
  "minion.pillar": z.strictObject({ id: minionId }),
  "event.fire": z.strictObject({
    tag: z.string().min(1).max(limits.tagBytes),
    data: z.record(z.string(), z.unknown()),
  }),
  "master.stats": z.strictObject({}),
  /** A line for the audit log of what an account did with the HTTP API itself. */
  "audit.note": z.strictObject({
    user: z.string().max(128),
    act: z.enum(apiActs),
    arg: z.unknown(),
    outcome: z.string().min(1).max(1024),
  }),
  "key.list": keyList,
  "key.change": keyChange,
  "key.token": keyToken,
} as const;

export type LocalCommand = keyof typeof schemas;
export type LocalLoad<C extends LocalCommand> = z.infer<(typeof schemas)[C]>;
const names: ReadonlySet<string> = new Set(Object.keys(schemas));

/** What the controller knows of a minion's link. Times in ms since 1970. */
export interface Presence {
  readonly id: MinionId;
  readonly connected: boolean;
  /** Since when it is (not) connected; undefined when it was never seen. */
  readonly since?: number;
  readonly lastSeen?: number;
  /** Not connected, but the master has only just started: it may be on its way back. */
  readonly returning?: true;
}

/** One job as clients see it. */
export interface JobView {
  readonly job: Job;
  readonly ended?: number;
  /** It begins no more targets. */
  readonly stop?: Stop;
  /** Number of the last event of this job: a tail goes on behind it. Numbers of another `bus` do not compare. */
  readonly sequence: number;
  readonly bus: string;
  /** Of the master's clock, which need not be the reader's. */
  readonly time: number;
}

/** One line of a list of jobs: without its targets' names, of which there may be many. */
export interface JobSummary {
  readonly job: Omit<Job, "minions">;
  readonly targets: number;
  readonly ended?: number;
  readonly stop?: Stop;
}

/** One target as clients see it: its record, and for an open one what is known of the link. */
export type TargetView = Target & { readonly link?: Omit<Presence, "id"> };

export interface LocalReplies {
  /** `others`: accepted minions that the target does not name; `unknown`: those of them that never reported grains. */
  "target.resolve": { minions: Presence[]; missing: string[]; others: MinionId[]; unknown: MinionId[] };
  /** `parallel`: how many at once, when not all. */
  publish: { jid: Jid; minions: MinionId[]; missing: string[]; parallel?: number };
  /** How many targets were skipped, and who was told to end its run; both empty when the job had ended before. */
  "job.kill": { skipped: number; told: MinionId[] };
  /** `done`: of these nothing more will come; `total` is what they showed in all, unless nobody knows. */
  "job.output": {
    parts: { id: MinionId; offset: number; data: Uint8Array }[];
    done: { id: MinionId; total?: number }[];
  };
  "job.record": JobView & { targets: TargetView[] };
  "job.returns": { targets: Target[]; next?: number };
  "job.list": { jobs: JobSummary[] };
  "job.active": { jobs: (JobView & { targets: TargetView[] })[] };
  "minion.list": { minions: Presence[] };
  "minion.grains": { grains: Record<MinionId, Readonly<Record<string, unknown>>> };
  "minion.pillar": { pillar: Readonly<Record<string, unknown>> };
  "event.fire": Record<string, never>;
  "master.stats": Record<string, unknown>;
  "audit.note": Record<string, never>;
  "key.list": KeyReplies["key.list"];
  "key.change": KeyReplies["key.change"];
  "key.token": KeyReplies["key.token"];
}

export function isLocalCommand(name: unknown): name is LocalCommand {
  return typeof name === "string" && names.has(name);
}

/** @throws MsaltError `ERR_WIRE_INVALID`. */
export function parseLocalLoad<C extends LocalCommand>(cmd: C, decoded: unknown): LocalLoad<C> {
  return parseStrict(schemas[cmd] as unknown as z.ZodType<LocalLoad<C>>, cmd, decoded);
}

/** In an event, in place of a value that is too large for one: what Salt puts where `max_event_size` is exceeded. The record has it whole. */
export const trimmedValue = "VALUE_TRIMMED";

/** One event of the bus, its payload decoded. */
export interface BusEvent {
  readonly tag: string;
  readonly data: Readonly<Record<string, unknown>>;
}
