/**
 * The life of one target (DESIGN §6), pure. A terminal state stays, with one exception: a result that comes for a target which
 * the master had given up (expired, or lost without a word of the minion) is the truth after all, and is kept as late.
 *
 *     waiting ─▶ sent ─▶ running ─▶ succeeded | failed | timed_out | killed | lost
 *        └────────┴─────────┴──▶ expired | skipped | lost
 */
import type { RunState } from "../wire/loads.ts";
import type { Target, TargetState } from "./types.ts";

/** Times in ms since 1970. */
export type TargetEvent =
  | { readonly is: "sent" }
  | { readonly is: "started"; readonly at: number }
  | {
      readonly is: "returned";
      readonly at: number;
      readonly state: RunState;
      readonly retcode: number;
      readonly success: boolean;
      readonly out?: string;
      readonly ret: Uint8Array;
    }
  | { readonly is: "expired" | "skipped" | "lost"; readonly at: number; readonly reason: string };

const open: ReadonlySet<TargetState> = new Set<TargetState>(["waiting", "sent", "running"]);

export function isTerminal(state: TargetState): boolean {
  return !open.has(state);
}

/** True when the minion itself has said how the run ended. */
export function hasResult(target: Target): boolean {
  return isTerminal(target.state) && target.retcode !== undefined;
}

/**
 * The target after the event, or undefined when the event changes nothing. To tell a repeated result from a different one,
 * `target.ret` must be there for a target that has a result; a different one only raises `conflicts`.
 */
export function advance(target: Target, event: TargetEvent): Target | undefined {
  switch (event.is) {
    case "sent":
      return target.state === "waiting" ? { ...target, state: "sent" } : undefined;
    case "started":
      if (target.state !== "waiting" && target.state !== "sent") return undefined;
      return { ...target, state: "running", started: event.at };
    case "returned":
      return returned(target, event);
    default:
      if (isTerminal(target.state) || (event.is === "skipped" && target.state === "running")) return undefined;
      return { ...target, state: event.is, ended: event.at, reason: event.reason };
  }
}

function returned(target: Target, event: Extract<TargetEvent, { is: "returned" }>): Target | undefined {
  const { at, state, retcode, success, out, ret } = event;
  const result = { state, retcode, success, ended: at, ret, ...(out !== undefined && { out }) };
  if (!isTerminal(target.state)) return { ...target, ...result };
  if (target.retcode !== undefined)
    return isSame(target, event) ? undefined : { ...target, conflicts: (target.conflicts ?? 0) + 1 };
  const { reason: _, ...rest } = target;
  return { ...rest, ...result, late: true };
}

function isSame(target: Target, { state, retcode, ret }: Extract<TargetEvent, { is: "returned" }>): boolean {
  const same = target.ret === undefined || Buffer.from(target.ret).equals(Buffer.from(ret));
  return same && target.state === state && target.retcode === retcode;
}
