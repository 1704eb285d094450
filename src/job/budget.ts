/** The failure budget (DESIGN §6), pure. */
import { isFailure } from "./state.ts";
import type { JobOptions, Target, TargetState } from "./types.ts";

/** Failures by kind; `expired` without those that were never reached. */
export type Tally = Readonly<Record<"failed" | "timed_out" | "killed" | "lost" | "expired" | "unreachable", number>>;

export const noFailures: Tally = { failed: 0, timed_out: 0, killed: 0, lost: 0, expired: 0, unreachable: 0 };

const kinds = Object.keys(noFailures) as (keyof Tally)[];

function kindOf({ state, unreachable }: Target): keyof Tally | undefined {
  if (unreachable === true) return "unreachable";
  return isFailure(state) ? (state as TargetState & keyof Tally) : undefined;
}

/** The tally when a target goes from one state to another. */
export function recount(tally: Tally, before: Target, after: Target): Tally {
  const [from, to] = [kindOf(before), kindOf(after)];
  if (from === to) return tally;
  return {
    ...tally,
    ...(from !== undefined && { [from]: tally[from] - 1 }),
    ...(to !== undefined && { [to]: tally[to] + 1 }),
  };
}

export function failures(tally: Tally): number {
  return kinds.reduce((sum, kind) => sum + tally[kind], 0);
}

/** floor(part × count), `part` taken as the decimal that it prints as: 0.29 of 100 is 29. */
export function exactShare(part: number, count: number): number {
  const [digits = "0", exponent = "0"] = String(part).split("e");
  const [whole = "0", decimals = ""] = digits.split(".");
  const scale = Number(exponent) - decimals.length;
  const product = BigInt(whole + decimals) * BigInt(count);
  return Number(scale >= 0 ? product * 10n ** BigInt(scale) : product / 10n ** BigInt(-scale));
}

/** How many targets may fail; undefined: any number. Giving one of the two limits sets the other to 0. */
export function allowedFailures({ failCount, failRate }: JobOptions, targets: number): number | undefined {
  if ((failCount === undefined && failRate === undefined) || failCount === -1) return undefined;
  return Math.max(failCount ?? 0, exactShare(failRate ?? 0, targets));
}

const names: Readonly<Record<keyof Tally, string>> = {
  failed: "failed",
  timed_out: "timed out",
  killed: "killed",
  lost: "lost",
  expired: "expired",
  unreachable: "unreachable",
};

/** Why a job was stopped when its budget was spent: one sentence with the limit and the counts. */
export function spentText(options: JobOptions, tally: Tally, targets: number): string {
  const parts = kinds
    .filter((kind) => tally[kind] > 0)
    .map((kind) => `${tally[kind]} ${names[kind]}`)
    .join(", ");
  const allowed = allowedFailures(options, targets) ?? 0;
  const byRate = allowed > (options.failCount ?? 0) || options.failCount === undefined;
  const limit = byRate ? `fail_rate ${options.failRate ?? 0}` : `fail_count ${options.failCount ?? 0}`;
  return `${failures(tally)} of ${targets} targets failed (${parts}), more than the ${allowed} that ${limit} allows`;
}
