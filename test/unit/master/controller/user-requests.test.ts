import { describe, expect, it } from "vitest";
import { PublisherAcl } from "../../../../src/acl/publisher-acl.ts";
import type { Job } from "../../../../src/job/types.ts";
import { type LocalContext, localHandlers } from "../../../../src/master/controller/local-commands.ts";
import { userCommands } from "../../../../src/master/controller/user-commands.ts";
import type { MinionId } from "../../../../src/wire/ids.ts";

const jid = "20261121100000123456";
const order = { tgt: "m*", tgtType: "glob", fun: "cmd.run", arg: ["id"], user: "", waitMs: 0 };

/** A controller of which only what these commands touch is there. */
function scene(minions: readonly string[] = ["m1", "m2"]): { context: LocalContext; acts: Record<string, unknown>[] } {
  const acts: Record<string, unknown>[] = [];
  const context = {
    acl: new PublisherAcl({ ann: ["test.*"] }),
    audit: { record: async (act: Record<string, unknown>) => void acts.push(act) },
    checkDisk: () => undefined,
    store: {},
    jobs: {
      find: () => ({ job: { user: "ann" } }),
      resolve: ({ tgt }: { tgt: string }) => ({ minions: minions.filter((id) => tgt === "*" || tgt === id) }),
      kill: async (load: unknown) => load,
      publish: async (load: object, admit: (job: Job) => Promise<() => Promise<void>>) => {
        const job = { ...load, jid, minions: minions as MinionId[] } as unknown as Job;
        await (
          await admit(job)
        )();
        return { jid, minions, missing: [] };
      },
    },
  } as unknown as LocalContext;
  return { context, acts };
}

describe("userCommands", () => {
  it("lets a user bring no rules, and not say that the HTTP API asks", async () => {
    const { context, acts } = scene();
    const ask = userCommands(context, localHandlers(context));
    const ann = { name: "ann", uid: 1 };
    const forged = { ...order, rules: [".*"], via: "api" };
    await expect(ask(ann, "publish", forged)).rejects.toMatchObject({ code: "ERR_NOT_ALLOWED" });
    await ask(ann, "publish", { ...forged, fun: "test.ping", arg: [] });
    await ask(ann, "job.kill", { jid, user: "", via: "api" });
    expect(acts.map(({ how, act, user }) => `${String(user)} ${String(how)} ${String(act)}`)).toEqual([
      "ann uid 1 publish",
      "ann uid 1 publish",
      "ann uid 1 kill",
    ]);
    const note = { user: "root", act: "login", arg: {}, outcome: "accepted" };
    await expect(ask(ann, "audit.note", note)).rejects.toMatchObject({ code: "ERR_NOT_ALLOWED" });
    expect(acts.at(-1)).toMatchObject({ user: "ann", act: "denied", fun: "audit.note" });
  });
});

describe("publish with rules", () => {
  it("is judged on every minion that the job reaches, and is refused when that is none", async () => {
    const { context, acts } = scene();
    const { publish } = localHandlers(context);
    const ruled = { ...order, tgtType: "glob" as const, user: "api:ann", via: "api" as const };
    await expect(publish({ ...ruled, rules: [{ m1: ["cmd.run"] }] })).rejects.toMatchObject({
      code: "ERR_NOT_ALLOWED",
      message: expect.stringContaining("m2"),
    });
    await expect(publish({ ...ruled, rules: [] })).rejects.toMatchObject({ code: "ERR_NOT_ALLOWED" });
    await expect(publish({ ...ruled, rules: ["(["] })).rejects.toMatchObject({ code: "ERR_WIRE_INVALID" });
    await expect(publish({ ...ruled, rules: ["cmd.*"] })).resolves.toMatchObject({ jid });
    await expect(publish({ ...ruled, rules: [{ m1: ["cmd.run"] }, { m2: ["cmd.run"] }] })).resolves.toMatchObject({
      jid,
    });
    expect(acts.map(({ how, outcome }) => `${String(how)} ${String(outcome).split(":")[0]}`)).toEqual([
      "api denied",
      "api denied",
      "api accepted",
      "api accepted",
    ]);
    const empty = scene([]);
    const none = localHandlers(empty.context).publish({ ...ruled, rules: [".*"] });
    await expect(none).rejects.toMatchObject({ code: "ERR_NO_MATCH" });
  });
});
