import type { Load } from "../../wire/loads.ts";

/** Says that a job began; whether this minion was a target is the controller's to know. */
export function jobStart(load: Load<"job.start">): Load<"job.start"> {
  return load;
}
