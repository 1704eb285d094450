import type { Load } from "../../wire/loads.ts";

/** Says what runs and which publish session the minion believes in. */
export function heartbeat(load: Load<"heartbeat">): Load<"heartbeat"> {
  return load;
}
