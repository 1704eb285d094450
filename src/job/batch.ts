/** Who is next in a batch (DESIGN §6), pure. */
import type { MinionId } from "../wire/ids.ts";
import { isTerminal } from "./state.ts";
import type { JobOptions, Target } from "./types.ts";

/** `returning`: away since a moment ago, so that it is too early to pass it over. */
export type LinkState = "up" | "returning" | "away";

export interface Plan {
  /** Whose turn has come and who can be sent the job now. */
  readonly send: readonly MinionId[];
  /** Whose turn has come while it is away: it does not block those behind it, and begins in the next free place when it comes back. */
  readonly passed: readonly MinionId[];
  /** When a place becomes free without anything happening, ms since 1970. */
  readonly wakeAt?: number;
}

/**
 * At most `parallel` targets have been sent the job and have not ended. A target counts from when it is sent; one that was sent
 * and is away counts only once it has said that it runs: whether it got the job is not known, and it must not block the rest.
 */
export function planBatch(
  { parallel = Infinity, batchWaitMs = 0 }: Pick<JobOptions, "parallel" | "batchWaitMs">,
  targets: Iterable<Target>,
  now: number,
  linkOf: (id: MinionId) => LinkState,
): Plan {
  const waiting: Target[] = [];
  let taken = 0;
  let wakeAt = Infinity;
  for (const target of targets) {
    const { id, state } = target;
    if (state === "waiting") waiting.push(target);
    else if (state === "running" || (state === "sent" && linkOf(id) !== "away")) taken += 1;
    else if (isTerminal(state)) {
      const freeAt = freedAt(target, batchWaitMs);
      if (freeAt <= now) continue;
      taken += 1;
      wakeAt = Math.min(wakeAt, freeAt);
    }
  }
  const send: MinionId[] = [];
  const passed: MinionId[] = [];
  for (const { id, turn } of waiting) {
    if (taken + send.length >= parallel) break;
    const link = linkOf(id);
    if (link === "up") send.push(id);
    else if (link === "away" && turn === undefined) passed.push(id);
  }
  return { send, passed, ...(wakeAt < Infinity && { wakeAt }) };
}

/** When the place of a target that has ended may be taken again; one that never had a place frees none. */
function freedAt({ state, unreachable, ended = 0 }: Target, batchWaitMs: number): number {
  const hadPlace = state !== "skipped" && unreachable !== true;
  return hadPlace ? ended + batchWaitMs : 0;
}
