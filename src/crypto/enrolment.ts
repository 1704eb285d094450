import { MsaltError } from "../errors.ts";
import {
  type EnrolReply,
  type EnrolState,
  encodeEnrolReply,
  encodeEnrolRequest,
  enrolReplySignedBytes,
  enrolRequestBody,
  parseEnrolReply,
  parseEnrolRequest,
} from "../wire/enrolment.ts";
import { type KeyRecord, encodeKeyRecord } from "../wire/key-record.ts";
import { verifyKeyRecord } from "./keys.ts";
import { type Signer, Verifier, equalBytes, fingerprintOf, hmac, randomBytes, sha256 } from "./primitives.ts";

const requestLabel = Buffer.from("msalt enrolment request v1\0", "ascii");
const proofLabel = Buffer.from("msalt enrolment token v1\0", "ascii");
const zero = new Uint8Array(32);

/** What the master keeps of a one-time token instead of its text. */
export function tokenKey(token: string): Uint8Array {
  return sha256(Buffer.concat([proofLabel, Buffer.from(token, "utf8")]));
}

function proofOf(key: Uint8Array, record: Uint8Array, nonce: Uint8Array): Uint8Array {
  return hmac(key, Buffer.concat([proofLabel, record, nonce]));
}

/** The one record a minion sends. `pin`: fingerprint of the master it insists on. */
export function makeEnrolRequest(
  signer: Signer,
  record: KeyRecord,
  options: { pin?: Uint8Array | undefined; token?: string | undefined },
): Uint8Array {
  const bytes = encodeKeyRecord(record);
  const nonce = randomBytes(32);
  const proof = options.token === undefined ? zero : proofOf(tokenKey(options.token), bytes, nonce);
  const body = { record: bytes, nonce, pin: options.pin ?? zero, proof };
  return encodeEnrolRequest({ ...body, signature: signer.sign(Buffer.concat([requestLabel, enrolRequestBody(body)])) });
}

export interface VerifiedEnrolRequest {
  readonly record: KeyRecord;
  /** Fingerprint of the one master that may answer, if the minion insists on one. */
  readonly pin: Uint8Array | undefined;
  /** True when the minion knows the token whose key is given. */
  provedWith(key: Uint8Array): boolean;
  readonly hasProof: boolean;
}

/** Checks form, record and signatures of what came in. @throws MsaltError `ERR_WIRE_INVALID`. */
export function verifyEnrolRequest(bytes: Uint8Array): VerifiedEnrolRequest {
  const request = parseEnrolRequest(bytes);
  const record = verifyKeyRecord(request.record);
  if (record.role !== "minion") throw new MsaltError("ERR_WIRE_INVALID", "not the key record of a minion");
  if (!new Verifier(record.sign).verify(Buffer.concat([requestLabel, enrolRequestBody(request)]), request.signature)) {
    throw new MsaltError("ERR_WIRE_INVALID", "the enrolment request is not signed by its own key");
  }
  return {
    record,
    pin: equalBytes(request.pin, zero) ? undefined : request.pin,
    hasProof: !equalBytes(request.proof, zero),
    provedWith: (key) => equalBytes(request.proof, proofOf(key, request.record, request.nonce)),
  };
}

/** The controller's answer to the request with these bytes. */
export function makeEnrolReply(signer: Signer, record: KeyRecord, state: EnrolState, request: Uint8Array): Uint8Array {
  const bytes = encodeKeyRecord(record);
  return encodeEnrolReply({
    state,
    record: bytes,
    signature: signer.sign(enrolReplySignedBytes(state, bytes, sha256(request))),
  });
}

/**
 * The state and the master's record, if the answer is whole, belongs to `request` and is signed by the master it names.
 * Whether that master is the pinned one is for the caller to say: compare `fingerprint`.
 * @throws MsaltError `ERR_WIRE_INVALID` otherwise.
 */
export function verifyEnrolReply(
  bytes: Uint8Array,
  request: Uint8Array,
): { state: EnrolState; record: KeyRecord; fingerprint: Uint8Array } {
  const reply: EnrolReply = parseEnrolReply(bytes);
  const record = verifyKeyRecord(reply.record);
  if (record.role !== "master") throw new MsaltError("ERR_WIRE_INVALID", "not the key record of a master");
  if (
    !new Verifier(record.sign).verify(
      enrolReplySignedBytes(reply.state, reply.record, sha256(request)),
      reply.signature,
    )
  ) {
    throw new MsaltError("ERR_WIRE_INVALID", "the enrolment reply is not signed by the master it names");
  }
  return { state: reply.state, record, fingerprint: fingerprintOf(record.sign) };
}
