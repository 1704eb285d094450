/** Whose a job is: an account sees and ends its own, an administrator all. */
import { MsaltError } from "../errors.ts";
import type { Jid } from "../wire/ids.ts";
import type { LocalReplies } from "../wire/local.ts";
import type { Who } from "./accounts.ts";
import { type ApiContext, isAdmin, userOf } from "./context.ts";
import type { Master } from "./master.ts";

/** @throws MsaltError `ERR_UNKNOWN_JID`, in the same words for a job that is not there and one of somebody else. */
export async function ownJob(master: Master, who: Who, jid: Jid): Promise<LocalReplies["job.record"]> {
  try {
    const record = await master.call("job.record", { jid });
    if (isAdmin(who) || record.job.user === userOf(who)) return record;
  } catch (failure) {
    if (!(failure instanceof MsaltError) || failure.code !== "ERR_UNKNOWN_JID") throw failure;
  }
  throw new MsaltError("ERR_UNKNOWN_JID", "there is no such job, or it is not yours");
}

const retryMs = 2000;

/**
 * No more targets of this account's jobs begin; what runs goes on. Where the master is away it is tried again, for as long as
 * the API runs.
 */
export async function stopJobsOf(context: ApiContext, account: string, by: string): Promise<void> {
  try {
    const { jobs } = await context.master.call("job.active", {});
    for (const { job } of jobs.filter((each) => each.job.user === `api:${account}`)) {
      await context.master.call("job.kill", { jid: job.jid, user: by, gently: true, via: "api" });
    }
  } catch (failure) {
    context.log.warn("cannot stop the jobs of an account, trying again", { account, failure: String(failure) });
    setTimeout(() => void stopJobsOf(context, account, by), retryMs).unref();
  }
}
