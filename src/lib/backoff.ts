/**
 * Milliseconds to wait before try `attempt` + 1, with full jitter: anywhere between `minMs` and a ceiling that doubles from
 * twice `minMs` (attempt 0) up to `maxMs`, so that minions whose master restarted do not come back in step. `random` gives
 * [0, 1).
 */
export function delay(
  attempt: number,
  { minMs, maxMs }: { readonly minMs: number; readonly maxMs: number },
  random: () => number,
): number {
  const ceiling = Math.max(minMs, Math.min(maxMs, minMs * 2 ** (attempt + 1)));
  return Math.floor(minMs + random() * (ceiling - minMs));
}
