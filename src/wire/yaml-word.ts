/**
 * What Salt makes of one untyped word: a YAML 1.1 value where it is one on a single line, else the word as it stands.
 * Structures are read in flow style only (`{a: 1}`, `[1, 2]`). Salt takes no other, but for an accident: `a: b#c`, with a
 * `#` in it, is a map there and stays text here. Sets, aliases, binaries and `? ` keys make the whole word stay text.
 */
import { type PlainKind, plainKind } from "../lib/yaml11.ts";

const maxDepth = 60;
/** Not printable in YAML, or a line break: such a word is never parsed. */
const untouchable = /[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\u{10000}-\u{10ffff}]/u;

/** Integers beyond 2^53 come as their decimal digits, map keys that are no text as they were typed. */
export function guessWord(word: string): unknown {
  if (word.trim() === "" || untouchable.test(word) || ["---", "...", "|", "!"].includes(word)) return word;
  if (word.includes("_") && /^[\d_]+$/.test(word.trim())) return word;
  if (word === "None") return null;
  const value = read(word);
  if (typeof value === "object" && value !== null) return /^[[{]/.test(word) ? value : word;
  const losesComment = word.includes("#") && (value === null || typeof value === "string");
  return value === undefined || losesComment ? word : value;
}

function read(word: string): unknown {
  try {
    return new WordReader(word).read();
  } catch (failure) {
    if (failure instanceof SyntaxError) return undefined;
    throw failure;
  }
}

interface Node {
  readonly value: unknown;
  /** As typed, for a scalar: what may be a map key. */
  readonly text?: string;
}

class WordReader {
  readonly #word: string;
  #at = 0;

  constructor(word: string) {
    this.#word = word;
  }

  read(): unknown {
    this.#take(/--- +/y);
    this.#skip();
    const tag = this.#properties();
    const isBlock = tag === undefined && this.#take(/[|>](?:[-+][1-9]?|[1-9][-+]?)? *$/y) !== undefined;
    const value = isBlock ? "" : this.#node(0, tag).value;
    this.#take(/ *#.*/y);
    if (this.#at < this.#word.length) throw new SyntaxError("more than one value");
    return value;
  }

  #node(depth: number, tag: string | undefined): Node {
    if (depth > maxDepth) throw new SyntaxError("too deep");
    const inFlow = depth > 0;
    const node = tag === undefined ? this.#collection(depth) : undefined;
    const read = node ?? this.#quoted(tag) ?? this.#plain(tag, inFlow);
    this.#skip();
    return read;
  }

  /** A member of a list, a key or a value; absent text reads as null. */
  #member(depth: number): Node {
    return this.#node(depth, this.#properties());
  }

  #collection(depth: number): Node | undefined {
    if (this.#take(/\[ */y) !== undefined) return { value: this.#list(depth + 1) };
    if (this.#take(/\{ */y) !== undefined) return { value: this.#map(depth + 1) };
    return undefined;
  }

  #list(depth: number): unknown[] {
    const list: unknown[] = [];
    while (this.#take(/\]/y) === undefined) {
      this.#expectMember();
      const member = this.#member(depth);
      list.push(this.#peek() === ":" ? Object.fromEntries([this.#pair(member, depth)]) : member.value);
      if (this.#peek() !== "]") this.#expect(/, */y);
    }
    return list;
  }

  #map(depth: number): Record<string, unknown> {
    const map = new Map<string, unknown>();
    while (this.#take(/\}/y) === undefined) {
      this.#expectMember();
      const [key, value] = this.#pair(this.#member(depth), depth);
      if (map.has(key)) throw new SyntaxError("the same key twice");
      map.set(key, value);
      if (this.#peek() !== "}") this.#expect(/, */y);
    }
    return Object.fromEntries(map);
  }

  /** Goes on behind the key. */
  #pair({ text }: Node, depth: number): [string, unknown] {
    if (text === undefined) throw new SyntaxError("a structure as key");
    if (this.#take(/: */y) === undefined) return [text, null];
    return [text, /[,\]}]/.test(this.#peek()) ? null : this.#member(depth).value];
  }

  #quoted(tag: string | undefined): Node | undefined {
    const single = this.#take(/'(?:[^']|'')*'/y);
    const double = this.#take(/"(?:[^"\\]|\\.)*"/y);
    if (single === undefined && double === undefined) return undefined;
    const text = single?.slice(1, -1).replaceAll("''", "'") ?? unescaped(double?.slice(1, -1) ?? "");
    return { text, value: tag === undefined ? text : tagged(text, tag) };
  }

  #plain(tag: string | undefined, inFlow: boolean): Node {
    const text = this.#take(inFlow ? plainInFlow : plainAlone) ?? "";
    const mayBeEmpty = inFlow ? /[,\]}]/ : /^$/;
    if (text === "" && !mayBeEmpty.test(this.#peek())) throw new SyntaxError("no value can begin here");
    return { text, value: tag === undefined ? resolved(text) : tagged(text, tag) };
  }

  /** Anchors mean nothing here, for aliases are refused; of the tags only those of plain values are known. */
  #properties(): string | undefined {
    this.#take(/&[\w-]+(?=[ ,:?\]}]|$) */y);
    const tag = this.#take(/!(?:!(?:str|int|float|bool|null|timestamp))?(?= |$) */y)?.trim();
    return tag === "!" ? undefined : tag;
  }

  #expectMember(): void {
    if (/[,:]/.test(this.#peek())) throw new SyntaxError("a value is missing");
  }

  #expect(what: RegExp): void {
    if (this.#take(what) === undefined) throw new SyntaxError("the structure does not go on");
  }

  #skip(): void {
    this.#take(/ +/y);
  }

  #peek(): string {
    return this.#word.charAt(this.#at);
  }

  #take(what: RegExp): string | undefined {
    what.lastIndex = this.#at;
    const token = what.exec(this.#word)?.[0];
    this.#at += token?.length ?? 0;
    return token;
  }
}

