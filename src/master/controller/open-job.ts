import { advance, isTerminal, type TargetEvent } from "../../job/state.ts";
import type { Job, Target } from "../../job/types.ts";
import { encode } from "../../wire/codec.ts";
import type { MinionId } from "../../wire/ids.ts";
import type { Order } from "../../wire/publication.ts";

/** A job that has not ended, as the controller holds it in memory. */
export interface OpenJob {
  readonly job: Job;
  /** Results left out: they are in the store. */
  readonly targets: Map<MinionId, Target>;
  /** What is signed and sent to each target. */
  readonly order: Uint8Array;
  /** Targets that are not terminal. */
  openCount: number;
  /** Number of its last event. */
  sequence: number;
}

/** A job with those of its targets that the store has rows of. */
export function openJob(job: Job, rows: readonly Target[]): OpenJob {
  const targets = new Map<MinionId, Target>(job.minions.map((id) => [id, { id, state: "waiting" }]));
  for (const row of rows) targets.set(row.id, row);
  const openCount = [...targets.values()].filter(({ state }) => !isTerminal(state)).length;
  return { job, targets, order: encode(orderOf(job)), openCount, sequence: 0 };
}

/** Moves one target; the row to write, or undefined when the event changes nothing. */
export function step(open: OpenJob, id: MinionId, event: TargetEvent): Target | undefined {
  const before = open.targets.get(id);
  const next = before === undefined ? undefined : advance(before, event);
  if (before === undefined || next === undefined) return undefined;
  const { ret: _, ...kept } = next;
  open.targets.set(id, kept);
  if (isTerminal(next.state) && !isTerminal(before.state)) open.openCount -= 1;
  return next;
}

/** What the targets get. A list target would tell each of them the others' names, so it is left out (W3). */
function orderOf(job: Job): Order {
  return {
    order: "run",
    jid: job.jid,
    fun: job.fun,
    arg: [...job.arg],
    ...(job.words !== undefined && { words: [...job.words] }),
    user: job.user,
    tgt: job.tgtType === "list" ? "" : job.tgt,
    tgt_type: job.tgtType,
    created: job.created,
    not_after: job.notAfter,
    ...(job.options.timeoutMs !== undefined && { timeout: job.options.timeoutMs }),
  };
}
