/** The known key that differs so little from `key` that it is probably meant. */
export function nearest(key: string, known: readonly string[]): string | undefined {
  const [best] = known.map((each) => ({ each, away: distance(key, each) })).toSorted((a, b) => a.away - b.away);
  return best !== undefined && best.away <= Math.max(1, Math.floor(key.length / 3)) ? best.each : undefined;
}

/** Insertions, deletions and replacements that make `b` of `a`. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
