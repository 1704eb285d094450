/**
 * The bytes of a minion's ledger: a HEAD, then frames, each of them one commit. Numbers are big-endian, times are
 * doubles (the master's milliseconds since 1970). `sum(x)` is the first 8 bytes of SHA-256 over ledger id ‖ offset of x in
 * the file (8) ‖ x, so that a copy of a frame inside some job's output never passes for one.
 *
 *     HEAD    "MSLEDGR" 0x01 | ledger id 16 | created 8 | records written before this file 8 | highest time 8 | sum 8
 *     frame   mark 4 | length of its records 4 | sum over these 8 bytes 8 | records
 *     record  length 4 | sum over the payload 8 | payload: MessagePack map, see `recordSchema`
 *
 * Torn or damaged? Every frame is written and synced before the next one begins, so a bad frame with a good frame header
 * anywhere behind it had been synced and was damaged later: refused, as is a bad HEAD, which only ever appears whole, by
 * rename. A bad frame that reaches to the end of the file is taken for a write that a crash cut off, and is cut away:
 * nobody was told that it is on disk. A START in it never ran, because the run waits for the sync; the START of an END in it
 * stands before it and becomes `lost`. If that last frame was synced after all and then hit by a bad sector, the same cut
 * is the best guess, which is why it leaves a warning and lowers the count that `hello` tells the master (W9).
 */
import * as z from "zod";
import { sha256 } from "../crypto/primitives.ts";
import { MsaltError } from "../errors.ts";
import { decodeTrusted, encode } from "../wire/codec.ts";
import { type Jid, isJid } from "../wire/ids.ts";
import { limits } from "../wire/limits.ts";
import { killReport, runStates } from "../wire/loads.ts";

const jid = z.custom<Jid>((value) => typeof value === "string" && isJid(value), "must be a jid");
const time = z.number().nonnegative();
const fun = z.string().max(256);

const recordSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("start"), jid, fun, notAfter: time, at: time }),
  z.strictObject({
    kind: z.literal("end"),
    jid,
    fun,
    notAfter: time,
    at: time,
    state: z.enum(runStates),
    retcode: z.int().min(0).max(255),
    success: z.boolean(),
    out: z.string().max(64).optional(),
    kill: killReport.optional(),
    ret: z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length <= limits.resultBytes, "too long"),
  }),
  z.strictObject({ kind: z.literal("ack"), jid }),
  z.strictObject({ kind: z.literal("time"), at: time }),
]);
export type LedgerRecord = z.infer<typeof recordSchema>;

export interface Head {
  /** 16 random bytes. */
  readonly id: Uint8Array;
  readonly created: number;
  /** Records that earlier forms of this file held and this one does not. */
  readonly written: number;
  readonly time: number;
}

/** Where a record lies in the file, its own header included. */
export interface Place {
  readonly offset: number;
  readonly size: number;
}

const magic = Buffer.from("MSLEDGR\u0001", "latin1");
export const mark = Buffer.from([0xf7, 0x1e, 0xd9, 0xe5]);
export const headBytes = 56;
export const frameHeadBytes = 16;
/** Of each record, before its payload. */
export const recordHeadBytes = 12;
/** A frame takes no further record beyond this, so that the longest one is known. */
export const frameBytes = 1_048_576;
export const maxFrameBytes = frameBytes + limits.resultBytes + 65_536;

/** @throws MsaltError `ERR_INTERNAL` for what could not be read back. */
export function encodeRecord(record: LedgerRecord): Uint8Array {
  const parsed = recordSchema.safeParse(record);
  if (parsed.success) return encode(parsed.data);
  const fields = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new MsaltError("ERR_INTERNAL", `the ledger takes no such ${record.kind} record: ${fields.join("; ")}`);
}

function sumOf(id: Uint8Array, offset: number, bytes: Uint8Array): Buffer {
  const at = Buffer.alloc(8);
  at.writeBigUInt64BE(BigInt(offset));
  return Buffer.from(sha256(Buffer.concat([id, at, bytes]))).subarray(0, 8);
}

