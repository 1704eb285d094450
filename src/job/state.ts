import type { RunState } from "../wire/loads.ts";
import type { Target, TargetState } from "./types.ts";
export type TargetEvent =
  | { is: "sent" } | { is: "started"; at: number }
  | { is: "returned"; at: number; state: RunState; retcode: number; success: boolean; out?: string; ret: Uint8Array }
  | { is: "expired" | "skipped" | "lost"; at: number; reason: string };
const open = new Set<TargetState>(["waiting", "sent", "running"]);
export function isTerminal(s: TargetState): boolean { return !open.has(s); }
export function advance(t: Target, e: TargetEvent): Target | undefined {
  if (e.is === "sent") return t.state === "waiting" ? { ...t, state: "sent" } : undefined;
  if (e.is === "started") return t.state === "waiting" || t.state === "sent" ? { ...t, state: "running", started: e.at } : undefined;
  if (e.is === "returned") {
    const { at, is: _, ...r } = e;
    if (!isTerminal(t.state)) return { ...t, ...r, ended: at };
    if (t.retcode === undefined && t.state !== "skipped") return { ...t, ...r, ended: at, late: true };
    if (t.ret !== undefined && Buffer.from(t.ret).equals(Buffer.from(e.ret))) return undefined;
    return { ...t, conflicts: (t.conflicts ?? 0) + 1 };
  }
  return isTerminal(t.state) ? undefined : { ...t, state: e.is, ended: e.at, reason: e.reason };
}
