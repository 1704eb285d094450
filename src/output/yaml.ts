/** YAML as Salt prints it with PyYAML and libyaml: keys sorted, block style, long lines folded. */
import { escapeCode, isMap, numberText, sortedEntries } from "./values.ts";
import { needsEscapes, shortEscapes, styleOf } from "./yaml-scalar.ts";

const bestWidth = 80;
const longestSimpleKey = 128;

/** `indent`: blanks a level (2 to 9, else 2); negative: flow style, on one line as long as it is short. */
export function yaml(value: unknown, indent: number): string {
  const writer = new YamlWriter(indent);
  writer.write(value, -1, "root");
  return writer.text;
}

/** Where a value stands; a key must stay on its line. */
type Place = "root" | "list" | "map" | "key";

/** Works through a value as libyaml's emitter does, because where lines are folded depends on every column. */
class YamlWriter {
  text = "";
  readonly #step: number;
  readonly #flowStyle: boolean;
  #flowLevel = 0;
  #column = 0;
  /** The last thing written was blank. */
  #isBlank = true;
  /** Nothing but indentation stands on this line. */
  #isIndentation = true;

  constructor(indent: number) {
    this.#flowStyle = indent < 0;
    this.#step = indent >= 2 && indent <= 9 ? indent : 2;
  }

  write(value: unknown, indent: number, place: Place): void {
    const inFlow = this.#flowStyle || this.#flowLevel > 0;
    if (Array.isArray(value)) {
      if (inFlow || value.length === 0) this.#flowList(value, indent);
      else this.#blockList(value, indent, place);
    } else if (isMap(value)) {
      const entries = sortedEntries(value);
      if (inFlow || entries.length === 0) this.#flowMap(entries, indent);
      else this.#blockMap(entries, indent);
    } else {
      this.#scalar(value, indent, place);
    }
  }

