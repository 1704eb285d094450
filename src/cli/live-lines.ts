import { TextDecoder } from "node:util";
import { safeText } from "../lib/safe-text.ts";
import type { MinionId } from "../wire/ids.ts";

/** A line that does not end is shown when it is so long. */
const longLine = 4096;

interface Unfinished {
  readonly decoder: TextDecoder;
  line: string;
}

/** Makes whole lines, each with its minion in front, of the bytes that minions print. */
export class LiveLines {
  readonly #prefix: (id: MinionId) => string;
  readonly #unfinished = new Map<MinionId, Unfinished>();

  constructor(color: boolean) {
    this.#prefix = (id) => (color ? `\u001b[36m${id}:\u001b[0m ` : `${id}: `);
  }

  /** The lines that are whole now. */
  add(id: MinionId, data: Uint8Array): string {
    const state = this.#unfinished.get(id) ?? { decoder: new TextDecoder("utf-8", { ignoreBOM: true }), line: "" };
    this.#unfinished.set(id, state);
    const lines = (state.line + state.decoder.decode(data, { stream: true })).split("\n");
    state.line = lines.pop() ?? "";
    if (state.line.length > longLine) {
      lines.push(state.line);
      state.line = "";
    }
    return lines.map((line) => this.#show(id, line)).join("");
  }

  /** What is left of a minion's last line. */
  end(id: MinionId): string {
    const state = this.#unfinished.get(id);
    this.#unfinished.delete(id);
    const rest = state === undefined ? "" : state.line + state.decoder.decode();
    return rest === "" ? "" : this.#show(id, rest);
  }

  #show(id: MinionId, line: string): string {
    // As on a terminal: what comes after a carriage return takes the place of what was before it.
    const shown = line.replace(/\r+$/, "").split("\r").at(-1) ?? "";
    return `${this.#prefix(id)}${safeText(shown)}\n`;
  }
}