export function headOf(head: Head): Buffer {
  const bytes = Buffer.alloc(headBytes);
  magic.copy(bytes);
  bytes.set(head.id, 8);
  bytes.writeDoubleBE(head.created, 24);
  bytes.writeDoubleBE(head.written, 32);
  bytes.writeDoubleBE(head.time, 40);
  sumOf(head.id, 0, bytes.subarray(0, 48)).copy(bytes, 48);
  return bytes;
}

export function parseHead(bytes: Buffer, path: string): Head {
  const id = Uint8Array.from(bytes.subarray(8, 24));
  if (bytes.length === 0) throw corrupt(path, 0, "it is empty");
  if (bytes.length < headBytes) throw corrupt(path, bytes.length, "it ends inside its head");
  if (!bytes.subarray(0, 8).equals(magic)) throw corrupt(path, 0, "it does not begin as a ledger of this version");
  if (!sumOf(id, 0, bytes.subarray(0, 48)).equals(bytes.subarray(48)))
    throw corrupt(path, 0, "its head fails its checksum");
  return { id, created: bytes.readDoubleBE(24), written: bytes.readDoubleBE(32), time: bytes.readDoubleBE(40) };
}

export function frameOf(
  id: Uint8Array,
  offset: number,
  payloads: readonly Uint8Array[],
): { bytes: Buffer; places: Place[] } {
  const length = payloads.reduce((sum, payload) => sum + recordHeadBytes + payload.length, 0);
  const bytes = Buffer.alloc(frameHeadBytes + length);
  mark.copy(bytes);
  bytes.writeUInt32BE(length, 4);
  sumOf(id, offset, bytes.subarray(0, 8)).copy(bytes, 8);
  let at = frameHeadBytes;
  const places = payloads.map((payload): Place => {
    const place = { offset: offset + at, size: recordHeadBytes + payload.length };
    bytes.writeUInt32BE(payload.length, at);
    sumOf(id, place.offset, payload).copy(bytes, at + 4);
    bytes.set(payload, at + recordHeadBytes);
    at += place.size;
    return place;
  });
  return { bytes, places };
}

export function frameLength(id: Uint8Array, bytes: Buffer, offset: number): number | undefined {
  if (bytes.length < frameHeadBytes || !bytes.subarray(0, 4).equals(mark)) return undefined;
  return sumOf(id, offset, bytes.subarray(0, 8)).equals(bytes.subarray(8, 16)) ? bytes.readUInt32BE(4) : undefined;
}

/** The payload of the record that begins `at` in `bytes`, whose place in the file is `offset`. */
export function recordAt(id: Uint8Array, bytes: Buffer, at: number, offset: number): Buffer | undefined {
  if (at + recordHeadBytes > bytes.length) return undefined;
  const from = at + recordHeadBytes;
  const payload = bytes.subarray(from, from + bytes.readUInt32BE(at));
  if (payload.length !== bytes.readUInt32BE(at)) return undefined;
  return sumOf(id, offset, payload).equals(bytes.subarray(at + 4, from)) ? payload : undefined;
}

export function parseRecord(payload: Uint8Array, path: string, offset: number): LedgerRecord {
  // A plain view: the decoder would hand out parts of a Buffer as Buffers.
  const plain = new Uint8Array(payload.buffer, payload.byteOffset, payload.length);
  const parsed = recordSchema.safeParse(decodeTrusted(plain));
  if (parsed.success) return parsed.data;
  throw corrupt(path, offset, "a record of a kind that this version does not know");
}

export function corrupt(file: string, offset: number, what: string): MsaltError {
  return new MsaltError("ERR_LEDGER_CORRUPT", `the ledger ${file} is damaged at byte ${offset}: ${what}`, {
    file,
    offset,
    hint: "move the file away and start again: open jobs of this minion then become lost, and none runs twice",
  });
}
