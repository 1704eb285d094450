/**
 * What minions say inside the box on 4506 (DESIGN §5.2). No load names its minion: the box is the identity. A result
 * travels as the bytes of its encoded value and is never decoded on the master; a value over one part comes in several
 * requests, each with its offset.
 */
import * as z from "zod";
import { MsaltError } from "../errors.ts";
import { type Jid, isJid } from "./ids.ts";
import { limits } from "./limits.ts";

/** Codes inside an opened box, and what a minion does about them is in docs/protocol.md. */
export type WireCode =
  | "E_PARSE"
  | "E_SCHEMA"
  | "E_COMMAND"
  | "E_FORBIDDEN"
  | "E_NOT_TARGETED"
  | "E_STATE"
  | "E_STALE"
  | "E_SIZE"
  | "E_RATE"
  | "E_BUSY"
  | "E_INTERNAL";

export const protocolVersion = 1;

const jid = z.custom<Jid>((value) => typeof value === "string" && isJid(value), "must be a jid of 20 digits");
const bytes = (max: number, min = 0): z.ZodType<Uint8Array> =>
  z.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.length <= max && value.length >= min,
    min === max ? `must be ${max} bytes` : `must be at most ${max} bytes`,
  );
const count = z.int().min(0);
const filePath = z.string().max(4096);

/** How a run on the minion ended; `lost`: the minion restarted mid-run, so nobody knows. */
export const runStates = ["succeeded", "failed", "timed_out", "killed", "lost"] as const;
export type RunState = (typeof runStates)[number];

/** How a run was ended from outside: the signal that did it, how long that took, and which processes outlived even KILL. */
export const killReport = z.strictObject({
  signal: z.string().max(16).optional(),
  waitMs: count,
  survivors: z.array(z.int()).max(100),
});
export type KillReport = z.infer<typeof killReport>;

const schemas = {
  hello: z.strictObject({
    cmd: z.literal("hello"),
    protocol: z.literal(protocolVersion),
    version: z.string().max(64),
    /** Identity and record count of the ledger: if either went back, this minion's open jobs are lost (W9). */
    ledger: z.strictObject({ id: bytes(16, 16), count }),
  }),
  sync: z.strictObject({ cmd: z.literal("sync") }),
  /** `count` as in `heartbeat`. */
  "job.start": z.strictObject({ cmd: z.literal("job.start"), jid, count }),
  "job.return": z.strictObject({
    cmd: z.literal("job.return"),
    jid,
    fun: z.string().max(256),
    /** 0 for success, as a process exit status. */
    retcode: z.int().min(0).max(255),
    success: z.boolean(),
    state: z.enum(runStates),
    /** Outputter that the function asks for. */
    out: z.string().max(64).optional(),
    /** Of a run that was killed or whose time was up. */
    kill: killReport.optional(),
    /** The encoded return value: `data` are its bytes from `offset` on, `total` long in all, `sha256` over the whole. */
    total: z.int().min(1).max(limits.resultBytes),
    offset: count,
    sha256: bytes(32, 32),
    data: bytes(limits.partBytes),
  }),
  /** What a run has printed so far, as it came: `data` from byte `offset` on. */
  "job.output": z.strictObject({
    cmd: z.literal("job.output"),
    jid,
    offset: count,
    data: bytes(limits.partBytes),
    /** With the last part: bytes of live output in all. What was printed beyond the cap is not among them. */
    total: count.optional(),
  }),
  heartbeat: z.strictObject({
    cmd: z.literal("heartbeat"),
    running: z.array(jid).max(1000),
    /** Topic of the publish session the minion believes in. */
    topic: bytes(16, 16),
    /** Record count of its ledger now: a later hello with fewer means that the ledger went back (W9). */
    count,
  }),
  grains: z.strictObject({ cmd: z.literal("grains"), grains: z.record(z.string(), z.unknown()) }),
  /** Changes what this minion keeps for others: first `clear`, then `remove`, then `set`. */
  "mine.set": z.strictObject({
    cmd: z.literal("mine.set"),
    clear: z.boolean(),
    remove: z.array(z.string().max(256)).max(1000),
    set: z.record(z.string().max(256), z.unknown()),
  }),
  /** Runs a function on other minions, where the master's rules allow it; waits `timeout` ms for the answers. */
  "peer.publish": z.strictObject({
    cmd: z.literal("peer.publish"),
    tgt: z.string().max(limits.targetBytes),
    tgt_type: z.enum(["glob", "list", "pcre", "grain", "grain_pcre", "ipcidr", "nodegroup", "compound"]),
    fun: z.string().min(1).max(256),
    arg: z.array(z.unknown()),
    timeout: z.int().min(0).max(60_000),
  }),
  /** What minions keep under these names. */
  "mine.get": z.strictObject({
    cmd: z.literal("mine.get"),
    tgt: z.string().max(limits.targetBytes),
    tgt_type: z.enum(["glob", "list", "pcre", "grain", "grain_pcre", "ipcidr", "nodegroup", "compound"]),
    names: z.array(z.string().max(256)).min(1).max(100),
  }),
  /** A file of the master, under its `salt://` path without that prefix. */
  "file.stat": z.strictObject({ cmd: z.literal("file.stat"), path: filePath }),
  "file.read": z.strictObject({ cmd: z.literal("file.read"), path: filePath, offset: count }),
  /** Names below a folder, those after `after`. */
  "file.list": z.strictObject({ cmd: z.literal("file.list"), path: filePath, after: filePath }),
  /** A part of a file of this minion, for a master that takes some. */
  "file.push": z.strictObject({
    cmd: z.literal("file.push"),
    path: filePath,
    offset: count,
    total: count,
    sha256: bytes(32, 32),
    data: bytes(limits.partBytes),
  }),
  /** This minion's part of the pillar, of which it names nothing: the box is the identity. */
  pillar: z.strictObject({ cmd: z.literal("pillar") }),
  event: z.strictObject({
    cmd: z.literal("event"),
    tag: z.string().min(1).max(limits.tagBytes),
    data: z.record(z.string(), z.unknown()),
  }),
} as const;

