/**
 * Values that many maps have in common, held once: most facts of a machine are those of all its kind. Knows so many at a time;
 * what is rare comes and goes.
 */
export class Shared {
  readonly #known = new Map<string, unknown>();
  readonly #nameOf: (value: unknown) => string;
  readonly #most: number;

  /** @param nameOf the same text for equal values, and for those only */
  constructor(nameOf: (value: unknown) => string, most = 2000) {
    this.#nameOf = nameOf;
    this.#most = most;
  }

  /** An equal map. */
  of(map: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
    return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, this.#one(value)]));
  }

  #one(value: unknown): unknown {
    if (typeof value !== "string" && (typeof value !== "object" || value === null)) return value;
    const name = this.#nameOf(value);
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    if (this.#known.size >= this.#most) this.#known.clear();
    this.#known.set(name, value);
    return value;
  }
}
