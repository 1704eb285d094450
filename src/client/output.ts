/** Reads what running jobs print. Asks for more only when what came was taken: that is the flow control, back to the minion. */
import type { Jid, MinionId } from "../wire/ids.ts";
import type { LocalClient } from "./local.ts";

/** Targets asked about in one call. */
const askedAtOnce = 500;

export interface OutputReader {
  /** Bytes of one minion, in order and each once; the next are asked for when it resolves. */
  readonly onPart: (id: MinionId, data: Uint8Array) => Promise<void>;
  /** Nothing more comes of this minion; `complete`: all that its run showed has been handed on, and it was something. */
  readonly onEnd: (id: MinionId, complete: boolean) => void;
}

/** Resolves when nothing more comes of any of them, or `signal` aborts. */
export async function followOutput(
  client: Pick<LocalClient, "call">,
  jid: Jid,
  ids: readonly MinionId[],
  { onPart, onEnd }: OutputReader,
  signal: AbortSignal,
): Promise<void> {
  const shown = new Map<MinionId, number>(ids.map((id) => [id, 0]));
  while (shown.size > 0 && !signal.aborted) {
    const asked = [...shown].slice(0, askedAtOnce);
    const { parts, done } = await client.call("job.output", { jid, from: Object.fromEntries(asked) });
    // To the end of the queue, so that all get their turn.
    for (const [id, offset] of asked) {
      shown.delete(id);
      shown.set(id, offset);
    }
    for (const { id, offset, data } of parts) {
      if (shown.get(id) !== offset || signal.aborted) continue;
      await onPart(id, data);
      shown.set(id, offset + data.length);
    }
    for (const { id, total } of done) {
      const offset = shown.get(id);
      if (offset === undefined) continue;
      shown.delete(id);
      onEnd(id, offset > 0 && offset === total);
    }
  }
}
