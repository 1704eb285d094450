/** The nearest of `names`, up to three, when they differ so little from `name` that one of them is probably meant. */
export function nearest(name: string, names: Iterable<string>): string[] {
  const others = [...names].map((other) => ({ other, far: distance(name, other) }));
  const least = others.reduce((best, { far }) => Math.min(best, far), Math.max(1, Math.floor(name.length / 3)));
  return others
    .filter(({ far }) => far === least)
    .slice(0, 3)
    .map(({ other }) => other);
}

/** For a hint: what is probably meant. */
export function didYouMean(name: string, names: Iterable<string>): string | undefined {
  const near = nearest(name, names);
  return near.length === 0 ? undefined : `did you mean ${near.join(" or ")}?`;
}

/** Insertions, deletions, replacements and exchanges of neighbours that make `b` of `a`. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, n) => n);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swaps = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = swaps ? (before[j - 2] ?? 0) + 1 : Infinity;
      next.push(Math.min(replaced, swapped, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
}
