import { highstate, isStateRun } from "./highstate.ts";
import { json, jsonLine } from "./json.ts";
import { nested } from "./nested.ts";
import { table } from "./table.ts";
import { newlineValuesOnly, txt } from "./text.ts";
import { isMap, repr } from "./values.ts";
import { yaml } from "./yaml.ts";

export const outputters = [
  "nested",
  "json",
  "jsonl",
  "yaml",
  "txt",
  "quiet",
  "raw",
  "newline_values_only",
  "table",
  "highstate",
] as const;
/** `default`: nobody asked for one; `nested`, but state runs as `highstate` shows them. */
export type OutputterName = (typeof outputters)[number] | "default";

export function isOutputter(name: string): name is OutputterName {
  return (outputters as readonly string[]).includes(name);
}

export interface RenderOptions {
  readonly color: boolean;
  /** Of json and yaml; negative puts the document on one line (json) or in flow style (yaml). */
  readonly indent?: number | undefined;
  /** Minions whose keys `nested` (and what falls back to it) prints in red. */
  readonly failed?: ReadonlySet<string>;
}

/**
 * The value as the outputter prints it, final newline included; `""` when there is nothing to print. Whatever is in the
 * value, the only control characters in the result are newlines, tabs and our own colours.
 */
export function render(name: OutputterName, value: unknown, options: RenderOptions): string {
  const text = document(name, value, options).trimEnd();
  return text === "" ? "" : `${text}\n`;
}

function document(name: OutputterName, value: unknown, { color, indent, failed }: RenderOptions): string {
  switch (name) {
    case "nested":
      return nested(value, { color, failed });
    case "json":
      return json(value, indent ?? 4);
    case "jsonl":
      return jsonLine(value);
    case "yaml":
      return yaml(value, indent ?? 2);
    case "txt":
      return txt(value);
    case "raw":
      return typeof value === "string" ? txt(value) : repr(value);
    case "newline_values_only":
      return newlineValuesOnly(value);
    case "table":
      return table(value, color) ?? nested(value, { color, failed });
    case "default":
      return isMap(value) && Object.values(value).some(isStateRun)
        ? highstate(value, { color, failed })
        : nested(value, { color, failed });
    case "highstate":
      return highstate(value, { color, failed });
    case "quiet":
      return "";
  }
}
