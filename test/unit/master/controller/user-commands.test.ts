import { describe, expect, it } from "vitest";
import { PublisherAcl } from "../../../../src/acl/publisher-acl.ts";
import type { LocalContext } from "../../../../src/master/controller/local-commands.ts";
import type { LocalHandlers } from "../../../../src/master/controller/local-server.ts";
import { userCommands } from "../../../../src/master/controller/user-commands.ts";
import { localLoads, minionLoads } from "../../../support/commands.ts";

const alice = { name: "alice", uid: 1000 };

/** A master whose only job is `owner`'s; it publishes nothing. */
function serve(owner: string): { ask: (cmd: string, load: unknown) => Promise<unknown>; audited: string[] } {
  const audited: string[] = [];
  const job = { user: owner, minions: ["m1"] };
  const jobs = {
    find: () => ({ job }),
    resolve: () => ({ minions: ["m1"], missing: [] }),
    publish: async () => ({ jid: "20260101000000000000", minions: ["m1"], missing: [] }),
    kill: async () => ({ skipped: 0, told: [] }),
  };
  const context = {
    jobs,
    acl: new PublisherAcl({ alice: ["test.*"] }, { users: [], modules: [] }),
    audit: { record: async ({ act }: { act: string }) => void audited.push(act) },
    store: { jobs: async () => [], job: async () => undefined },
    checkDisk: () => undefined,
  } as unknown as LocalContext;
  const handlers = Object.fromEntries(Object.keys(localLoads).map((cmd) => [cmd, async () => "answered"]));
  const commands = userCommands(context, handlers as unknown as LocalHandlers);
  return { ask: (cmd, load) => commands(alice, cmd, load), audited };
}

const refused = expect.objectContaining({ code: "ERR_NOT_ALLOWED" });

describe("commands of users that publisher_acl names", () => {
  it.each(Object.entries(localLoads))(
    "AZ-02: %s is for them or for the master's own user alone",
    async (cmd, { load, user }) => {
      const { ask, audited } = serve("alice");
      if (user) return expect(await ask(cmd, load)).toBeDefined();
      await expect(ask(cmd, load)).rejects.toEqual(refused);
      expect(audited).toEqual(["denied"]);
    },
  );

  it.each(["job.record", "job.returns", "job.kill"] as const)(
    "AZ-02: %s of somebody else's job is refused",
    async (cmd) => {
      const { ask, audited } = serve("bob");
      await expect(ask(cmd, localLoads[cmd].load)).rejects.toEqual(refused);
      expect(audited).toEqual(["denied"]);
    },
  );

  it.each([
    ...Object.keys(minionLoads).filter((cmd) => !(cmd in localLoads)),
    "toString",
    "__proto__",
    "constructor",
    "",
  ])("AZ-02: %j is no command of theirs", async (cmd) => {
    await expect(serve("alice").ask(cmd, {})).rejects.toMatchObject({ code: "ERR_WIRE_INVALID" });
  });
});
