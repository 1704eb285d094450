/**
 * The audit log is a file of JSON lines, each numbered. `prev` is the SHA-256 of the line before, without its line feed, and
 * `sum` that of everything in the line that stands before `,"sum":`. So a changed byte is found wherever it is; lines cut off
 * at the end are not, and whoever may write the file can write all of it anew.
 */
import { createHash } from "node:crypto";

/** Where the chain stands: what the next line follows. */
export interface Head {
  readonly n: number;
  /** Hex. */
  readonly prev: string;
}

export const firstHead: Head = { n: 0, prev: "0".repeat(64) };
const sumMark = ',"sum":"';
const tailLength = sumMark.length + 64 + '"}'.length;

export function sha256Hex(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The next line, without its line feed, and where the chain stands behind it. */
export function seal(fields: Readonly<Record<string, unknown>>, head: Head): { line: string; head: Head } {
  const n = head.n + 1;
  const body = JSON.stringify({ n, ...fields, prev: head.prev }).slice(0, -1);
  const line = `${body}${sumMark}${sha256Hex(body)}"}`;
  return { line, head: { n, prev: sha256Hex(line) } };
}

export interface Line {
  readonly n: number;
  readonly prev: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** What a line says, or why it cannot be believed. */
export function openLine(bytes: Uint8Array): Line | string {
  const text = Buffer.from(bytes).toString();
  const body = Buffer.from(bytes).subarray(0, -tailLength);
  if (text.slice(-tailLength) !== `${sumMark}${sha256Hex(body)}"}`) return "it was changed, or is not a whole line";
  try {
    const fields = JSON.parse(text) as Readonly<Record<string, unknown>>;
    const { n, prev } = fields;
    if (typeof n !== "number" || typeof prev !== "string") return "it has no number or no hash of the line before";
    return { n, prev, fields };
  } catch {
    return "it is no JSON";
  }
}

/** Said by the line behind one that a crash left unfinished. */
export const mendedAct = "mended";

export interface Verdict {
  readonly lines: number;
  /** Unfinished lines, each of which the next line speaks of. */
  readonly mended: number;
  /** Counted from 1. */
  readonly broken?: { readonly line: number; readonly why: string };
}

/** Follows the chain from the first line on; a file may go on where another ended, so its first line may have any number. */
export class Verifier {
  #lines = 0;
  #mended = 0;
  #head: Head | undefined;
  #torn: string | undefined;
  #broken: Verdict["broken"];

  /** @param whole false: the file ends without a line feed behind it */
  add(bytes: Uint8Array, whole = true): void {
    this.#lines += 1;
    if (this.#broken !== undefined) return;
    const why = this.#judge(bytes, whole);
    if (why !== undefined) this.#broken = { line: this.#lines, why };
  }

  get verdict(): Verdict {
    const torn =
      this.#torn === undefined ? undefined : { line: this.#lines, why: "it was changed, or is not a whole line" };
    const broken = this.#broken ?? torn;
    return { lines: this.#lines, mended: this.#mended, ...(broken !== undefined && { broken }) };
  }

  #judge(bytes: Uint8Array, whole: boolean): string | undefined {
    if (!whole) return "the file ends in the middle of it";
    const line = openLine(bytes);
    if (typeof line === "string") {
      // The next line may say that it was found so; but a line that has its end was not cut off.
      const isTorn = this.#torn === undefined && !Buffer.from(bytes).toString().endsWith('"}');
      this.#torn = sha256Hex(bytes);
      return isTorn ? undefined : line;
    }
    const before = this.#torn ?? this.#head?.prev;
    const expected = this.#head === undefined ? line.n : this.#head.n + 1;
    if (this.#torn !== undefined && line.fields["act"] !== mendedAct) return "the line before it was changed";
    if (before !== undefined && line.prev !== before) return "the line before it is not the one that it follows";
    if (line.n !== expected) return `it has the number ${line.n}, expected ${expected}`;
    if (this.#torn !== undefined) this.#mended += 1;
    this.#torn = undefined;
    this.#head = { n: line.n, prev: sha256Hex(bytes) };
    return undefined;
  }
}
