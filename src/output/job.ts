import type { Counts } from "../job/progress.ts";
import { notAfterOf } from "../job/state.ts";
import type { Job, Target } from "../job/types.ts";
import { safeLine } from "../lib/safe-text.ts";
import type { LocalReplies, Presence, TargetView } from "../wire/local.ts";

const later =
  "The minions may not have all finished running and any remaining minions will return upon completion. " +
  "To look up the return data for this job later, run the following command:";
const rule = "-".repeat(43);

/** What `--async` prints. */
export function asyncText(jid: string, isBatch: boolean): string {
  return `Executed ${isBatch ? "batch command" : "command"} with job ID: ${jid}`;
}

/** Said when a target is so large that the job becomes a batch by itself. */
export const noticeText = "\nNOTICE: Too many minions targeted, switching to batch execution.\n";

/** What the user reads after Ctrl-C: the job goes on. */
export function ctrlCText(jid: string): string {
  return `Exiting gracefully on Ctrl-c\nThis job's jid is: ${jid}\n${later}\n\n${lookup(jid)}`;
}

const reasons = { "no response": "No response", "not connected": "Not connected" } as const;

/** To users other than the master's own. */
export const noLiveText = "Live output is for the master's own user; the answers follow as they come.\n";

/** Stands where the minion's value would be; `extra` is what the record knows beyond Salt's own text. */
export function noReturnText(jid: string, why: keyof typeof reasons, extra?: string): string {
  const first = [`Minion did not return. [${reasons[why]}]`];
  if (extra !== undefined) first.push(extra);
  return [...first, ...(why === "no response" ? [later, ""] : []), lookup(jid)].join("\n");
}

/** An instant as `2026-11-21T10:00:00Z`. */
function timeText(at: number): string {
  return new Date(at).toISOString().replace(/\.\d+Z$/, "Z");
}

/** What is known of an open target whose minion is not there. */
export function awayText(target: TargetView, job: Job): string {
  const { state, link } = target;
  const since =
    link?.since === undefined ? "It has never been connected." : `Not connected since ${timeText(link.since)}.`;
  const notAfter = notAfterOf(job, target);
  const then =
    state === "running"
      ? "It was running the job then."
      : notAfter === undefined
        ? "It is waiting for its turn."
        : `The job waits for it until ${timeText(notAfter)}.`;
  return noReturnText(job.jid, "not connected", `${since} ${then}`);
}

/** What the record knows of a target that gave no answer (P8). */
export function missingText(target: TargetView, job: Job): string {
  const { state, link, reason, started } = target;
  if (state === "skipped") return `Minion did not return. [skipped: ${reason ?? "the job was stopped"}]`;
  if (state === "expired" || state === "lost") return `Minion did not return. [${reason ?? state}]`;
  if (link?.connected !== true) return awayText(target, job);
  if (state === "running") {
    const since = started === undefined ? "" : ` since ${timeText(started)}`;
    return noReturnText(job.jid, "no response", `Still running${since}.`);
  }
  const queued = job.options.parallel !== undefined && state === "waiting";
  return noReturnText(job.jid, "no response", queued ? "It is waiting for its turn." : undefined);
}

/** Those that a stopped job never reached, on one line. */
export function skippedText(ids: readonly string[]): string {
  return `Skipped (never started): ${safeLine(ids.join(" "))}\n`;
}

/** How a run ended, in a few words: where its output was shown already. */
export function verdictText({ state, retcode, kill }: Target): string {
  if (kill !== undefined) {
    const how = `${state.replace("_", " ")} by ${kill.signal ?? "a signal"} after ${(kill.waitMs / 1000).toFixed(1)} s`;
    return kill.survivors.length === 0 ? how : `${how}; still alive: ${kill.survivors.join(", ")}`;
  }
  return retcode === 0 ? state.replace("_", " ") : `${state.replace("_", " ")} (retcode ${retcode ?? 1})`;
}

/** What `--dry-run` prints: who would be hit and whether they are there, and why others are not. */
export function previewText({ minions, missing, others, unknown }: LocalReplies["target.resolve"]): string {
  const state = ({ connected, since }: Presence): string =>
    connected ? "connected" : since === undefined ? "never connected" : `not connected since ${timeText(since)}`;
  const apart = others.filter((id) => !unknown.includes(id));
  const lines = [
    `${minions.length} of ${minions.length + others.length} accepted minions match:`,
    ...minions.map((minion) => `    ${minion.id}: ${state(minion)}`),
    ...missing.map((name) => `    ${safeLine(name)}: no minion of this name has an accepted key`),
    ...(apart.length === 0 ? [] : [`Not matched: ${safeLine(apart.join(" "))}`]),
    ...(unknown.length === 0 ? [] : [`Not matched, no grains known yet: ${safeLine(unknown.join(" "))}`]),
  ];
  return `${lines.join("\n")}\n`;
}

/** What `--doc` prints: each function once, whoever told of it, in the order of their names; texts that are none as they are. */
export function docsText(returns: Readonly<Record<string, unknown>>): string {
  const all = new Map<string, string>();
  for (const [id, value] of Object.entries(returns)) {
    if (typeof value === "object" && value !== null) {
      for (const [name, text] of Object.entries(value)) all.set(name, String(text));
    } else all.set(id, String(value));
  }
  const indented = (text: string): string =>
    text
      .trim()
      .split("\n")
      .map((line) => (line === "" ? "" : `    ${safeLine(line)}`))
      .join("\n");
  const names = [...all.keys()].toSorted();
  return names.map((name) => `${safeLine(name)}:\n\n${indented(all.get(name) ?? "")}\n\n`).join("");
}

export interface Summary {
  readonly targeted: number;
  readonly returned: number;
  readonly missing: number;
  readonly errors: number;
  readonly counts: Counts;
  /** Minion ids, each list a line of its own unless it is empty. */
  readonly notConnected?: readonly string[];
  readonly notResponding?: readonly string[];
  readonly failures?: readonly string[];
}

const kinds = [
  ["skipped", "skipped"],
  ["timed_out", "timed out"],
  ["killed", "killed"],
  ["expired", "that did not start in time"],
  ["unreachable", "that could not be reached"],
  ["lost", "lost"],
] as const satisfies readonly (readonly [keyof Counts, string])[];

/** What `--summary` prints, final newline included. */
export function summaryText(summary: Summary): string {
  const { counts, notConnected = [], notResponding = [], failures = [] } = summary;
  const named = [
    { label: "Minions not connected", ids: notConnected },
    { label: "Minions not responding", ids: notResponding },
    { label: "Minions with failures", ids: failures },
  ];
  const lines = [
    "",
    "",
    rule,
    "Summary",
    rule,
    `# of minions targeted: ${summary.targeted}`,
    `# of minions returned: ${summary.returned}`,
    `# of minions that did not return: ${summary.missing}`,
    `# of minions with errors: ${summary.errors}`,
    ...kinds.filter(([kind]) => counts[kind] > 0).map(([kind, what]) => `# of minions ${what}: ${counts[kind]}`),
    ...named.filter(({ ids }) => ids.length > 0).map(({ label, ids }) => `${label}: ${safeLine(ids.join(" "))}`),
    rule,
  ];
  return `${lines.join("\n")}\n`;
}

/** What `-v` prints above the returns: the jid, underlined. */
export function verboseHeader(jid: string): string {
  const header = `Executing job with jid ${jid}`;
  return `${header}\n${"-".repeat(header.length)}\n`;
}

function lookup(jid: string): string {
  return `msalt-run jobs.lookup ${jid}`;
}
