import { setMaxListeners } from "node:events";

/**
 * Node holds on to a signal made of others for as long as somebody listens to it. Where a history is over somebody always does, and
 * with each such signal its whole world would stay.
 */
export function joined(signals: Iterable<AbortSignal>): AbortSignal {
  const all = new AbortController();
  for (const signal of signals) {
    setMaxListeners(0, signal);
    if (signal.aborted) all.abort(signal.reason);
    else signal.addEventListener("abort", () => all.abort(signal.reason), { once: true });
  }
  return all.signal;
}
