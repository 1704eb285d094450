/**
 * Bytes on 4507, one record each way (DESIGN §5.1, W8). The token never crosses the wire: `proof` is an HMAC under it.
 *
 *   request  'm' 'E' | version | length of key record (2) | key record | nonce (32) | pinned master fingerprint or zero (32)
 *            | proof or zero (32) | signature by the minion's sign key (64)
 *   reply    'm' 'R' | version | state | length of key record (2) | master's key record | signature by its sign key (64)
 */
import { MsaltError } from "../errors.ts";
import { limits } from "./limits.ts";

export type EnrolState = "pending" | "accepted" | "rejected" | "denied";
const states: Readonly<Record<EnrolState, number>> = { pending: 1, accepted: 2, rejected: 3, denied: 4 };
const version = 1;

export interface EnrolRequest {
  readonly record: Uint8Array;
  readonly nonce: Uint8Array;
  readonly pin: Uint8Array;
  readonly proof: Uint8Array;
  readonly signature: Uint8Array;
}

export interface EnrolReply {
  readonly state: EnrolState;
  readonly record: Uint8Array;
  readonly signature: Uint8Array;
}

/** Everything of the request but its signature, which is over these bytes behind a label. */
export function enrolRequestBody({ record, nonce, pin, proof }: Omit<EnrolRequest, "signature">): Uint8Array {
  return Buffer.concat([
    Buffer.from([0x6d, 0x45, version, record.length >> 8, record.length & 255]),
    record,
    nonce,
    pin,
    proof,
  ]);
}

export function encodeEnrolRequest(request: EnrolRequest): Uint8Array {
  return Buffer.concat([enrolRequestBody(request), request.signature]);
}

/** Length of the whole request that starts with these bytes; undefined while too few are there to tell. */
export function enrolRequestSize(head: Uint8Array): number | undefined {
  return head.length < 5 ? undefined : 5 + ((head[3] ?? 0) << 8) + (head[4] ?? 0) + 160;
}

/** @throws MsaltError `ERR_WIRE_INVALID`. */
export function parseEnrolRequest(bytes: Uint8Array): EnrolRequest {
  const size = enrolRequestSize(bytes);
  const wrong = bytes[0] !== 0x6d || bytes[1] !== 0x45 || bytes[2] !== version;
  if (wrong || size !== bytes.length || size > limits.enrolRecordBytes) {
    throw new MsaltError("ERR_WIRE_INVALID", "not an enrolment record of this protocol version");
  }
  const at = size - 160;
  const part = (from: number, to: number): Uint8Array => Uint8Array.from(bytes.subarray(from, to));
  return {
    record: part(5, at),
    nonce: part(at, at + 32),
    pin: part(at + 32, at + 64),
    proof: part(at + 64, at + 96),
    signature: part(at + 96, at + 160),
  };
}

export function encodeEnrolReply({ state, record, signature }: EnrolReply): Uint8Array {
  return Buffer.concat([enrolReplyHead(state, record), record, signature]);
}

function enrolReplyHead(state: EnrolState, record: Uint8Array): Uint8Array {
  return Buffer.from([0x6d, 0x52, version, states[state], record.length >> 8, record.length & 255]);
}

/** @throws MsaltError `ERR_WIRE_INVALID`. */
export function parseEnrolReply(bytes: Uint8Array): EnrolReply {
  const state = (Object.keys(states) as EnrolState[]).find((name) => states[name] === bytes[3]);
  const size = ((bytes[4] ?? 0) << 8) + (bytes[5] ?? 0);
  const wrong = bytes[0] !== 0x6d || bytes[1] !== 0x52 || bytes[2] !== version || state === undefined;
  if (wrong || bytes.length !== size + 70)
    throw new MsaltError("ERR_WIRE_INVALID", "not an enrolment reply of this protocol version");
  return {
    state,
    record: Uint8Array.from(bytes.subarray(6, 6 + size)),
    signature: Uint8Array.from(bytes.subarray(6 + size)),
  };
}

/** What the master signs: its whole answer and, by hash, the whole question, nonce and pin included. */
export function enrolReplySignedBytes(state: EnrolState, record: Uint8Array, requestHash: Uint8Array): Uint8Array {
  const label = Buffer.from("msalt enrolment reply v1\0", "ascii");
  return Buffer.concat([label, enrolReplyHead(state, record), record, requestHash]);
}
