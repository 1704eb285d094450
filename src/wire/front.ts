/**
 * Between the controller and its front processes (reqserver, workers, publisher) on `minion.sock`: one MessagePack map a
 * frame. A front process is known by its epoch, a random name that the supervisor gave to it and told the controller; it is
 * the ROUTER's routing id, so nobody else can speak for it, and when the process is gone its epoch is over (W7).
 */
import * as z from "zod";
import { decode } from "./codec.ts";
import { type KeyId, isKeyId, type MinionId } from "./ids.ts";
import { limits } from "./limits.ts";
import { parseStrict, type Reply, type Command } from "./loads.ts";

export type FrontRole = "reqserver" | "worker" | "publisher";

const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array, "must be binary");
const keyId = z.custom<KeyId>((value) => typeof value === "string" && isKeyId(value), "must be a key id");
const number = z.int().min(0);

export interface MinionCall {
  readonly n: number;
  readonly keyId: KeyId;
  readonly bootId: Uint8Array;
  readonly counter: number;
  readonly size: number;
  readonly cmd: string;
  readonly load?: unknown;
}

const isCount = (value: unknown): boolean => typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

/** By hand: a schema would take as long as all else that is done for one of them here. */
function isCall(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const {
    n,
    keyId,
    bootId,
    counter,
    size,
    cmd,
    load: _,
    ...more
  } = value as Partial<Record<keyof MinionCall, unknown>>;
  return (
    isCount(n) &&
    isCount(counter) &&
    isCount(size) &&
    typeof keyId === "string" &&
    isKeyId(keyId) &&
    bootId instanceof Uint8Array &&
    typeof cmd === "string" &&
    Object.keys(more).length === 0
  );
}

const fromFront = z.discriminatedUnion("is", [
  /** First word after each connect: send me the keys (and sessions) that I need. */
  z.strictObject({ is: z.literal("hello") }),
  z.strictObject({ is: z.literal("ack"), n: number }),
  /** Worker: requests of minions, opened and checked; `load` still to be held against its schema. */
  z.strictObject({
    is: z.literal("calls"),
    calls: z.array(z.custom<MinionCall>(isCall, "must be a call")).max(1000),
  }),
  /** Reqserver: an enrolment request with a good signature. */
  z.strictObject({ is: z.literal("enrol"), n: number, request: bytes, address: z.string() }),
  /** Publisher: a minion's subscription works, or its connection broke. Said of all that stand after each hello. */
  z.strictObject({ is: z.literal("link"), keyId, topic: bytes, up: z.boolean() }),
]);
export type FromFront = z.infer<typeof fromFront>;

/** @throws MsaltError `ERR_WIRE_INVALID`. */
export function parseFromFront(frame: Uint8Array): FromFront {
  return parseStrict(fromFront, "front message", decode(frame, { depth: 32, nodes: limits.resultNodes }));
}

/** Which keys may talk now. `full`: forget all others. Everybody answers `n` with an ack. */
export interface KeyUpdate {
  is: "keys";
  n: number;
  full: boolean;
  add: { keyId: KeyId; id: MinionId; box: Uint8Array; curve: Uint8Array }[];
  remove: KeyId[];
}

export type ToFront =
  | KeyUpdate
  | { is: "replies"; replies: { n: number; reply: Reply<Command> }[] }
  | { is: "enrolled"; n: number; reply: Uint8Array | null }
  /** Publisher: current sessions of minions; each replaces the minion's older one. */
  | { is: "sessions"; sessions: { keyId: KeyId; topic: Uint8Array; publishKey: Uint8Array }[] }
  /** Publisher: seal and send one signed order to these targets. */
  | { is: "publish"; jid: string; order: Uint8Array; targets: { keyId: KeyId; signature: Uint8Array }[] };
