/** Acts that are written to the audit log before they are done; what then fails or was refused has a line that says so. */
import type { PublisherAcl } from "../../acl/publisher-acl.ts";
import type { Act } from "../../audit/act.ts";
import { MsaltError, messageOf } from "../../errors.ts";
import type { Job } from "../../job/types.ts";
import type { LocalLoad, LocalReplies } from "../../wire/local.ts";
import type { AuditLog } from "./audit.ts";
import type { Jobs } from "./jobs.ts";

interface Acting {
  readonly jobs: Jobs;
  readonly audit: AuditLog;
}

/** @throws MsaltError `ERR_STORE` or `ERR_DISK_FULL` when the log cannot be written, and what `work` throws. */
export async function audited<T>(audit: AuditLog, act: Omit<Act, "outcome">, work: () => Promise<T>): Promise<T> {
  await audit.record({ ...act, outcome: "accepted" });
  try {
    return await work();
  } catch (failure) {
    await failed(audit, act, failure);
    throw failure;
  }
}

/**
 * @param refusal why this job is not allowed, once it is known whom it would reach
 * @throws MsaltError `ERR_NOT_ALLOWED`, and as `audited`
 */
export async function publishAudited(
  { jobs, audit }: Acting,
  load: LocalLoad<"publish">,
  { how, refusal }: { readonly how: string; readonly refusal?: (job: Job) => MsaltError | undefined },
): Promise<LocalReplies["publish"]> {
  let accepted: Omit<Act, "outcome"> | undefined;
  try {
    return await jobs.publish(load, async (job) => {
      const { user, fun, arg, tgt, tgtType, minions } = job;
      const act = { user, how, act: "publish", fun, arg, tgt, tgtType, minions } as const;
      const denied = refusal?.(job);
      if (denied !== undefined) {
        await audit.record({ ...act, outcome: `denied: ${denied.message}` });
        throw denied;
      }
      const known = { ...act, jid: job.jid };
      return () => {
        accepted = known;
        return audit.record({ ...known, outcome: "accepted" });
      };
    });
  } catch (failure) {
    if (accepted !== undefined) await failed(audit, accepted, failure);
    throw failure;
  }
}

export function killAudited(
  { jobs, audit }: Acting,
  load: LocalLoad<"job.kill">,
  how: string,
): Promise<LocalReplies["job.kill"]> {
  const { user, jid, signal } = load;
  const act = { user, how, act: "kill", jid, ...(signal !== undefined && { arg: { signal } }) } as const;
  return audited(audit, act, () => jobs.kill(load));
}

/** Whom and what `publisher_acl_blacklist` forbids, also to the master's own user. */
export function blacklisted(acl: PublisherAcl, { user, fun }: { user: string; fun: string }): MsaltError | undefined {
  const why = acl.isUserBlacklisted(user) ? `user ${user}` : acl.blacklisted(fun.split(","));
  if (why === undefined) return undefined;
  return new MsaltError("ERR_NOT_ALLOWED", `publisher_acl_blacklist forbids ${why}`, { hint: "see docs/users.md" });
}

/** The act has failed for a reason of its own; that this cannot be written, too, changes nothing for who asked. */
export async function failed(audit: AuditLog, act: Omit<Act, "outcome">, failure: unknown): Promise<void> {
  await audit.record({ ...act, outcome: `failed: ${messageOf(failure)}` }).catch(() => undefined);
}
