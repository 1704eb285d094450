/** Keeps the first `maxBytes` of what is added and counts the rest, so that memory is bounded whatever a child prints. */
export class Capture {
  readonly #maxBytes: number;
  #kept = Buffer.alloc(0);
  #size = 0;
  #dropped = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  add(chunk: Uint8Array): void {
    const part = chunk.subarray(0, this.#maxBytes - this.#size);
    this.#dropped += chunk.length - part.length;
    const size = this.#size + part.length;
    if (size > this.#kept.length) {
      const grown = Buffer.allocUnsafe(Math.min(this.#maxBytes, Math.max(size, 2 * this.#kept.length)));
      grown.set(this.#kept.subarray(0, this.#size));
      this.#kept = grown;
    }
    this.#kept.set(part, this.#size);
    this.#size = size;
  }

  /** The text so far, invalid UTF-8 as U+FFFD; when something was cut, a last line says so. */
  finish(): { text: string; cut: boolean } {
    const bytes = this.#kept.subarray(0, this.#size);
    let text = decode(bytes, this.#dropped > 0);
    // U+FFFD takes three bytes where a bad byte took one.
    const encoded = Buffer.from(text);
    if (encoded.length > this.#maxBytes) text = decode(encoded.subarray(0, this.#maxBytes), true);
    const cut = this.#dropped > 0 || encoded.length > this.#maxBytes;
    if (!cut) return { text, cut };
    const all = this.#size + this.#dropped;
    return { text: `${text}\n[output cut: ${all} bytes were printed, the limit is ${this.#maxBytes}]\n`, cut };
  }
}

/** Bad bytes become U+FFFD. A character that our own cut left unfinished (`wasCut`) is left out. */
function decode(bytes: Uint8Array, wasCut: boolean): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes, { stream: wasCut });
}
