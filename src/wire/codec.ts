import { Decoder, Encoder } from "@msgpack/msgpack";
import { MsaltError } from "../errors.ts";
import { limits } from "./limits.ts";
import { prescan, type ScanLimits } from "./prescan.ts";

// One encoder and one decoder for the life of the process: twice as fast as encode()/decode() (reused buffers, cached keys).
const encoder = new Encoder({ ignoreUndefined: true, maxDepth: 64 });
const decoder = new Decoder({
  maxStrLength: limits.resultBytes,
  maxBinLength: limits.resultBytes,
  maxArrayLength: limits.resultNodes,
  maxMapLength: limits.resultNodes,
  maxExtLength: 0,
});

export const requestScan: ScanLimits = { depth: limits.depth, nodes: limits.nodes };
export const resultScan: ScanLimits = { depth: 64, nodes: limits.resultNodes };

/** MessagePack bytes of a plain value; the result is a copy that may be kept. `undefined` fields are left out. */
export function encode(value: unknown): Uint8Array {
  return encoder.encode(value);
}

/** Decodes what one of our own processes wrote. Binaries inside are views of `bytes`. */
export function decodeTrusted(bytes: Uint8Array): unknown {
  return decoder.decode(bytes);
}

/**
 * Decodes bytes that a peer sent: structural pre-scan first, because the decoder has no depth limit.
 * @throws MsaltError `ERR_WIRE_INVALID`; the bytes are never quoted.
 */
export function decode(bytes: Uint8Array, scan: ScanLimits = requestScan): unknown {
  prescan(bytes, scan);
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new MsaltError("ERR_WIRE_INVALID", "not valid MessagePack", {}, { cause });
  }
}

/**
 * The map `meta` with one more entry, `name`, whose value is already encoded. Lets a return travel through the master
 * without being decoded there. `raw` must have passed `prescan`; `meta` has at most 14 entries.
 */
export function encodeWithRaw(meta: Readonly<Record<string, unknown>>, name: string, raw: Uint8Array): Uint8Array {
  const head = encode(meta);
  const size = head[0] ?? 0;
  if (size < 0x80 || size >= 0x8f)
    throw new MsaltError("ERR_INTERNAL", "encodeWithRaw takes a map of at most 14 entries");
  const key = encode(name);
  const out = new Uint8Array(head.length + key.length + raw.length);
  out.set(head);
  out[0] = size + 1;
  out.set(key, head.length);
  out.set(raw, head.length + key.length);
  return out;
}
