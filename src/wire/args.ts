export function parseWords(
  words: readonly string[],
  keep?: (w: number | string) => boolean,
): { arg: unknown[]; kwarg: Record<string, unknown> } {
  const arg: unknown[] = [];
  const kwarg: Record<string, unknown> = {};
  const g = (t: string, k: boolean): unknown => (k ? t : /^-?\d+$/.test(t) ? Number(t) : t === "true" ? true : t);
  for (const w of words) {
    const m = /^([A-Za-z_][\w.-]*)=(?!=)(.*)$/s.exec(w);
    if (m) kwarg[m[1] ?? ""] = g(m[2] ?? "", keep?.(m[1] ?? "") ?? false);
    else arg.push(g(w, keep?.(arg.length) ?? false));
  }
  return { arg, kwarg };
}
export function toArg(arg: unknown[], kwarg: Record<string, unknown>): unknown[] {
  return Object.keys(kwarg).length ? [...arg, { ...kwarg, __kwarg__: true }] : arg;
}
export function splitArg(arg: readonly unknown[]): { arg: unknown[]; kwarg: Record<string, unknown> } {
  const last = arg.at(-1) as Record<string, unknown> | undefined;
  if (typeof last === "object" && last !== null && last["__kwarg__"] === true) {
    const { __kwarg__: _, ...kwarg } = last;
    return { arg: arg.slice(0, -1), kwarg };
  }
  return { arg: [...arg], kwarg: {} };
}
