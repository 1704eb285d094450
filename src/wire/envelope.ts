/**
 * Bytes of one request or reply on 4506. Outside the box: magic, version, type, key id of the sender, nonce. Inside it,
 * first of all and checked before anything is decoded: direction, the same key id, the request id (a reply repeats the
 * request's), boot id and counter of the sender (zero in replies), then the MessagePack body (W5, W7).
 *
 *   outer  0 'm' 'S' | 2 version | 3 type | 4 key id (16) | 20 nonce (24) | 44 box
 *   inner  0 direction | 1 key id (16) | 17 request id (16) | 33 boot id (8) | 41 counter (8, big endian) | 49 body
 */
import { MsaltError } from "../errors.ts";
import { type KeyId, isKeyId } from "./ids.ts";

export type Direction = "request" | "reply";
const codes: Readonly<Record<Direction, number>> = { request: 1, reply: 2 };
const version = 1;
const outerSize = 44;
const innerSize = 49;

export interface Outer {
  readonly sender: KeyId;
  readonly nonce: Uint8Array;
  readonly box: Uint8Array;
}

export interface Inner {
  readonly sender: KeyId;
  /** 16 random bytes that tie a reply to its request. */
  readonly requestId: Uint8Array;
  /** 8 random bytes of the sender's process, and a counter that rises with each of its requests. */
  readonly bootId: Uint8Array;
  readonly counter: number;
  readonly body: Uint8Array;
}

export function buildOuter(direction: Direction, { sender, nonce, box }: Outer): Uint8Array {
  return Buffer.concat([Buffer.from([0x6d, 0x53, version, codes[direction]]), Buffer.from(sender, "hex"), nonce, box]);
}

/** Why a frame was dropped unopened; counted by the worker, never answered. */
export type DropReason = "size" | "magic" | "version";

export function parseOuter(direction: Direction, frame: Uint8Array): Outer | DropReason {
  if (frame.length < outerSize + 16) return "size";
  if (frame[0] !== 0x6d || frame[1] !== 0x53 || frame[3] !== codes[direction]) return "magic";
  if (frame[2] !== version) return "version";
  return { sender: hexOf(frame, 4, 20), nonce: frame.subarray(20, outerSize), box: frame.subarray(outerSize) };
}

export function buildInner(direction: Direction, { sender, requestId, bootId, counter, body }: Inner): Uint8Array {
  const out = Buffer.allocUnsafe(innerSize + body.length);
  out[0] = codes[direction];
  out.write(sender, 1, "hex");
  out.set(requestId, 17);
  out.set(bootId, 33);
  out.writeBigUInt64BE(BigInt(counter), 41);
  out.set(body, innerSize);
  return out;
}

/** @throws MsaltError `ERR_WIRE_INVALID` when direction or sender differ from what the header said. */
export function parseInner(direction: Direction, sender: KeyId, plain: Uint8Array): Inner {
  if (plain.length < innerSize || plain[0] !== codes[direction] || hexOf(plain, 1, 17) !== sender) {
    throw new MsaltError("ERR_WIRE_INVALID", "the box does not hold what its header says");
  }
  const view = new DataView(plain.buffer, plain.byteOffset, plain.byteLength);
  const counter = Number(view.getBigUint64(41));
  if (!Number.isSafeInteger(counter)) throw new MsaltError("ERR_WIRE_INVALID", "request counter over 2^53");
  return {
    sender,
    requestId: plain.subarray(17, 33),
    bootId: plain.subarray(33, 41),
    counter,
    body: plain.subarray(innerSize),
  };
}

function hexOf(bytes: Uint8Array, from: number, to: number): KeyId {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString("hex");
  if (!isKeyId(hex)) throw new MsaltError("ERR_WIRE_INVALID", "key id cut short");
  return hex;
}
