import { limits } from "../../wire/limits.ts";
import type { Jid, MinionId } from "../../wire/ids.ts";
import type { Load } from "../../wire/loads.ts";

interface Partial {
  readonly id: MinionId;
  readonly buffer: Buffer;
  readonly hash: string;
  have: number;
  /** Parts that came before the one they follow: where each begins and ends. */
  readonly ahead: Map<number, number>;
  touched: number;
}

const maxAhead = limits.resultBytes / limits.partBytes;

/** Puts together results that come in parts, in memory: a lost part costs the minion a repetition, never the result. */
export class Assembly {
  readonly #partials = new Map<string, Partial>();
  #bytes = 0;

  /**
   * Takes one part, in any order: the whole value once none is missing, otherwise the number of bytes held so far from the
   * beginning on (the next part starts there). `busy` when there is no room for another large result now.
   */
  take(id: MinionId, load: Load<"job.return">, now: number): Uint8Array | number | "busy" {
    if (load.data.length === load.total) return load.data;
    const name = `${load.jid}/${id}`;
    const hash = Buffer.from(load.sha256).toString("hex");
    let partial = this.#partials.get(name);
    if (partial === undefined || partial.hash !== hash || partial.buffer.length !== load.total) {
      this.drop(load.jid, id);
      this.#expire(now);
      if (this.#bytes + load.total > limits.assemblyBytes) return "busy";
      // Nobody's results must wait until another is pleased to finish its own.
      const own = [...this.#partials.values()].filter((each) => each.id === id);
      if (own.reduce((sum, { buffer }) => sum + buffer.length, load.total) > limits.assemblyBytesEach) return "busy";
      // Each byte is written before any is handed on.
      const buffer = Buffer.allocUnsafe(load.total);
      partial = { id, buffer, hash, have: 0, ahead: new Map(), touched: now };
      this.#bytes += load.total;
      this.#partials.set(name, partial);
    }
    partial.touched = now;
    const { ahead, buffer } = partial;
    if (load.offset < partial.have || load.data.length === 0) return partial.have;
    if (load.offset > partial.have && ahead.size >= maxAhead) return partial.have;
    buffer.set(load.data, load.offset);
    ahead.set(load.offset, load.offset + load.data.length);
    for (let end = ahead.get(partial.have); end !== undefined; end = ahead.get(partial.have)) {
      ahead.delete(partial.have);
      partial.have = end;
    }
    if (partial.have < load.total) return partial.have;
    this.drop(load.jid, id);
    return buffer;
  }

  /** True when there are parts of it already. */
  knows(id: MinionId, { jid }: Load<"job.return">): boolean {
    return this.#partials.has(`${jid}/${id}`);
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
