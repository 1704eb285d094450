/**
 * Bytes on 4505, all in one frame that starts with the minion's topic (DESIGN §5.3, W3, W4, W6).
 *
 *   0 topic (16) | 16 'm' 'P' | 18 version | 19 kind | 20 nonce (24) | 44 length of wrap (2) | 46 wrap | body
 *   wrap = secretbox(publish key, nonce; sequence (8) ‖ [jid (20) ‖ content key (32) ‖ SHA-256 of body (32) ‖ signature (64)])
 *   body = nonce (24) ‖ secretbox(content key; MessagePack of the order)
 *
 * Kind `ready` has no body and a wrap of sequence ‖ id of the publisher's process (8): it answers a subscription.
 */
import { createHash } from "node:crypto";
import * as z from "zod";
import { MsaltError } from "../errors.ts";
import { wordsSchema } from "./args.ts";
import { decode } from "./codec.ts";
import { type Jid, isJid } from "./ids.ts";
import { parseStrict } from "./loads.ts";

type PublicationKind = "ready" | "order";
const kinds: Readonly<Record<PublicationKind, number>> = { ready: 1, order: 2 };
const version = 1;
const headSize = 46;

export interface PublicationFrame {
  readonly topic: Uint8Array;
  readonly kind: PublicationKind;
  readonly nonce: Uint8Array;
  readonly wrap: Uint8Array;
  readonly body: Uint8Array;
}

export function buildPublication({ topic, kind, nonce, wrap, body }: PublicationFrame): Uint8Array {
  const out = Buffer.allocUnsafe(headSize + wrap.length + body.length);
  out.set(topic, 0);
  out[16] = 0x6d;
  out[17] = 0x50;
  out[18] = version;
  out[19] = kinds[kind];
  out.set(nonce, 20);
  out.writeUInt16BE(wrap.length, 44);
  out.set(wrap, headSize);
  out.set(body, headSize + wrap.length);
  return out;
}

/** @throws MsaltError `ERR_WIRE_INVALID` for anything that is not a whole publication frame of this version. */
export function parsePublication(frame: Uint8Array): PublicationFrame {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const kind = (Object.keys(kinds) as PublicationKind[]).find((name) => kinds[name] === frame[19]);
  const size = frame.length >= headSize ? view.getUint16(44) : 0;
  if (frame[16] !== 0x6d || frame[17] !== 0x50 || frame[18] !== version || kind === undefined) {
    throw new MsaltError("ERR_WIRE_INVALID", "not a publication of this protocol version");
  }
  if (frame.length < headSize + size) throw new MsaltError("ERR_WIRE_INVALID", "publication cut short");
  return {
    topic: frame.subarray(0, 16),
    kind,
    nonce: frame.subarray(20, 44),
    wrap: frame.subarray(headSize, headSize + size),
    body: frame.subarray(headSize + size),
  };
}

const jid = z.custom<Jid>((value) => typeof value === "string" && isJid(value), "must be a jid of 20 digits");
const millis = z.int().min(0);

/** What the controller signs for each target: run this, end that, show more of it. Times are the master's, ms since 1970. */
const orderSchema = z.discriminatedUnion("order", [
  z.strictObject({
    order: z.literal("run"),
    jid,
    fun: z.string().min(1).max(256),
    /** As Salt shows them: positional values, then at most one map marked `__kwarg__`. */
    arg: z.array(z.unknown()),
    /** The words as typed, when they came from a command line: typed text parameters use these (DESIGN §7). */
    words: wordsSchema.optional(),
    user: z.string(),
    tgt: z.string(),
    tgt_type: z.string(),
    created: millis,
    /** The run may not begin at or after this time. */
    not_after: millis,
    /** Kill the run after so many milliseconds; none when absent. */
    timeout: millis.optional(),
    /** Send what it prints as it comes, up to this byte (`job.output`). */
    output: millis.optional(),
  }),
  /** End it: this signal to its process groups, KILL to what is left 2 s later. Refuse it if it comes before `not_after`. */
  z.strictObject({ order: z.literal("kill"), jid, signal: z.int().min(1).max(64), not_after: millis }),
  /** Somebody follows: send what it has printed and prints, up to byte `want`. */
  z.strictObject({ order: z.literal("output"), jid, want: millis, not_after: millis }),
]);
export type Order = z.infer<typeof orderSchema>;
export type RunOrder = Extract<Order, { order: "run" }>;

/** @throws MsaltError `ERR_WIRE_INVALID`. */
export function parseOrder(bytes: Uint8Array): Order {
  return parseStrict(orderSchema, "order", decode(bytes));
}

/** The bytes under a target's signature: label ‖ SHA-256 of the encoded order ‖ key id of the one minion it is for (W3). */
export function orderSignedBytes(order: Uint8Array, minionKeyId: Uint8Array): Uint8Array {
  return digestSignedBytes(orderDigest(order), minionKeyId);
}

export function orderDigest(order: Uint8Array): Uint8Array {
  return createHash("sha256").update(order).digest();
}

/** {@link orderSignedBytes}, for an order that goes to many. */
export function digestSignedBytes(digest: Uint8Array, minionKeyId: Uint8Array): Uint8Array {
  return Buffer.concat([label, digest, minionKeyId]);
}

const label = Buffer.from("msalt order v1\0", "ascii");
