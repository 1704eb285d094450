import type { ApiAct } from "../wire/local.ts";
import { sha256Hex } from "./chain.ts";

/** One act of somebody who may order the master about, or tried to. */
export interface Act {
  readonly user: string;
  /** How the user is known: `owner` (can read the master's secret; the name is what the tool said), `uid 1001` (proved), `key` (a minion), `token` or `auto_accept` (a minion that was accepted so), `api` (an account of the HTTP API). */
  readonly how: string;
  readonly act: "publish" | "kill" | "key.accept" | "key.reject" | "key.delete" | "token" | "denied" | ApiAct;
  readonly jid?: string | undefined;
  readonly fun?: string | undefined;
  readonly arg?: unknown;
  readonly tgt?: string | undefined;
  readonly tgtType?: string | undefined;
  readonly minions?: readonly string[] | undefined;
  /** `accepted`, or `denied: …` or `failed: …` and why. */
  readonly outcome: string;
}

const maxValueBytes = 1024;
const maxNames = 50;

/** What a line of the audit log says, in this order. */
export function fieldsOf(act: Act, timeMs: number): Record<string, unknown> {
  const { user, how, jid, fun, arg, tgt, tgtType, minions, outcome } = act;
  const fields = {
    time: new Date(timeMs).toISOString(),
    user,
    how,
    act: act.act,
    jid,
    fun,
    arg: arg === undefined ? undefined : shortened(arg),
    tgt: tgt === undefined ? undefined : cut(tgt),
    tgt_type: tgtType,
    minions: minions === undefined ? undefined : listed(minions),
    outcome: cut(outcome),
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function listed(minions: readonly string[]): Record<string, unknown> {
  const sorted = minions.toSorted();
  return { count: sorted.length, sha256: sha256Hex(sorted.join("\n")), names: sorted.slice(0, maxNames) };
}

/** The value, or the beginning of its text. */
function shortened(value: unknown): unknown {
  const text = JSON.stringify(value, (_key, member: unknown) => {
    if (typeof member === "bigint") return String(member);
    return member instanceof Uint8Array ? `<${member.length} bytes>` : member;
  });
  return Buffer.byteLength(text) <= maxValueBytes ? JSON.parse(text) : cut(text);
}

function cut(text: string): string {
  const bytes = Buffer.from(text);
  return bytes.length <= maxValueBytes
    ? text
    : `${bytes.subarray(0, maxValueBytes).toString()}… (${bytes.length} bytes)`;
}
