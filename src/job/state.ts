/**
 * The life of one target (DESIGN §6), pure. A terminal state stays, with one exception: a result that comes for a target which
 * the master had given up without a word of the minion is the truth after all, and is kept as late (P3).
 *
 *     waiting ─▶ sent ─▶ running ─▶ succeeded | failed | timed_out | killed | lost
 *        ├────────┴─────────┴──▶ lost                 (its minion's ledger went back, or it never came back)
 *        ├────────┴──▶ expired
 *        └──▶ skipped
 *
 * In a batch a target waits for its turn first. Its turn may come while it is away: then it is still `waiting`, has a `turn`,
 * and the time in which it may begin runs.
 */
import type { KillReport, RunState } from "../wire/loads.ts";
import type { Job, Target, TargetState } from "./types.ts";

/** Times in ms since 1970. */
export type TargetEvent =
  | { readonly is: "turn"; readonly at: number }
  /** `turn`: in a batch, that of a target whose turn has only come now. */
  | { readonly is: "sent"; readonly turn?: number }
  | { readonly is: "started"; readonly at: number }
  | {
      readonly is: "returned";
      readonly at: number;
      readonly state: RunState;
      readonly retcode: number;
      /** As the minion says it; the record goes by `state`. */
      readonly success: boolean;
      readonly out?: string;
      readonly kill?: KillReport;
      readonly ret: Uint8Array;
    }
  | { readonly is: "expired" | "skipped" | "lost"; readonly at: number; readonly reason: string };

type Returned = Extract<TargetEvent, { is: "returned" }>;
type GivenUp = Extract<TargetEvent, { readonly reason: string }>;

/** What has begun can be lost, but it does not expire; what was sent may have begun, so it is not skipped. */
const mayBecome: Readonly<Record<GivenUp["is"], readonly TargetState[]>> = {
  expired: ["waiting", "sent"],
  skipped: ["waiting"],
  lost: ["waiting", "sent", "running"],
};

const open: ReadonlySet<TargetState> = new Set<TargetState>(["waiting", "sent", "running"]);
const failures: ReadonlySet<TargetState> = new Set<TargetState>(["failed", "timed_out", "killed", "lost", "expired"]);

export function isTerminal(state: TargetState): boolean {
  return !open.has(state);
}

/** Whether it counts against the failure budget; a skipped target was never tried. */
export function isFailure(state: TargetState): boolean {
  return failures.has(state);
}

/** True when the minion itself has said how the run ended. */
export function hasResult(target: Target): boolean {
  return isTerminal(target.state) && target.retcode !== undefined;
}

/**
 * True when the target has a result already, and this is another one. `target.ret` must be there to tell; without it results of
 * the same state and retcode count as the same.
 */
export function conflictOf(target: Target, { state, retcode, ret }: Returned): boolean {
  if (!hasResult(target)) return false;
  if (target.state !== state || target.retcode !== retcode) return true;
  return target.ret !== undefined && !Buffer.from(target.ret).equals(ret);
}

/**
 * The target after the event, or undefined when the event changes nothing or is not allowed. A second, different result only
 * raises `conflicts`: see {@link conflictOf}.
 */
export function advance(target: Target, event: TargetEvent): Target | undefined {
  switch (event.is) {
    case "turn":
      return target.state === "waiting" && target.turn === undefined ? { ...target, turn: event.at } : undefined;
    case "sent":
      return target.state === "waiting" ? sent(target, event.turn) : undefined;
    case "started":
      if (isTerminal(target.state) || target.state === "running") return undefined;
      return { ...target, state: "running", started: event.at };
    case "returned":
      return returned(target, event);
    default:
      return givenUp(target, event);
  }
}

function sent(target: Target, turn: number | undefined): Target {
  const since = target.turn ?? turn;
  return { ...target, state: "sent", ...(since !== undefined && { turn: since }) };
}

function givenUp(target: Target, { is, at, reason }: GivenUp): Target | undefined {
  const from = mayBecome[is];
  if (!from.includes(target.state)) return undefined;
  const unreachable = is === "expired" && target.state === "waiting" && { unreachable: true as const };
  return { ...target, state: is, ended: at, reason, ...unreachable };
}

function returned(target: Target, event: Returned): Target | undefined {
  if (hasResult(target)) {
    return conflictOf(target, event) ? { ...target, conflicts: (target.conflicts ?? 0) + 1 } : undefined;
  }
  const { reason: _, unreachable: __, ...rest } = target;
  const { at, state, retcode, out, kill, ret } = event;
  return {
    ...rest,
    state,
    retcode,
    success: state === "succeeded",
    ended: at,
    ret,
    ...(out !== undefined && { out }),
    ...(kill !== undefined && { kill }),
    ...(isTerminal(target.state) && { late: true }),
  };
}

/** Until when this target may begin; undefined while it waits for its turn in a batch. Milliseconds since 1970. */
export function notAfterOf(job: Pick<Job, "created" | "notAfter" | "options">, { turn }: Target): number | undefined {
  if (job.options.parallel === undefined) return job.notAfter;
  return turn === undefined ? undefined : turn + job.notAfter - job.created;
}
