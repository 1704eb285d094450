/** What users that `publisher_acl` names may ask: to publish what it allows, and about their own jobs. */
import { callsOf } from "../../acl/call.ts";
import type { PublisherAcl } from "../../acl/publisher-acl.ts";
import { type Refusal, refusalOf } from "../../acl/rules.ts";
import { MsaltError } from "../../errors.ts";
import type { Job } from "../../job/types.ts";
import type { JobLine } from "../../store/job-store.ts";
import type { Jid, MinionId } from "../../wire/ids.ts";
import { limits } from "../../wire/limits.ts";
import {
  type LocalCommand,
  type LocalLoad,
  type LocalReplies,
  isLocalCommand,
  parseLocalLoad,
} from "../../wire/local.ts";
import { blacklisted, killAudited, publishAudited } from "./audited.ts";
import type { LocalContext } from "./local-commands.ts";
import type { LocalHandlers } from "./local-server.ts";
import type { User } from "./user-proof.ts";

type UserCommand = "publish" | "target.resolve" | "job.record" | "job.returns" | "job.kill" | "job.list";
type UserHandlers = {
  readonly [C in UserCommand]: (load: LocalLoad<C>, user: User) => Promise<LocalReplies[C]>;
};

const hint = "publisher_acl in the master's configuration says who may what";
const fewMinions = 5;
const scannedJobs = 1000;

/** @throws MsaltError `ERR_NOT_ALLOWED` for a user whom no rule names, or whom the blacklist does. */
export function admitUser(acl: PublisherAcl, { name }: User): void {
  if (acl.rulesOf(name).length === 0) {
    throw new MsaltError("ERR_NOT_ALLOWED", `not permitted: publisher_acl has no rule for user ${name}`, { hint });
  }
  if (acl.isUserBlacklisted(name)) {
    throw new MsaltError("ERR_NOT_ALLOWED", `not permitted: publisher_acl_blacklist forbids user ${name}`);
  }
}

/** Serves one request of a proved user. Its promise rejects with `ERR_NOT_ALLOWED` for what is not this user's to ask. */
export function userCommands(
  context: LocalContext,
  handlers: LocalHandlers,
): (user: User, cmd: unknown, load: unknown) => Promise<unknown> {
  const { jobs, acl, store } = context;

  const own = async (jid: Jid, user: User, cmd: UserCommand): Promise<void> => {
    const job = jobs.find(jid)?.job ?? (await store.job(jid))?.job;
    if (job?.user === user.name) return;
    throw await denied(user, cmd, `job ${jid} is not in the record, or not a job of ${user.name}`, jid);
  };

  const mine: UserHandlers = {
    publish: async (given, user) => {
      context.checkDisk();
      const { calls, arg } = callsOf(given);
      const load = { ...given, arg, user: user.name };
      const refusal = ({ minions }: Job): MsaltError | undefined => {
        const covers = (tgt: string): MinionId[] => jobs.resolve({ tgt, tgtType: "compound" }, minions).minions;
        const refused = refusalOf(acl.rulesOf(user.name), calls, minions, covers);
        return blacklisted(acl, load) ?? (refused === undefined ? undefined : notAllowed(user, refused));
      };
      return publishAudited(context, load, { how: `uid ${user.uid}`, refusal });
    },
    "target.resolve": (load) => handlers["target.resolve"](load) as Promise<LocalReplies["target.resolve"]>,
    "job.record": async (load, user) => {
      await own(load.jid, user, "job.record");
      return handlers["job.record"](load) as Promise<LocalReplies["job.record"]>;
    },
    "job.returns": async (load, user) => {
      await own(load.jid, user, "job.returns");
      return handlers["job.returns"](load) as Promise<LocalReplies["job.returns"]>;
    },
    "job.kill": async (load, user) => {
      await own(load.jid, user, "job.kill");
      return killAudited(context, { ...load, user: user.name }, `uid ${user.uid}`);
    },
    "job.list": async ({ before, limit }, { name }) => {
      const found: JobLine[] = [];
      let from = before;
      for (let seen = 0; seen < limits.userListedJobs && found.length < limit; seen += scannedJobs) {
        const page = await store.jobs(from, scannedJobs);
        found.push(...page.filter(({ job }) => job.user === name));
        from = page.at(-1)?.job.jid;
        if (page.length < scannedJobs) break;
        // Others are served between two pages.
        await new Promise((resolve) => setImmediate(resolve));
      }
      return { jobs: found.slice(0, limit) };
    },
  };

  return async (user, cmd, load) => {
    if (!isLocalCommand(cmd)) throw new MsaltError("ERR_WIRE_INVALID", "no such local command");
    if (isUserCommand(mine, cmd)) return handle(cmd, load, user);
    throw await denied(user, cmd, `not permitted: ${cmd} is for the master's own user`);
  };

  async function denied({ name, uid }: User, cmd: string, why: string, jid?: Jid): Promise<MsaltError> {
    const act = { user: name, how: `uid ${uid}`, act: "denied", fun: cmd, jid, outcome: `denied: ${why}` } as const;
    await context.audit.record(act);
    return new MsaltError("ERR_NOT_ALLOWED", why, { hint });
  }

  function handle<C extends UserCommand>(cmd: C, load: unknown, user: User): Promise<LocalReplies[C]> {
    return mine[cmd](parseLocalLoad(cmd, load), user);
  }
}

function isUserCommand(mine: UserHandlers, cmd: LocalCommand): cmd is UserCommand {
  return Object.hasOwn(mine, cmd);
}

function notAllowed({ name }: User, { fun, minions }: Refusal): MsaltError {
  const few = minions.slice(0, fewMinions).join(", ");
  const more = minions.length > fewMinions ? ` and ${minions.length - fewMinions} more` : "";
  const where = minions.length === 0 ? "" : ` on ${few}${more}`;
  return new MsaltError("ERR_NOT_ALLOWED", `user ${name} is not allowed to run ${fun}${where}`, { hint });
}
