import type { Load } from "../../wire/loads.ts";

/** Asks for this minion's own outstanding jobs. */
export function sync(load: Load<"sync">): Load<"sync"> {
  return load;
}
