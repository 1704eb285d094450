import { sha256 } from "../src/crypto/primitives.ts";
import { encode } from "../src/wire/codec.ts";
import type { Jid } from "../src/wire/ids.ts";
import type { Load } from "../src/wire/loads.ts";

const data = encode(true);
const result = {
  cmd: "job.return",
  fun: "test.ping",
  retcode: 0,
  success: true,
  state: "succeeded",
  total: data.length,
  offset: 0,
  sha256: sha256(data),
  data,
} as const;

/** What a minion sends when `test.ping` has answered. */
export const pingReturn = (jid: Jid): Load<"job.return"> & { readonly cmd: "job.return" } => ({ ...result, jid });
