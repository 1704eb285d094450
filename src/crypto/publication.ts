import { MsaltError } from "../errors.ts";
import type { Jid } from "../wire/ids.ts";
import { isJid } from "../wire/ids.ts";
import { buildPublication, type PublicationFrame } from "../wire/publication.ts";
import { equalBytes, freshNonce, open, randomBytes, seal, sha256 } from "./primitives.ts";

/** An order encrypted once for all its targets under a content key of its own, which is never used again (W6). */
export interface SealedBody {
  readonly jid: Jid;
  readonly contentKey: Uint8Array;
  readonly body: Uint8Array;
  readonly hash: Uint8Array;
}

export function sealBody(jid: Jid, order: Uint8Array): SealedBody {
  const contentKey = randomBytes(32);
  const nonce = freshNonce();
  const body = Buffer.concat([nonce, seal(order, nonce, contentKey)]);
  return { jid, contentKey, body, hash: sha256(body) };
}

export interface PublishSession {
  readonly topic: Uint8Array;
  readonly publishKey: Uint8Array;
}

/** The frame of one target. `signature` is the controller's, over this order and this target. */
export function sealOrder(
  session: PublishSession,
  sequence: number,
  sealed: SealedBody,
  signature: Uint8Array,
): Uint8Array {
  const plain = [sequenceBytes(sequence), Buffer.from(sealed.jid, "ascii"), sealed.contentKey, sealed.hash, signature];
  return frameOf(session, "order", Buffer.concat(plain), sealed.body);
}

/** The answer to a subscription; `boot` is 8 random bytes of the publisher's process. */
export function sealReady(session: PublishSession, sequence: number, boot: Uint8Array): Uint8Array {
  return frameOf(session, "ready", Buffer.concat([sequenceBytes(sequence), boot]), new Uint8Array(0));
}

export type OpenedPublication =
  | { readonly kind: "ready"; readonly sequence: number }
  | {
      readonly kind: "order";
      readonly sequence: number;
      readonly jid: Jid;
      readonly order: Uint8Array;
      readonly signature: Uint8Array;
    };

/**
 * Opens a parsed frame. The signature inside is not checked here: nothing is believed before `orderSignedBytes` verifies.
 * @throws MsaltError `ERR_WIRE_INVALID` when wrap or body do not open or do not belong together.
 */
export function openPublication(frame: PublicationFrame, publishKey: Uint8Array): OpenedPublication {
  const plain = open(frame.wrap, frame.nonce, publishKey);
  if (plain === undefined || plain.length < 8)
    throw new MsaltError("ERR_WIRE_INVALID", "the publication does not open");
  const sequence = Number(new DataView(plain.buffer, plain.byteOffset, 8).getBigUint64(0));
  if (frame.kind === "ready") return { kind: "ready", sequence };
  const jid = Buffer.from(plain.subarray(8, 28)).toString("ascii");
  if (plain.length !== 156 || !isJid(jid) || !equalBytes(sha256(frame.body), plain.subarray(60, 92))) {
    throw new MsaltError("ERR_WIRE_INVALID", "wrap and body of the publication do not belong together");
  }
  const order = open(frame.body.subarray(24), frame.body.subarray(0, 24), plain.subarray(28, 60));
  if (order === undefined) throw new MsaltError("ERR_WIRE_INVALID", "the body of the publication does not open");
  return { kind: "order", sequence, jid, order, signature: plain.slice(92) };
}

function frameOf(
  session: PublishSession,
  kind: PublicationFrame["kind"],
  plain: Uint8Array,
  body: Uint8Array,
): Uint8Array {
  const nonce = freshNonce();
  return buildPublication({ topic: session.topic, kind, nonce, wrap: seal(plain, nonce, session.publishKey), body });
}

function sequenceBytes(sequence: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(sequence));
  return bytes;
}
