import type { Load } from "../../wire/loads.ts";
import type { MinionId } from "../../wire/ids.ts";
import { MsaltError } from "../../errors.ts";
import { tags } from "../../wire/tags.ts";

/** An event of a minion, forced under its own name: it can never speak as the master, a job or another minion (AZ-08). */
export function event(load: Load<"event">, from: MinionId): Load<"event"> {
  const own = tags.minionEvent(from, "");
  const tag = load.tag.startsWith(own) ? load.tag : own + load.tag.replace(/^\/+/, "");
  if (!/^[\w./@:+-]+$/.test(tag) || tag.split("/").includes("..") || tag.length > 256) {
    throw new MsaltError("ERR_WIRE_INVALID", "bad event: tag: letters, digits and . _ / @ : + - only, at most 256");
  }
  return { ...load, tag };
}
