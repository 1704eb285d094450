import type { KeyUpdate } from "../../wire/front.ts";
import type { KeyId } from "../../wire/ids.ts";

/** The CURVE keys that may connect now; what ZAP is answered from. */
export class Admitted {
  readonly #curves = new Map<KeyId, string>();
  #set: ReadonlySet<string> = new Set();

  apply({ full, add, remove }: KeyUpdate): void {
    if (full) this.#curves.clear();
    for (const { keyId, curve } of add) this.#curves.set(keyId, Buffer.from(curve).toString("hex"));
    for (const keyId of remove) this.#curves.delete(keyId);
    this.#set = new Set(this.#curves.values());
  }

  has(curve: Uint8Array): boolean {
    return this.#set.has(Buffer.from(curve).toString("hex"));
  }
}