  #blockList(list: readonly unknown[], outer: number, place: Place): void {
    const indent = place === "map" && !this.#isIndentation ? outer : this.#deeper(outer, 0);
    for (const member of list) {
      this.#newLine(indent);
      this.#indicator("-", true, false, true);
      this.write(member, indent, "list");
    }
  }

  #blockMap(entries: readonly [string, unknown][], outer: number): void {
    const indent = this.#deeper(outer, 0);
    for (const [key, value] of entries) {
      this.#newLine(indent);
      const isSimple = isSimpleKey(key);
      if (!isSimple) this.#indicator("?", true, false, true);
      this.write(key, indent, isSimple ? "key" : "map");
      if (!isSimple) this.#newLine(indent);
      this.#indicator(":", !isSimple, false, !isSimple);
      this.write(value, indent, "map");
    }
  }

  #flowList(list: readonly unknown[], outer: number): void {
    this.#flow("[", "]", list, this.#deeper(outer, this.#step), (member, indent) => this.write(member, indent, "list"));
  }

  #flowMap(entries: readonly [string, unknown][], outer: number): void {
    this.#flow("{", "}", entries, this.#deeper(outer, this.#step), ([key, value], indent) => {
      const isSimple = isSimpleKey(key);
      if (!isSimple) this.#indicator("?", true, false, false);
      this.write(key, indent, isSimple ? "key" : "map");
      if (!isSimple && this.#column > bestWidth) this.#newLine(indent);
      this.#indicator(":", !isSimple, false, false);
      this.write(value, indent, "map");
    });
  }

  #flow<T>(
    open: string,
    close: string,
    members: readonly T[],
    indent: number,
    write: (member: T, indent: number) => void,
  ): void {
    this.#indicator(open, true, true, false);
    this.#flowLevel += 1;
    for (const [n, member] of members.entries()) {
      if (n > 0) this.#indicator(",", false, false, false);
      if (this.#column > bestWidth) this.#newLine(indent);
      write(member, indent);
    }
    this.#flowLevel -= 1;
    this.#indicator(close, false, false, false);
  }

  #scalar(value: unknown, outer: number, place: Place): void {
    const indent = this.#deeper(outer, this.#step);
    if (value instanceof Uint8Array) return this.#binary(value, indent);
    if (typeof value !== "string") return this.#plain(literalText(value), indent, false);
    const mayFold = place !== "key";
    const style = styleOf(value, { inFlow: this.#flowLevel > 0, isKey: !mayFold });
    if (style === "plain") this.#plain(value, indent, mayFold);
    else if (style === "single") this.#single(value, indent, mayFold);
    else this.#double(value, indent, mayFold);
  }

  #plain(text: string, indent: number, mayFold: boolean): void {
    if (!this.#isBlank) this.#put(" ");
    this.#words(text, indent, mayFold);
  }

  #single(text: string, indent: number, mayFold: boolean): void {
    this.#indicator("'", true, false, false);
    this.#words(text.replaceAll("'", "''"), indent, mayFold);
    this.#indicator("'", false, false, false);
  }

  /** Text with its line breaks doubled, folded at lone blanks where the line is long. */
  #words(text: string, indent: number, mayFold: boolean): void {
    let at = 0;
    for (const part of text.match(/\n+| +|[^ \n]+/g) ?? []) {
      const isInside = at > 0 && at + part.length < text.length;
      at += part.length;
      if (part.startsWith("\n")) {
        this.#break(part.length + 1);
        this.#newLine(indent);
      } else if (part === " " && isInside && mayFold && this.#column > bestWidth) {
        this.#newLine(indent);
      } else {
        this.#put(part);
        this.#isIndentation &&= part.startsWith(" ");
      }
    }
    this.#isBlank = false;
    this.#isIndentation = false;
  }

  #double(text: string, indent: number, mayFold: boolean): void {
    this.#indicator('"', true, false, false);
    let at = 0;
    for (const part of text.match(/ +|[^ ]+/g) ?? []) {
      const isInside = at > 0 && at + 1 < text.length;
      at += part.length;
      if (!part.startsWith(" ")) {
        this.#put(part.replace(/[^]/gu, escaped));
      } else if (isInside && mayFold && this.#column > bestWidth) {
        this.#newLine(indent);
        this.#put(part.replace(/^ /, "").replace(/^ /, "\\ "));
      } else {
        this.#put(part);
      }
    }
    this.#indicator('"', false, false, false);
  }

  #binary(bytes: Uint8Array, indent: number): void {
    const lines =
      Buffer.from(bytes)
        .toString("base64")
        .match(/.{1,76}/g) ?? [];
    this.#indicator("!!binary", true, false, false);
    if (this.#flowLevel > 0 || lines.length === 0)
      return this.#double(lines.map((line) => `${line}\n`).join(""), indent, true);
    this.#indicator("|", true, false, false);
    for (const line of lines) {
      this.#break(1);
      this.#newLine(indent);
      this.#put(line);
    }
    this.#isBlank = false;
    this.#isIndentation = false;
  }

  #deeper(indent: number, first: number): number {
    return indent < 0 ? first : indent + this.#step;
  }

  #newLine(indent: number): void {
    if (!this.#isIndentation || this.#column > indent || (this.#column === indent && !this.#isBlank)) this.#break(1);
    this.#put(" ".repeat(Math.max(indent - this.#column, 0)));
    this.#isBlank = true;
    this.#isIndentation = true;
  }

  #indicator(mark: string, needsBlank: boolean, isBlank: boolean, isIndentation: boolean): void {
    if (needsBlank && !this.#isBlank) this.#put(" ");
    this.#put(mark);
    this.#isBlank = isBlank;
    this.#isIndentation &&= isIndentation;
  }

  #break(count: number): void {
    this.text += "\n".repeat(count);
    this.#column = 0;
    this.#isIndentation = true;
  }

  #put(text: string): void {
    this.text += text;
    this.#column += text.length;
  }
}

function isSimpleKey(key: string): boolean {
  return Buffer.byteLength(key) <= longestSimpleKey && !/[\n\r\x85\u2028\u2029]/.test(key);
}

function escaped(character: string): string {
  if (!/["\\\n]/.test(character) && !needsEscapes(character)) return character;
  const short = shortEscapes[character];
  if (short !== undefined) return `\\${short}`;
  return escapeCode(character.codePointAt(0) ?? 0, true);
}

function literalText(value: unknown): string {
  if (typeof value === "boolean") return String(value);
  if (typeof value !== "number") return "null";
  const text = numberText(value);
  if (/^-?(?:inf|nan)$/.test(text)) return text.replace(/inf|nan/, ".$&");
  return text.includes(".") ? text : text.replace("e", ".0e");
}
