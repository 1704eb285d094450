import type { Terminal } from "./print.ts";

const drawMs = 200;
/** What is over sooner needs no line. */
const firstMs = 1000;
const clear = "\r\u001b[K";

/** One line under everything else that is written to this terminal, redrawn as the text changes. */
export class StatusLine implements Terminal {
  readonly color: boolean;
  readonly #terminal: Terminal;
  readonly #columns: () => number;
  readonly #text: () => string;
  readonly #started = performance.now();
  readonly #timer: NodeJS.Timeout;
  #drawn = "";

  constructor(terminal: Terminal, columns: () => number, text: () => string) {
    this.#terminal = terminal;
    this.#columns = columns;
    this.#text = text;
    this.color = terminal.color;
    this.#timer = setInterval(() => this.#draw(), drawMs).unref();
  }

  out(text: string): void {
    this.#clear();
    this.#terminal.out(text);
  }

  err(text: string): void {
    this.#clear();
    this.#terminal.err(text);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#clear();
  }

  #clear(): void {
    if (this.#drawn !== "") this.#terminal.err(clear);
    this.#drawn = "";
  }

  #draw(): void {
    if (performance.now() - this.#started < firstMs) return;
    const line = this.#text().slice(0, Math.max(0, this.#columns() - 1));
    if (line === this.#drawn) return;
    this.#terminal.err(`${clear}${line}`);
    this.#drawn = line;
  }
}
