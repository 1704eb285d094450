import { MsaltError } from "../errors.ts";
import { type MinionId, isMinionId } from "../wire/ids.ts";

/** What `{n}` and `{n%7}` stand for in an id or a grain: the minion's number, and what is left of it after a division. */
export function fillIn(pattern: string, n: number): string {
  return pattern.replaceAll(/\{n(?:%(\d{1,9}))?\}/g, (_, modulus?: string) => {
    if (modulus === undefined) return String(n);
    if (Number(modulus) === 0) throw new MsaltError("ERR_USAGE", `${pattern}: nothing can be divided by 0`);
    return String(n % Number(modulus));
  });
}

/** `name=value`; a value that is a number is one. @throws MsaltError `ERR_USAGE`. */
export function fillGrains(patterns: readonly string[], n: number): Record<string, unknown> {
  return Object.fromEntries(
    patterns.map((pattern) => {
      const [, name, value = ""] = /^([^=\s]+)=(.*)$/s.exec(pattern) ?? [];
      if (name === undefined)
        throw new MsaltError("ERR_USAGE", `--grain: ${JSON.stringify(pattern)} is not name=value`);
      const filled = fillIn(value, n);
      return [fillIn(name, n), /^-?\d{1,15}$/.test(filled) ? Number(filled) : filled];
    }),
  );
}

/** @throws MsaltError `ERR_USAGE`. */
export function idOf(pattern: string, n: number): MinionId {
  const id = fillIn(pattern, n);
  if (isMinionId(id)) return id;
  throw new MsaltError("ERR_USAGE", `--id: ${JSON.stringify(id)}, the id of number ${n}, is no minion id`);
}
