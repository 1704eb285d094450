import * as z from "zod";
import { PublisherAcl } from "../acl/publisher-acl.ts";
import { publisherAcl } from "../config/values.ts";
import { MsaltError, messageOf } from "../errors.ts";
import { limits } from "../wire/limits.ts";
import type { Master } from "./master.ts";

/** What an account may run, as `publisher_acl` writes it. */
export const rules = z
  .array(z.unknown())
  .max(limits.userRules)
  .superRefine((list, context) => {
    const parsed = publisherAcl.safeParse({ rules: list });
    for (const issue of parsed.error?.issues ?? []) {
      context.addIssue({ code: "custom", message: issue.message, path: issue.path.slice(1) });
    }
  });

/** @throws MsaltError `ERR_REQUEST_INVALID` for a rule that could not be read when it counts. */
export async function checkRules(master: Master, list: readonly unknown[]): Promise<void> {
  try {
    const acl = new PublisherAcl({ rules: list });
    for (const tgt of acl.targets) await master.call("target.resolve", { tgt, tgtType: "compound" });
  } catch (cause) {
    if (cause instanceof MsaltError && cause.code !== "ERR_TARGET_INVALID" && cause.code !== "ERR_WIRE_INVALID")
      throw cause;
    throw new MsaltError("ERR_REQUEST_INVALID", `body.rules: ${messageOf(cause)}`, {}, { cause });
  }
}
