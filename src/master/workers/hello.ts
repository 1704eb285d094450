import type { Load } from "../../wire/loads.ts";

/** Starts a publish session; the controller makes topic and key. */
export function hello(load: Load<"hello">): Load<"hello"> {
  return load;
}
