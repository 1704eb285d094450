import { MsaltError } from "../../errors.ts";
import type { Load } from "../../wire/loads.ts";

/** A part of live output; one that says where the end is must reach it. */
export function jobOutput(load: Load<"job.output">): Load<"job.output"> {
  if (load.total !== undefined && load.offset + load.data.length !== load.total) {
    throw new MsaltError("ERR_WIRE_INVALID", "bad job.output: total is not where its last part ends");
  }
  return load;
}
