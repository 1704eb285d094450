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
  /** Collect everything and print it once at the end. */
  readonly atEnd: boolean;
}

/** Prints returns as they come, or all in one document where the outputter or the user wants that. */
export class Printer {
  readonly #options: PrintOptions;
  readonly #terminal: Terminal;
  readonly #kept: Record<string, unknown> = {};
  readonly #failed = new Set<string>();
  readonly #collect: boolean;

  constructor(options: PrintOptions, terminal: Terminal) {
    this.#options = options;
    this.#terminal = terminal;
    this.#collect = options.atEnd || options.outputter === "json";
  }

  add(id: string, value: unknown, failed: boolean): void {
    if (failed) this.#failed.add(id);
    if (this.#collect) this.#kept[id] = value;
    else this.#print({ [id]: value });
  }

  /** What was collected; a valid document also when nothing came or the user stopped it. */
  end(): void {
    if (this.#collect) this.#print(this.#kept);
  }

  #print(ret: Record<string, unknown>): void {
    const { outputter, indent } = this.#options;
    this.#terminal.out(render(outputter, ret, { color: this.#terminal.color, failed: this.#failed, indent }));
  }
}
