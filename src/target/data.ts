/** `key:value` expressions over grains and pillar, as Salt's `-G`, `-P`, `-I` and `-J` read them. */
import { MsaltError } from "../errors.ts";
import { compileGlob } from "../lib/glob.ts";
import { compileRegex } from "../lib/regex.ts";
import { limits } from "../wire/limits.ts";

/** Grains or pillar: what a MessagePack map holds. */
export type Data = Readonly<Record<string, unknown>>;
type Test = (data: Data) => boolean;
type ValueTest = (text: string) => boolean;

/**
 * A test of one minion's data. Text is compared without regard to case; a list matches when any member does.
 * @param kind how the value is written: `glob` or `regex` (anchored at the start)
 * @throws MsaltError `ERR_TARGET_INVALID` for a pattern that is none
 */
export function compileData(expression: string, delimiter: string, kind: "glob" | "regex"): Test {
  if ([delimiter, ":"].some((each) => expression.split(each).length > limits.targetLevels)) {
    throw new MsaltError("ERR_TARGET_INVALID", `the target has more than ${limits.targetLevels} levels`);
  }
  const compile = kind === "glob" ? foldedGlob : foldedRegex;
  // The whole of what follows the first key must be a pattern; a part of it need not be one.
  compile(expression.slice(expression.indexOf(delimiter) + delimiter.length).replace(/^(?:\*:)+/, ""));
  // What stands behind a delimiter is read in many ways, and each of them is made once: there are 2^levels ways to come to it.
  const values = new Map<string, Value>();
  const valueOf = (text: string): Value => {
    const known = values.get(text);
    if (known !== undefined) return known;
    const made = compileValue(text, lenient, valueOf);
    values.set(text, made);
    return made;
  };
  const lenient = (pattern: string): ValueTest => {
    try {
      return compile(pattern);
    } catch {
      return () => false;
    }
  };
  return compilePath(expression, delimiter, valueOf);
}

function foldedGlob(pattern: string): ValueTest {
  const matches = compileGlob(pattern.toLowerCase());
  return remembered((text) => matches(text.toLowerCase()));
}

function foldedRegex(pattern: string): ValueTest {
  return remembered(compileRegex(pattern, { ignoreCase: true }));
}

/** A fleet has few different values of most grains. */
function remembered(test: ValueTest): ValueTest {
  const known = new Map<string, boolean>();
  return (text) => {
    const before = known.get(text);
    if (before !== undefined) return before;
    const matches = test(text);
    if (known.size < rememberedValues) known.set(text, matches);
    return matches;
  };
}

const rememberedValues = 1000;

/** One way to read `a:b:c`: what stands before a delimiter is the path of a key, what stands behind it the value. */
interface Split {
  /** Undefined: everything at the top (`*:value`). */
  readonly path: readonly string[] | undefined;
  readonly value: Value;
}

/** The deepest split is tried first: a key may hold delimiters, and so may a value (an IPv6 address). */
function compilePath(expression: string, delimiter: string, valueOf: (text: string) => Value): Test {
  const words = expression.split(delimiter);
  const splits: Split[] = [];
  for (let at = words.length - 1; at > 0; at -= 1) {
    const path = words.slice(0, at);
    const everything = path.length === 1 && path[0] === "*";
    const text = everything ? expression : words.slice(at).join(delimiter);
    splits.push({ path: everything ? undefined : path, value: valueOf(text) });
  }
  // So are the ways to come to one place in the data.
  const known = new WeakMap<Data, boolean>();
  return (data) => {
    const before = known.get(data);
    if (before !== undefined) return before;
    const matches = splits.some(({ path, value }) => matchesAt(path === undefined ? data : find(data, path), value));
    known.set(data, matches);
    return matches;
  };
}

interface Value {
  readonly plain: ValueTest;
  /** Below a map: a key of that name, a path of its own, or anything one level down for `*:`. */
  readonly inMap: Test;
}

function compileValue(text: string, compile: (pattern: string) => ValueTest, valueOf: (text: string) => Value): Value {
  const wildcard = text.startsWith("*:");
  const pattern = wildcard ? text.slice(2) : text;
  const plain = compile(text);
  const inner = wildcard ? compile(pattern) : plain;
  const deeper: Test | undefined = pattern.includes(":") ? compilePath(pattern, ":", valueOf) : undefined;
  const here = (map: Data): boolean => pattern === "*" || Object.hasOwn(map, pattern) || deeper?.(map) === true;
  const below = (member: unknown): boolean => {
    if (isMap(member)) return here(member);
    return Array.isArray(member) ? member.some((each) => inner(textOf(each))) : inner(textOf(member));
  };
  return { plain, inMap: (map) => here(map) || (wildcard && Object.values(map).some(below)) };
}

function matchesAt(found: unknown, { plain, inMap }: Value): boolean {
  if (found === undefined) return false;
  if (isMap(found)) return Object.keys(found).length > 0 && inMap(found);
  if (!Array.isArray(found)) return plain(textOf(found));
  return found.some((member: unknown) => (isMap(member) && inMap(member)) || plain(textOf(member)));
}

/** The value under a path of keys; below a list, a number is a place and a name is looked for in the maps it holds. */
function find(data: Data, path: readonly string[]): unknown {
  let at: unknown = data;
  for (const key of path) {
    if (Array.isArray(at)) {
      at = /^\s*[-+]?\d+\s*$/.test(key)
        ? at.at(Number(key))
        : at.filter(isMap).find((member) => Object.hasOwn(member, key))?.[key];
    } else at = isMap(at) && Object.hasOwn(at, key) ? at[key] : undefined;
    if (at === undefined) return undefined;
  }
  return at;
}

function isMap(value: unknown): value is Data {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

/** As Python writes it. */
export function textOf(value: unknown): string {
  if (value === true) return "True";
  if (value === false) return "False";
  if (value === null) return "None";
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (Array.isArray(value)) return `[${value.map((each) => quoted(each)).join(", ")}]`;
  if (!isMap(value)) return "";
  return `{${Object.entries(value)
    .map(([key, each]) => `${quoted(key)}: ${quoted(each)}`)
    .join(", ")}}`;
}

function quoted(value: unknown): string {
  return typeof value === "string" ? `'${value}'` : textOf(value);
}