/** End before ` #` or a colon that makes a key. */
const plainAlone = /(?:[^-?:,[\]{}#&*!|>'"%@` ]|[-?:](?=[^ ]))(?:[^: ]|:(?=[^ ])| +(?=[^ #]))*/y;
const plainInFlow =
  /(?:[^-?:,[\]{}#&*!|>'"%@` ]|-(?=[^ ]))(?:[^:,?[\]{} ]|:(?=[^ ,[\]{}])| +(?=[^ #:,?[\]{}]|:[^ ,[\]{}]))*/y;

const escapes: Readonly<Record<string, string>> = {
  "0": "\0",
  a: "\u0007",
  b: "\b",
  t: "\t",
  n: "\n",
  v: "\v",
  f: "\f",
  r: "\r",
  e: "\u001b",
  " ": " ",
  '"': '"',
  "/": "/",
  "\\": "\\",
  N: "\u0085",
  _: "\u00a0",
  L: "\u2028",
  P: "\u2029",
};

function unescaped(text: string): string {
  return text.replaceAll(
    /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|(.))/gu,
    (_all, byte?: string, short?: string, long?: string, letter = "") => {
      const hex = byte ?? short ?? long;
      const code = Number.parseInt(hex ?? "", 16);
      const character = hex === undefined ? escapes[letter] : code <= 0x10ffff ? String.fromCodePoint(code) : undefined;
      if (character === undefined) throw new SyntaxError("no such escape");
      return character;
    },
  );
}

function resolved(text: string): unknown {
  const kind = plainKind(text);
  return kind === undefined ? text : converted(text, kind);
}

function tagged(text: string, tag: string): unknown {
  const wanted = tag.slice(2);
  if (wanted === "str" || wanted === "timestamp") return text;
  if (wanted === "null") return null;
  const kind = plainKind(text);
  if (kind === "int" && wanted === "float") return Number(toInteger(text));
  if (kind !== wanted) throw new SyntaxError("not what its tag says");
  return converted(text, kind);
}

function converted(text: string, kind: PlainKind): unknown {
  if (kind === "null") return null;
  if (kind === "timestamp") return text;
  if (kind === "bool") return /^(?:yes|true|on)$/i.test(text);
  if (kind === "int") return toInteger(text);
  if (kind === "float") return toFloat(text);
  throw new SyntaxError("no value of its own");
}

/** Salt drops leading zeros, so that `0755` is 755; behind a sign they still mean octal. */
function toInteger(text: string): number | string {
  const stripped = /^0(?![bx])/.test(text) ? text.replace(/^0+(?=.)/, "") : text;
  const [, sign, digits = ""] = /^([-+]?)(.*)$/.exec(stripped.replaceAll("_", "")) ?? [];
  if (digits === "") throw new SyntaxError("no digits");
  const magnitude = digits
    .split(":")
    .map((part, n) => BigInt(n === 0 && /^0\d/.test(part) ? part.replace("0", "0o") : part))
    .reduce((sum, part) => sum * 60n + part, 0n);
  const integer = sign === "-" ? -magnitude : magnitude;
  return Number.isSafeInteger(Number(integer)) ? Number(integer) : String(integer);
}

function toFloat(text: string): number {
  const [, sign, digits = ""] = /^([-+]?)(.*)$/.exec(text.replaceAll("_", "").toLowerCase()) ?? [];
  if (digits === ".nan") return Number.NaN;
  const magnitude = digits === ".inf" ? Infinity : digits.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
  return sign === "-" ? -magnitude : magnitude;
}
