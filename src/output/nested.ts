import { safeLine } from "../lib/safe-text.ts";
import { type ColorName, paint } from "./colors.ts";
import { bytesText, isMap, repr, safeLines, sortedEntries, type ValueMap } from "./values.ts";

export interface NestedOptions {
  readonly color: boolean;
  /** Minions whose keys are red instead of cyan. */
  readonly failed?: ReadonlySet<string> | undefined;
  /** How far in the whole stands; 0 unless it is a part of something else. */
  readonly indent?: number;
}

/** Salt's default look: sorted keys, four spaces a level, `----------` above a map and `|_` above a list in a list. */
export function nested(value: unknown, { color, failed, indent = 0 }: NestedOptions): string {
  const writer = new Writer(color);
  if (isMap(value) && indent === 0) writer.map(value, 0, "", (id) => failed?.has(id) === true);
  else writer.value(value, indent, "", false);
  return writer.lines.join("\n");
}

class Writer {
  readonly lines: string[] = [];
  readonly #color: boolean;

  constructor(color: boolean) {
    this.#color = color;
  }

  value(value: unknown, indent: number, prefix: string, failed: boolean): void {
    if (isMap(value)) {
      if (indent > 0) this.#line(indent, keyColor(failed), "----------");
      this.map(value, indent, prefix, () => failed);
    } else if (Array.isArray(value)) this.#list(value, indent, failed);
    else if (typeof value === "string") this.#text(value, indent, prefix);
    else if (value instanceof Uint8Array) this.#text(bytesText(value), indent, prefix);
    else this.#line(indent, "yellow", prefix + repr(value));
  }

  map(map: ValueMap, indent: number, prefix: string, failed: (key: string) => boolean): void {
    for (const [key, value] of sortedEntries(map)) {
      this.#line(indent, keyColor(failed(key)), prefix + safeLine(key), ":");
      this.value(value, indent + 4, "", failed(key));
    }
  }

  #list(list: readonly unknown[], indent: number, failed: boolean): void {
    for (const value of list) {
      if (isMap(value) || Array.isArray(value)) {
        this.#line(indent, failed ? "red" : "green", "|_");
        this.value(value, indent + 2, "", failed);
      } else this.value(value, indent, "- ", failed);
    }
  }

  #text(text: string, indent: number, prefix: string): void {
    for (const [index, line] of safeLines(text).entries()) {
      this.#line(indent, "green", (index === 0 ? prefix : " ".repeat(prefix.length)) + line);
    }
  }

  #line(indent: number, color: ColorName, text: string, after = ""): void {
    this.lines.push(" ".repeat(indent) + paint(this.#color, color, text) + after);
  }
}

function keyColor(failed: boolean): ColorName {
  return failed ? "red" : "cyan";
}
