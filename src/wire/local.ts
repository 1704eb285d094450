/**
 * What local clients (msalt, msalt-run, msalt-key, later the HTTP API) ask of the controller on `local.sock`. Each request is
 * one MessagePack map {secret, n, cmd, load}; each answer {n, ok} or {n, error: {code, message, details}}. Whoever can read
 * the secret file in the 0700 socket folder is an operator; `user` is what the client says it is.
 */
import * as z from "zod";
import type { Job, Target } from "./job.ts";
import { type Jid, isJid, isMinionId, type MinionId } from "./ids.ts";
import { limits } from "./limits.ts";
import { type KeyReplies, keyChange, keyList, keyToken } from "./keys.ts";
import { parseStrict } from "./loads.ts";

const jid = z.custom<Jid>((value) => typeof value === "string" && isJid(value), "must be a jid of 20 digits");
const minionId = z.custom<MinionId>((value) => typeof value === "string" && isMinionId(value), "must be a minion id");
const millis = z.int().min(0);

const targetTypes = ["glob", "list", "pcre"] as const;
export type TargetType = (typeof targetTypes)[number];

const schemas = {
  publish: z.strictObject({
    tgt: z.string().max(limits.targetBytes),
    tgtType: z.enum(targetTypes),
    fun: z.string().min(1).max(256),
    arg: z.array(z.unknown()),
    words: z.array(z.string()).optional(),
    user: z.string().max(128),
    waitMs: millis,
    timeoutMs: millis.optional(),
    metadata: z.record(z.string(), z.unknown()).optional(),
  }),
  /** The job and the states of its targets. */
  "job.record": z.strictObject({ jid }),
  /** Results, page by page. */
  "job.returns": z.strictObject({ jid, after: z.int().optional(), ids: z.array(minionId).max(10_000).optional() }),
  "job.list": z.strictObject({ before: jid.optional(), limit: z.int().min(1).max(10_000) }),
  "job.active": z.strictObject({}),
  "minion.list": z.strictObject({}),
  "event.fire": z.strictObject({
    tag: z.string().min(1).max(limits.tagBytes),
    data: z.record(z.string(), z.unknown()),
  }),
  "master.stats": z.strictObject({}),
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
  readonly reason?: string;
  /** Number of the last event of this job: a tail goes on behind it. Numbers of another `bus` do not compare. */
  readonly sequence: number;
  readonly bus: string;
}

/** One target as clients see it: its record, and for an open one what is known of the link. */
export type TargetView = Target & { readonly link?: Omit<Presence, "id"> };

export interface LocalReplies {
  publish: { jid: Jid; minions: MinionId[]; missing: string[] };
  "job.record": JobView & { targets: TargetView[] };
  "job.returns": { targets: Target[]; next?: number };
  "job.list": { jobs: JobView[] };
  "job.active": { jobs: (JobView & { targets: TargetView[] })[] };
  "minion.list": { minions: Presence[] };
  "event.fire": Record<string, never>;
  "master.stats": Record<string, unknown>;
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
