/** How an account orders a job: the master judges its rules on the minions that the job would reach. */
import type { LocalLoad, LocalReplies } from "../wire/local.ts";
import type { Who } from "./accounts.ts";
import { type ApiContext, isAdmin, userOf } from "./context.ts";

type Order = Omit<LocalLoad<"publish">, "user" | "rules" | "via">;

/** @throws MsaltError `ERR_NOT_ALLOWED`, `ERR_NO_MATCH` … : then there is no jid. */
export async function publishAs(context: ApiContext, who: Who, order: Order): Promise<LocalReplies["publish"]> {
  const { master, accounts } = context;
  const user = userOf(who);
  const load: LocalLoad<"publish"> = {
    ...order,
    user,
    via: "api",
    ...(!isAdmin(who) && { rules: [...who.account.rules] }),
  };
  const accepted = await master.call("publish", load);
  // Its rights may have been taken away while the master decided, after all its jobs had been stopped.
  const now = accounts.find(who.account.name);
  if (now?.changed !== who.account.changed) {
    await master.call("job.kill", { jid: accepted.jid, user, gently: true, via: "api" });
  }
  return accepted;
}
