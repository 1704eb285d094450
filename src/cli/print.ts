import { Folder } from "./fold.ts";
import { docsText } from "../output/job.ts";
import { type OutputterName, render } from "../output/render.ts";

/** Where a tool writes: data to `out`, talk to `err`. */
export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  readonly color: boolean;
}

export interface PrintOptions {
  readonly outputter: OutputterName;
  readonly indent?: number | undefined;
  /** Takes what is data; talk goes to standard error. */
  readonly write: (text: string) => void;
  /** Collect everything and print it once at the end. */
  readonly atEnd: boolean;
  /** Equal answers once; `diff`: the others as they differ from the most frequent one. */
  readonly fold?: "fold" | "diff" | undefined;
  /** What comes is documentation by function, the same from many. */
  readonly docs?: boolean | undefined;
}

/** Prints returns as they come, or all in one document where the outputter or the user wants that. */
export class Printer {
  /** One document at the end. */
  readonly collects: boolean;
  readonly #options: PrintOptions;
  readonly #terminal: Terminal;
  readonly #kept: Record<string, unknown> = {};
  readonly #failed = new Set<string>();
  readonly #folder = new Folder();
  /** Printed while they might still change. */
  readonly #early = new Map<string, unknown>();

  constructor(options: PrintOptions, terminal: Terminal) {
    this.#options = options;
    this.#terminal = terminal;
    this.collects =
      options.atEnd || options.outputter === "json" || options.fold !== undefined || options.docs === true;
  }

  /** @param when `for now`: a better answer may follow, and the same need not be said twice */
  add(id: string, value: unknown, failed: boolean, when?: "for now"): void {
    if (failed) this.#failed.add(id);
    else this.#failed.delete(id);
    if (this.#options.fold !== undefined) return this.#folder.add(id, value, failed);
    if (this.collects) {
      this.#kept[id] = value;
      return;
    }
    if (this.#early.get(id) === value) return;
    if (when === "for now") this.#early.set(id, value);
    this.#print({ [id]: value });
  }

  /** What was collected; a valid document also when nothing came or the user stopped it. */
  end(): void {
    const { outputter, indent, fold, docs } = this.#options;
    if (docs === true && outputter === "default") this.#terminal.out(docsText(this.#kept));
    else if (fold !== undefined) {
      this.#terminal.out(this.#folder.text(outputter, fold === "diff", { color: this.#terminal.color, indent }));
    } else if (this.collects) this.#print(this.#kept);
  }

  /** For the status line: how many minions gave each answer so far. */
  get progress(): string {
    const counts = this.#folder.counts;
    return counts.length === 0 ? "" : ` · ${counts.length} different: ${counts.slice(0, 8).join(", ")}`;
  }

  #print(ret: Record<string, unknown>): void {
    const { outputter, indent } = this.#options;
    this.#terminal.out(render(outputter, ret, { color: this.#terminal.color, failed: this.#failed, indent }));
  }
}