export type Command = keyof typeof schemas;
/** `Load<"job.return">` is the body of that request. */
export type Load<C extends Command> = z.infer<(typeof schemas)[C]>;

/** What the master answers inside the box. Times are the master's clock in milliseconds since 1970. */
export interface Replies {
  hello: {
    /** Name under which the publisher sends to this minion, and the key of its wraps. Fresh at each hello. */
    topic: Uint8Array;
    publishKey: Uint8Array;
    time: number;
    outstanding: number;
    /** The master's current key record, so that rotation is followed without 4507. */
    masterRecord: Uint8Array;
  };
  sync: { jobs: { body: Uint8Array; signature: Uint8Array }[]; more: boolean; time: number };
  "job.start": { time: number };
  /** `have`: bytes of the result that the master holds without a gap; the next part to be sent starts there. `stored`: all of it, durably. */
  "job.return": { have: number; stored: boolean };
  /** The master has the first `have` bytes and takes up to byte `want` for now; 0: nobody follows. */
  "job.output": { have: number; want: number };
  heartbeat: { time: number; known: boolean; outstanding: number };
  grains: Record<string, never>;
  /** An encoded map. */
  pillar: { pillar: Uint8Array };
  event: Record<string, never>;
  /** No `file`: there is none. */
  "file.stat": { file?: { size: number; mode: number; sha256: Uint8Array } };
  /** Up to 512 KiB; none at the end. */
  "file.read": { data?: Uint8Array };
  "file.list": { files: string[]; more: boolean };
  "file.push": Record<string, never>;
  "mine.set": Record<string, never>;
  /** Encoded values by minion id. */
  "peer.publish": { data: Record<string, Uint8Array> };
  "mine.get": { data: Record<string, Record<string, unknown>> };
}

export type Reply<C extends Command> = { ok: Replies[C] } | { error: WireCode; message: string; retryMs?: number };

const commands: ReadonlySet<string> = new Set(Object.keys(schemas));

export function isCommand(name: unknown): name is Command {
  return typeof name === "string" && commands.has(name);
}

/** @throws MsaltError `ERR_WIRE_INVALID` naming every bad field; the load itself is never quoted. */
export function parseLoad<C extends Command>(cmd: C, decoded: unknown): Load<C> {
  return parseStrict(schemas[cmd] as unknown as z.ZodType<Load<C>>, cmd, decoded);
}

/** Checks `decoded` against `schema`. @throws MsaltError `ERR_WIRE_INVALID` naming every bad field of `what`. */
export function parseStrict<T>(schema: z.ZodType<T>, what: string, decoded: unknown): T {
  const parsed = schema.safeParse(decoded);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join(".") || "load"}: ${issue.message}`);
  throw new MsaltError("ERR_WIRE_INVALID", `bad ${what}: ${problems.join("; ")}`);
}
