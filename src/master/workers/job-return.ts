import { MsaltError } from "../../errors.ts";
import { resultScan } from "../../wire/codec.ts";
import type { Load } from "../../wire/loads.ts";
import { prescan } from "../../wire/prescan.ts";
import { equalBytes, sha256 } from "../../crypto/primitives.ts";

/**
 * A result, or one part of it. Its value stays encoded, but a whole one must be a well-formed MessagePack value: it is
 * spliced into events and decoded by clients. Parts are checked by the controller when they are together.
 */
export function jobReturn(load: Load<"job.return">): Load<"job.return"> {
  if (load.offset + load.data.length > load.total) {
    throw new MsaltError("ERR_WIRE_INVALID", "bad job.return: data: goes beyond total");
  }
  if (load.data.length === load.total) {
    if (!equalBytes(sha256(load.data), load.sha256))
      throw new MsaltError("ERR_WIRE_INVALID", "bad job.return: sha256: differs");
    prescan(load.data, resultScan);
  }
  return load;
}
