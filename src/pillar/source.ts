import { parseYaml, yamlProblem } from "../config/yaml.ts";
import { MsaltError, messageOf } from "../errors.ts";
import type { Data } from "../target/data.ts";
import { isMap } from "./merge.ts";

/** One file of the tree, as it was read. */
export interface Source {
  /** Its path below its root, such as `b/c.sls`. */
  readonly path: string;
  /** Its whole path, for messages. */
  readonly file: string;
  readonly text: string;
}

/** Reads below the roots and never outside them. */
export interface PillarReader {
  /** The file at a path such as `b/c.sls` in the first root that has it. @throws MsaltError `ERR_PILLAR_INVALID`. */
  read(path: string): Source | undefined;
}

export function invalid(message: string): MsaltError {
  return new MsaltError("ERR_PILLAR_INVALID", message, { hint: "docs/pillar.md says what such a file may hold" });
}

/** The map in a file of plain YAML; empty when only comments. @throws MsaltError `ERR_PILLAR_INVALID` naming file and line. */
export function parseSource({ file, text }: Source): Data {
  const [renderer] = /^#!.*/.exec(text) ?? [];
  if (renderer !== undefined && renderer.slice(2).trim() !== "yaml") {
    throw invalid(`${file} line 1: only plain YAML is read, no renderers (${JSON.stringify(renderer.slice(0, 60))})`);
  }
  const [template] = /\{[%{]/.exec(text) ?? [];
  if (template !== undefined) {
    throw invalid(`${file} line ${lineOf(text, template)}: only plain YAML is read, no templates (${template})`);
  }
  let value: unknown;
  try {
    value = parseYaml(text, file) ?? {};
  } catch (failure) {
    throw invalid(yamlProblem(file, failure) ?? `${file}: ${messageOf(failure)}`);
  }
  if (!isMap(value)) throw invalid(`${file} line 1: must be a map of keys and values`);
  return value;
}

/** Number of the first line in which these words stand; 1 when they are written otherwise. */
export function lineOf(text: string, words: string): number {
  const lines = text.split("\n");
  const whole = lines.findIndex((line) => line.split(/[\s'",:[\]{}]+/).includes(words));
  const at = whole < 0 ? lines.findIndex((line) => line.includes(words)) : whole;
  return Math.max(at, 0) + 1;
}

/** What to tell of a value without quoting it. */
export function kindOf(value: unknown): string {
  if (value === null) return "nothing";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "a map" : `a ${typeof value}`;
}
