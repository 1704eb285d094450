import { chownSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { treeOf } from "../support/measure.ts";
import { Bus, noOtherUsers } from "../support/bus.ts";

const why = noOtherUsers();
if (why !== undefined) process.stdout.write(`service-user.test.ts is skipped: ${why}\n`);
/** An account that every Debian has. */
const uid = 1;

describe.skipIf(why !== undefined)("LF-07: master and minion without the rights of root", () => {
  let bus: Bus;
  beforeAll(async () => {
    bus = await Bus.start({ uid, autoAccept: false, minions: [], master: "timeout: 60" });
    await bus.startMinion("m1", false);
    await bus.minion("m1").says("waits to be accepted");
  });
  afterAll(() => bus[Symbol.asyncDispose]());

  it("serve root's tools: keys, jobs, runners", async () => {
    expect(await bus.key("-y", "-a", "m1")).toMatchObject({ code: 0 });
    await bus.minion("m1").says("msalt-minion ready");
    const ran = await bus.msalt("m1", "cmd.run", "id -u; id -G; cat /proc/self/status | grep CapBnd", "--out=json");
    expect(JSON.parse(ran.stdout)).toEqual({ m1: `${uid}\n${uid}\nCapBnd:\t0000000000000000` });
    expect(await bus.run("manage.up")).toMatchObject({ code: 0, stdout: "- m1\n" });
  });

  it("hold no right in any process", () => {
    const pids = [bus.master, bus.minion("m1")].flatMap((proc) => treeOf(proc?.pid ?? 0));
    expect(pids.length).toBeGreaterThanOrEqual(7);
    for (const pid of pids) {
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      const field = (name: string): string => new RegExp(`^${name}:[\\t ]*(.*)$`, "m").exec(status)?.[1]?.trim() ?? "";
      expect(field("Uid").split("\t")).toEqual(Array(4).fill(`${uid}`));
      expect(field("Gid").split("\t")).toEqual(Array(4).fill(`${uid}`));
      expect(field("Groups")).toBe("");
      for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) expect(field(set)).toBe("0".repeat(16));
      expect(field("NoNewPrivs")).toBe("1");
    }
  });

  it("leave a line in the audit log for a key that a token lets in", async () => {
    const { stdout: token } = await bus.key("--token");
    await bus.startMinion("m2", true, ["--token", token.trim()]);
    const lines = (await bus.run("audit.tail", "2", "--out=json")).stdout;
    expect(Object.values(JSON.parse(lines) as object)).toMatchObject([
      { act: "token", user: "root", how: "owner" },
      { act: "key.accept", user: "m2", how: "token", minions: { names: ["m2"] }, outcome: "accepted" },
    ]);
  });

  it("own what they write, and nobody else reads it", () => {
    for (const folder of [`${bus.pki}/master`, join(bus.masterRoot, "var/lib/msalt/master"), bus.sockDir]) {
      expect(statSync(folder).mode & 0o777).toBe(0o700);
      // A draft of a file may have taken its place meanwhile.
      const owners = readdirSync(folder).map(
        (name) => statSync(join(folder, name), { throwIfNoEntry: false })?.uid ?? uid,
      );
      expect(new Set(owners)).toEqual(new Set([uid]));
    }
  });

  it("a socket folder that the master's user could have been given by anybody is not trusted by root", async () => {
    const above = join(bus.masterRoot, "run/msalt");
    chownSync(above, 2, 2);
    try {
      const { code, stderr } = await bus.msalt("m1", "test.ping");
      expect([code, stderr]).toEqual([2, expect.stringContaining("does not belong to you alone")]);
    } finally {
      chownSync(above, 0, 0);
    }
    expect(await bus.msalt("m1", "test.ping")).toMatchObject({ code: 0 });
  });
});
