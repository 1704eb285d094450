import type { Load } from "../../wire/loads.ts";
import type { MinionId } from "../../wire/ids.ts";

/** The facts of a minion; the id among them is the one its key proves, whatever it says. */
export function grains(load: Load<"grains">, from: MinionId): Load<"grains"> {
  return { ...load, grains: { ...load.grains, id: from } };
}
