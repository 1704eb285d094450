import { describe, expect, it } from "vitest";
import { PublisherAcl } from "../../../../src/acl/publisher-acl.ts";
import type { Act } from "../../../../src/audit/act.ts";
import { MsaltError } from "../../../../src/errors.ts";
import type { AuditLog } from "../../../../src/master/controller/audit.ts";
import { blacklisted, publishAudited } from "../../../../src/master/controller/audited.ts";
import { Rig } from "./jobs-kit.ts";

const load = { tgt: "*", tgtType: "glob" as const, fun: "test.ping", arg: [], user: "ann", waitMs: 1000 };
const full = new MsaltError("ERR_DISK_FULL", "no room");

/** Keeps what is recorded, and calls `onRecord` first. */
function auditOf(onRecord: (act: Act) => void = () => undefined): { audit: AuditLog; acts: Act[] } {
  const acts: Act[] = [];
  const record = async (act: Act): Promise<void> => {
    onRecord(act);
    acts.push(act);
  };
  return { audit: { record } as unknown as AuditLog, acts };
}

describe("publishAudited", () => {
  it("writes down who reaches whom before the job is written", async () => {
    await using rig = await Rig.open(2);
    const order: string[] = [];
    rig.onCommit = () => order.push("commit");
    const { audit, acts } = auditOf(() => order.push("audit"));
    const { jid } = await publishAudited({ jobs: rig.jobs, audit }, load, { how: "uid 1001" });
    expect(acts).toMatchObject([
      { user: "ann", how: "uid 1001", act: "publish", jid, minions: rig.ids, outcome: "accepted" },
    ]);
    expect(order.slice(0, 2)).toEqual(["audit", "commit"]);
  });

  it("publishes nothing that cannot be written down", async () => {
    await using rig = await Rig.open(2);
    const { audit } = auditOf(() => {
      throw full;
    });
    await expect(publishAudited({ jobs: rig.jobs, audit }, load, { how: "owner" })).rejects.toBe(full);
    expect(await rig.store.jobs(undefined, 10)).toEqual([]);
    expect([rig.jobs.active(), rig.sent]).toEqual([[], []]);
  });

  it("publishes nothing that is refused, and writes that down", async () => {
    await using rig = await Rig.open(2);
    const { audit, acts } = auditOf();
    const no = new MsaltError("ERR_NOT_ALLOWED", "no");
    const refusal = (): MsaltError => no;
    await expect(publishAudited({ jobs: rig.jobs, audit }, load, { how: "owner", refusal })).rejects.toBe(no);
    expect(acts).toMatchObject([{ outcome: "denied: no", minions: rig.ids }]);
    expect(await rig.store.jobs(undefined, 10)).toEqual([]);
  });

  it("says so when the job itself could not be written", async () => {
    await using rig = await Rig.open(2);
    rig.onCommit = () => {
      throw full;
    };
    const { audit, acts } = auditOf();
    await expect(publishAudited({ jobs: rig.jobs, audit }, load, { how: "owner" })).rejects.toBe(full);
    expect(acts.map(({ outcome }) => outcome)).toEqual(["accepted", "failed: no room"]);
    expect(acts[0]?.jid).toBe(acts[1]?.jid);
  });
});

describe("blacklisted", () => {
  const acl = new PublisherAcl({}, { users: ["^(?!sudo_).*$"], modules: ["cmd.*"] });

  it.each([
    ["ann", "test.ping", "publisher_acl_blacklist forbids user ann"],
    ["sudo_ann", "test.ping,cmd.run", "publisher_acl_blacklist forbids cmd.run"],
    ["sudo_ann", "test.ping", undefined],
  ])("%s %s: %s", (user, fun, message) => {
    expect(blacklisted(acl, { user, fun })?.message).toBe(message);
  });
});
