/**
 * The value at `path` (`a:b:c`) in nested maps and lists; `fallback` when there is none. In a list a number picks a member,
 * any other word the first map that has it, as in Salt. A key that holds the delimiter itself is found whole.
 */
export function lookUp(data: unknown, path: string, fallback: unknown, delimiter = ":"): unknown {
  const found = memberOf(data, path) ?? path.split(delimiter).reduce(memberOf, data);
  return found === undefined ? fallback : found;
}

function memberOf(at: unknown, name: string): unknown {
  if (Array.isArray(at))
    return /^\d+$/.test(name)
      ? at[Number(name)]
      : memberOf(
          at.find((each) => has(each, name)),
          name,
        );
  return has(at, name) ? at[name] : undefined;
}

function has(value: unknown, name: string): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && Object.hasOwn(value, name);
}
