import { safeLine } from "../lib/safe-text.ts";

const later =
  "The minions may not have all finished running and any remaining minions will return upon completion. " +
  "To look up the return data for this job later, run the following command:";
const rule = "-".repeat(43);

/** What `--async` prints. */
export function asyncText(jid: string): string {
  return `Executed command with job ID: ${jid}`;
}

/** What the user reads after Ctrl-C: the job goes on. */
export function ctrlCText(jid: string): string {
  return `Exiting gracefully on Ctrl-c\nThis job's jid is: ${jid}\n${later}\n\n${lookup(jid)}`;
}

const reasons = { "no response": "No response", "not connected": "Not connected" } as const;

/** Stands where the minion's value would be; `extra` is what the record knows beyond Salt's own text. */
export function noReturnText(jid: string, why: keyof typeof reasons, extra?: string): string {
  const first = [`Minion did not return. [${reasons[why]}]`];
  if (extra !== undefined) first.push(extra);
  return [...first, ...(why === "no response" ? [later, ""] : []), lookup(jid)].join("\n");
}

export interface Summary {
  readonly targeted: number;
  readonly returned: number;
  readonly missing: number;
  readonly errors: number;
  /** Minion ids, each list a line of its own unless it is empty. */
  readonly notConnected?: readonly string[];
  readonly notResponding?: readonly string[];
  readonly failures?: readonly string[];
}

/** What `--summary` prints, final newline included. */
export function summaryText(summary: Summary): string {
  const { notConnected = [], notResponding = [], failures = [] } = summary;
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
