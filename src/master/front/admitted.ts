import type { KeyUpdate } from "../../wire/front.ts";
import type { KeyId } from "../../wire/ids.ts";

/** The CURVE keys that may connect now; what ZAP is answered from. */
export class Admitted {
  readonly #curves = new Map<KeyId, string>();
  /** How many keys have each: the book lets no two share one, but a change of a record names the new one before the old. */
  readonly #counts = new Map<string, number>();

  /** Gives the keys that are admitted no more, also those that are merely missing among all keys. */
  apply({ full, add, remove }: KeyUpdate): readonly KeyId[] {
    const now = new Set(add.map(({ keyId }) => keyId));
    const gone = full ? [...this.#curves.keys()].filter((keyId) => !now.has(keyId)) : remove;
    if (full) {
      this.#curves.clear();
      this.#counts.clear();
    }
    for (const { keyId, curve } of add) {
      this.#drop(keyId);
      const name = hex(curve);
      this.#curves.set(keyId, name);
      this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    }
    for (const keyId of remove) this.#drop(keyId);
    return gone;
  }

  has(curve: Uint8Array): boolean {
    return this.#counts.has(hex(curve));
  }

  #drop(keyId: KeyId): void {
    const name = this.#curves.get(keyId);
    if (name === undefined) return;
    this.#curves.delete(keyId);
    const left = (this.#counts.get(name) ?? 1) - 1;
    if (left > 0) this.#counts.set(name, left);
    else this.#counts.delete(name);
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
