import { limits } from "../../wire/limits.ts";
import type { Jid, MinionId } from "../../wire/ids.ts";
import type { Load } from "../../wire/loads.ts";

interface Partial {
  readonly id: MinionId;
  readonly buffer: Buffer;
  readonly hash: string;
  have: number;
  touched: number;
}

/** Puts together results that come in parts, in memory: a lost part costs the minion a repetition, never the result. */
export class Assembly {
  readonly #partials = new Map<string, Partial>();
  #bytes = 0;

  /**
   * Takes one part: the whole value once the last is in, otherwise the number of bytes held so far (the next part starts
   * there). `busy` when there is no room for another large result now.
   */
  take(id: MinionId, load: Load<"job.return">, now: number): Uint8Array | number | "busy" {
    if (load.data.length === load.total) return load.data;
    const name = `${load.jid}/${id}`;
    const hash = Buffer.from(load.sha256).toString("hex");
    let partial = this.#partials.get(name);
    if (partial === undefined || partial.hash !== hash || partial.buffer.length !== load.total) {
      this.drop(load.jid, id);
      if (load.offset !== 0) return 0;
      this.#expire(now);
      if (this.#bytes + load.total > limits.assemblyBytes) return "busy";
      // Nobody's results must wait until another is pleased to finish its own.
      const own = [...this.#partials.values()].filter((each) => each.id === id);
      if (own.reduce((sum, { buffer }) => sum + buffer.length, load.total) > limits.assemblyBytesEach) return "busy";
      partial = { id, buffer: Buffer.alloc(load.total), hash, have: 0, touched: now };
      this.#bytes += load.total;
      this.#partials.set(name, partial);
    }
    partial.touched = now;
    if (load.offset !== partial.have) return partial.have;
    partial.buffer.set(load.data, load.offset);
    partial.have += load.data.length;
    if (partial.have < load.total) return partial.have;
    this.drop(load.jid, id);
    return partial.buffer;
  }

  drop(jid: Jid, id: MinionId): void {
    const name = `${jid}/${id}`;
    this.#bytes -= this.#partials.get(name)?.buffer.length ?? 0;
    this.#partials.delete(name);
  }

  #expire(now: number): void {
    for (const [name, { buffer, touched }] of this.#partials) {
      if (touched > now - 60_000) continue;
      this.#bytes -= buffer.length;
      this.#partials.delete(name);
    }
  }
}
