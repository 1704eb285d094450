/** Jobs of those who may not do everything: what their rules allow, judged on the very minions that the job would reach. */
import { callsOf } from "../../acl/call.ts";
import { withInner } from "../../acl/inner.ts";
import type { PublisherAcl } from "../../acl/publisher-acl.ts";
import { type Refusal, type Rule, refusalOf } from "../../acl/rules.ts";
import { MsaltError } from "../../errors.ts";
import type { Job } from "../../job/types.ts";
import type { MinionId } from "../../wire/ids.ts";
import type { LocalLoad, LocalReplies } from "../../wire/local.ts";
import type { AuditLog } from "./audit.ts";
import { blacklisted, publishAudited } from "./audited.ts";
import type { Jobs } from "./jobs.ts";

export interface Permission {
  readonly rules: readonly Rule[];
  /** How the user is known. */
  readonly how: string;
  /** Who says what is allowed. */
  readonly hint: string;
  /** A job that would reach nobody is refused: names that have no key are not for everybody to try. */
  readonly needsTarget?: true;
}

const fewMinions = 5;

/** @throws MsaltError `ERR_NOT_ALLOWED`, and then no job was written. */
export function publishPermitted(
  context: { readonly jobs: Jobs; readonly acl: PublisherAcl; readonly audit: AuditLog },
  given: LocalLoad<"publish">,
  { rules, how, hint, needsTarget }: Permission,
): Promise<LocalReplies["publish"]> {
  const { jobs, acl } = context;
  const { calls, arg } = callsOf(given);
  const load = { ...given, arg };
  const all = calls.flatMap((call) => withInner(call));
  const refusal = ({ minions }: Job): MsaltError | undefined => {
    if (needsTarget === true && minions.length === 0) {
      return new MsaltError("ERR_NO_MATCH", "No minions matched the target. No command was sent, no jid was assigned.");
    }
    const covers = (tgt: string): MinionId[] => jobs.resolve({ tgt, tgtType: "compound" }, minions).minions;
    const refused = refusalOf(rules, all, minions, covers);
    const fun = all.map((call) => call.fun).join(",");
    return (
      blacklisted(acl, { user: load.user, fun }) ??
      (refused === undefined ? undefined : notAllowed(load.user, refused, hint))
    );
  };
  return publishAudited(context, load, { how, refusal });
}

function notAllowed(user: string, { fun, minions }: Refusal, hint: string): MsaltError {
  const few = minions.slice(0, fewMinions).join(", ");
  const more = minions.length > fewMinions ? ` and ${minions.length - fewMinions} more` : "";
  const where = minions.length === 0 ? "" : ` on ${few}${more}`;
  return new MsaltError("ERR_NOT_ALLOWED", `user ${user} is not allowed to run ${fun}${where}`, { hint });
}
