import { MsaltError, messageOf } from "../../errors.ts";
import type { Job } from "../../job/types.ts";
import { encode, requestScan } from "../../wire/codec.ts";
import { limits } from "../../wire/limits.ts";
import type { LocalLoad } from "../../wire/local.ts";
import { prescan } from "../../wire/prescan.ts";

/** An absent minion may start a job for so long beyond the wait of the command line that sent it. */
const absentMs = 60_000;

/** The job that a `publish` asks for. */
export function jobOf(load: LocalLoad<"publish">, facts: Pick<Job, "jid" | "created" | "minions" | "missing">): Job {
  const { fun, arg, words, user, tgt, tgtType, waitMs, timeoutMs, metadata } = load;
  return {
    ...facts,
    user,
    fun,
    arg,
    ...(words !== undefined && { words }),
    tgt,
    tgtType,
    options: { waitMs, ...(timeoutMs !== undefined && { timeoutMs }), ...(metadata !== undefined && { metadata }) },
    notAfter: facts.created + waitMs + absentMs,
  };
}

/**
 * A minion scans an order before it decodes it: what it would refuse is refused here, where somebody hears of it.
 * @throws MsaltError `ERR_FUNCTION_ARGS`.
 */
export function checkArguments({ arg, words = [] }: LocalLoad<"publish">): void {
  const bad = (what: string): MsaltError =>
    new MsaltError("ERR_FUNCTION_ARGS", `the arguments cannot be sent: ${what}`);
  const size = encode(arg).length;
  if (size > limits.argBytes) throw bad(`they are ${size} bytes, over the limit of ${limits.argBytes}`);
  try {
    // The order around them has fields of its own.
    prescan(encode({ arg, words }), { ...requestScan, nodes: requestScan.nodes - 100 });
  } catch (failure) {
    throw bad(messageOf(failure));
  }
}
