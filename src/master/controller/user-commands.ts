/** What users that `publisher_acl` names may ask: to publish what it allows, and about their own jobs. */
import type { PublisherAcl } from "../../acl/publisher-acl.ts";
import { MsaltError } from "../../errors.ts";
import type { JobLine } from "../../store/job-store.ts";
import type { Jid } from "../../wire/ids.ts";
import { limits } from "../../wire/limits.ts";
import {
  type LocalCommand,
  type LocalLoad,
  type LocalReplies,
  isLocalCommand,
  parseLocalLoad,
} from "../../wire/local.ts";
import { killAudited } from "./audited.ts";
import type { LocalContext } from "./local-commands.ts";
import type { LocalHandlers } from "./local-server.ts";
import { publishPermitted } from "./permitted.ts";
import type { User } from "./user-proof.ts";

type UserCommand = "publish" | "target.resolve" | "job.record" | "job.returns" | "job.kill" | "job.list";
type UserHandlers = {
  readonly [C in UserCommand]: (load: LocalLoad<C>, user: User) => Promise<LocalReplies[C]>;
};

const hint = "publisher_acl in the master's configuration says who may what";
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
      // Rules of the HTTP API, and that it speaks, are for those to say who hold the master's secret.
      const { rules: _rules, via: _via, ...load } = given;
      const permission = { rules: acl.rulesOf(user.name), how: `uid ${user.uid}`, hint };
      return publishPermitted(context, { ...load, user: user.name }, permission);
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
      const { via: _via, ...asked } = load;
      return killAudited(context, { ...asked, user: user.name }, `uid ${user.uid}`);
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
