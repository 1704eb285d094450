import type { Data } from "../target/data.ts";

export function isMap(value: unknown): value is Data {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Maps are merged at every depth; of anything else, lists too, what comes later wins (Salt's default strategy). */
export function merge(under: Data, over: Data): Data {
  // A map, as a key may be called __proto__.
  const merged = new Map(Object.entries(under));
  for (const [key, value] of Object.entries(over)) {
    const before = merged.get(key);
    merged.set(key, isMap(before) && isMap(value) ? merge(before, value) : value);
  }
  return Object.fromEntries(merged);
}
