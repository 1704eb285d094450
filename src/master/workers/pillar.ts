import type { Load } from "../../wire/loads.ts";

/** Asks for this minion's own pillar. */
export function pillar(load: Load<"pillar">): Load<"pillar"> {
  return load;
}
