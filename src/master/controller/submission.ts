import { MsaltError, messageOf } from "../../errors.ts";
import { exactShare } from "../../job/budget.ts";
import type { Job } from "../../job/types.ts";
import { encode, requestScan } from "../../wire/codec.ts";
import type { MinionId } from "../../wire/ids.ts";
import { limits } from "../../wire/limits.ts";
import type { LocalLoad } from "../../wire/local.ts";
import { prescan } from "../../wire/prescan.ts";

/** An absent minion may start a job for so long beyond the wait of the command line that sent it. */
const absentMs = 60_000;

/** The job that a `publish` asks for. */
export function jobOf(load: LocalLoad<"publish">, facts: Pick<Job, "jid" | "created" | "minions" | "missing">): Job {
  const { fun, arg, words, user, tgt, tgtType, waitMs, ttlMs = waitMs + absentMs } = load;
  const { timeoutMs, batchWaitMs, failCount, failRate, failKill, follow, metadata } = load;
  const parallel = parallelOf(load, facts.minions.length);
  const given = { timeoutMs, parallel, batchWaitMs, failCount, failRate, failKill, follow, metadata };
  const options = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return {
    ...facts,
    user,
    fun,
    arg,
    ...(words !== undefined && { words }),
    tgt,
    tgtType,
    options: { waitMs, ...options },
    notAfter: facts.created + ttlMs,
  };
}

/** How many at once, when not all: a percentage rounded down, but at least 1. */
function parallelOf({ parallel, batchSafe }: LocalLoad<"publish">, targets: number): number | undefined {
  if (parallel === undefined) return batchSafe !== undefined && targets >= batchSafe.limit ? batchSafe.size : undefined;
  if (typeof parallel === "number") return parallel;
  return Math.max(1, Math.floor(exactShare(parallel.percent, targets) / 100));
}

/** So many of the ids at random, those that `prefer` first; in the order they came. */
export function subsetOf(ids: readonly MinionId[], size: number, prefer: (id: MinionId) => boolean): MinionId[] {
  const drawn = ids.map((id) => ({ id, rank: Math.random() + (prefer(id) ? 0 : 1) }));
  const chosen = new Set(
    drawn
      .toSorted((a, b) => a.rank - b.rank)
      .slice(0, size)
      .map(({ id }) => id),
  );
  return ids.filter((id) => chosen.has(id));
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
