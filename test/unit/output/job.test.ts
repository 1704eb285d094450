import { describe, expect, it } from "vitest";
import { countsOf } from "../../../src/job/progress.ts";
import type { Target, TargetState } from "../../../src/job/types.ts";
import type { MinionId } from "../../../src/wire/ids.ts";
import { asyncText, ctrlCText, noReturnText, summaryText, verboseHeader } from "../../../src/output/job.ts";

const jid = "20261121023623028733";
const rule = "-------------------------------------------";
const explanation =
  "The minions may not have all finished running and any remaining minions will return upon completion. To look up the return data for this job later, run the following command:";

describe("the texts about a job", () => {
  it("names the job that --async left running", () => {
    expect(asyncText(jid, false)).toBe(`Executed command with job ID: ${jid}`);
    expect(asyncText(jid, true)).toBe(`Executed batch command with job ID: ${jid}`);
  });

  it("underlines the jid", () => {
    expect(verboseHeader(jid)).toBe(`Executing job with jid ${jid}\n${rule}\n`);
  });

  it("says after Ctrl-C how to find the job again", () => {
    expect(ctrlCText(jid)).toBe(
      `Exiting gracefully on Ctrl-c\nThis job's jid is: ${jid}\n${explanation}\n\nmsalt-run jobs.lookup ${jid}`,
    );
  });

  it.each([
    [undefined, ""],
    ["Still running.", "Still running.\n"],
  ])("explains a missing response (%s)", (extra, line) => {
    expect(noReturnText(jid, "no response", extra)).toBe(
      `Minion did not return. [No response]\n${line}${explanation}\n\nmsalt-run jobs.lookup ${jid}`,
    );
  });

  it.each([
    [undefined, ""],
    ["It has never been connected.", "It has never been connected.\n"],
  ])("says that a minion is away (%s)", (extra, line) => {
    expect(noReturnText(jid, "not connected", extra)).toBe(
      `Minion did not return. [Not connected]\n${line}msalt-run jobs.lookup ${jid}`,
    );
  });
});

describe("summaryText", () => {
  const counts = [
    "",
    "",
    rule,
    "Summary",
    rule,
    "# of minions targeted: 3",
    "# of minions returned: 2",
    "# of minions that did not return: 1",
    "# of minions with errors: 0",
  ];
  const summary = { targeted: 3, returned: 2, missing: 1, errors: 0, counts: countsOf([]) };

  it("counts", () => {
    expect(summaryText(summary)).toBe([...counts, rule, ""].join("\n"));
  });

  it("counts apart what ended otherwise", () => {
    const of = (state: TargetState, more: Partial<Target> = {}): Target => ({ id: "m" as MinionId, state, ...more });
    const targets = [of("skipped"), of("skipped"), of("timed_out"), of("expired", { unreachable: true }), of("lost")];
    expect(summaryText({ ...summary, counts: countsOf(targets) })).toContain(
      "# of minions skipped: 2\n# of minions timed out: 1\n# of minions that could not be reached: 1\n# of minions lost: 1\n",
    );
  });

  it("names the minions of each list that is not empty", () => {
    const text = summaryText({ ...summary, notConnected: [], notResponding: ["m3", "m\u001b4"], failures: ["m1"] });
    const named = ["Minions not responding: m3 m?4", "Minions with failures: m1"];
    expect(text).toBe([...counts, ...named, rule, ""].join("\n"));
  });

  it("names them in Salt's order", () => {
    const text = summaryText({ ...summary, failures: ["c"], notResponding: ["b"], notConnected: ["a"] });
    expect(text).toContain("Minions not connected: a\nMinions not responding: b\nMinions with failures: c\n");
  });
});
