import { safeLine } from "../lib/safe-text.ts";
import { type ColorName, paint } from "./colors.ts";
import { nested, type NestedOptions } from "./nested.ts";
import { entriesOf, isMap, plainText, repr, type ValueMap } from "./values.ts";

const separator = "_|-";
const rule = "-".repeat(10);
/** Under which comments and changes go on. */
const deep = " ".repeat(14);

interface Chunk {
  readonly state: string;
  readonly id: string;
  readonly name: string;
  readonly fun: string;
  readonly ret: ValueMap;
  readonly result: boolean | null;
  readonly color: ColorName;
  readonly changed: boolean;
  readonly warnings: readonly string[];
}

/** What states returned, chunk by chunk with a summary, each minion for itself; all else as `nested` shows it. */
export function highstate(value: unknown, options: NestedOptions): string {
  if (!isMap(value)) return nested(value, options);
  return entriesOf(value)
    .map(([id, ret]) => {
      if (isErrorList(ret)) return failedToCompile(id, ret, options.color);
      const chunks = chunksOf(ret);
      return chunks === undefined ? nested({ [id]: ret }, options) : new Report(options.color).text(id, chunks);
    })
    .join("\n");
}

/** Keys and values of the form that Salt's states give. */
export function isStateRun(value: unknown): boolean {
  return chunksOf(value) !== undefined;
}

/** @returns the chunks in the order in which they ran, or `undefined` when the value is not what states return */
function chunksOf(value: unknown): Chunk[] | undefined {
  const entries = isMap(value) ? entriesOf(value) : [];
  const chunks = entries
    .toSorted(([, a], [, b]) => runNumber(a) - runNumber(b))
    .map(([tag, ret]) => chunkOf(tag, ret))
    .filter((chunk) => chunk !== undefined);
  return chunks.length === 0 || chunks.length < entries.length ? undefined : chunks;
}

function chunkOf(tag: string, ret: unknown): Chunk | undefined {
  const [state = "", id = "", ...rest] = tag.split(separator);
  const fun = rest.pop();
  if (fun === undefined || rest.length === 0 || !isMap(ret)) return undefined;
  const { result } = ret;
  if (typeof result !== "boolean" && result !== null) return undefined;
  const changed = !isEmpty(ret["changes"]);
  const color = result === null ? "yellow" : !result ? "red" : changed ? "cyan" : "green";
  return {
    state,
    id,
    name: rest.join(separator),
    fun,
    ret,
    result,
    color,
    changed,
    warnings: textsOf(ret["warnings"]),
  };
}

function runNumber(ret: unknown): number {
  const number = isMap(ret) ? ret["__run_num__"] : undefined;
  return typeof number === "number" && !Number.isNaN(number) ? number : 0;
}

/** Whether Python would take the value for false. */
function isEmpty(value: unknown): boolean {
  if (isMap(value)) return entriesOf(value).length === 0;
  return !value || (typeof value === "object" && "length" in value && value.length === 0);
}

function textsOf(value: unknown): string[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value.map(plainText) : [plainText(value)];
}

function isErrorList(value: unknown): value is string[] {
  return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === "string");
}

function failedToCompile(id: string, errors: readonly string[], color: boolean): string {
  const red = (text: string): string => paint(color, "lightRed", text);
  return [
    red(`${safeLine(id)}:`),
    `    ${red("Data failed to compile:")}`,
    ...errors.map((error) => red(`${rule}\n    ${indented(plainText(error), "    ")}`)),
  ].join("\n");
}

class Report {
  readonly #color: boolean;

  constructor(color: boolean) {
    this.#color = color;
  }

  text(minion: string, chunks: readonly Chunk[]): string {
    const bad = chunks.findLast(({ result }) => result !== true);
    return [
      this.#paint(bad?.color ?? "green", `${safeLine(minion)}:`),
      ...chunks.flatMap((chunk) => this.#chunk(chunk)),
      ...this.#summary(minion, chunks),
    ].join("\n");
  }

  #chunk(chunk: Chunk): string[] {
    const { id, name, ret, color, warnings } = chunk;
    const line = (label: string, value: string): string =>
      `    ${this.#paint(color, `${label.padStart(8)}: ${value}`)}`;
    const { start_time: started, duration } = ret;
    const took = duration === undefined || duration === "" ? "" : `${inline(duration)} ms`;
    return [
      this.#paint(color, rule),
      line("ID", safeLine(id)),
      line("Function", safeLine(`${chunk.state}.${chunk.fun}`)),
      ...(name === id ? [] : [line("Name", safeLine(name))]),
      line("Result", repr(chunk.result)),
      line("Comment", commentOf(ret)),
      ...(started === undefined ? [] : [line("Started", inline(started)), line("Duration", took)]),
      this.#paint(color, `     Changes:   ${this.#changes(chunk)}`),
      ...(warnings.length === 0 ? [] : [`   ${this.#paint("lightRed", ` Warnings: ${filled(warnings)}`)}`]),
    ];
  }

  #changes({ ret: { changes }, changed }: Chunk): string {
    if (!changed) return "";
    if (!isMap(changes)) return `Invalid Changes data: ${indented(plainText(changes), deep)}`;
    return `\n${nested(changes, { color: this.#color, indent: deep.length }).trimEnd()}`;
  }

  #summary(minion: string, chunks: readonly Chunk[]): string[] {
    const count = (matches: (chunk: Chunk) => boolean): number => chunks.filter(matches).length;
    const unchanged = count(({ result }) => result === null);
    const succeeded = count(({ result }) => result === true);
    const failed = count(({ result }) => result === false);
    const changed = count((chunk) => chunk.changed);
    const warned = count(({ warnings }) => warnings.length > 0);

    const digits = Math.max(...[unchanged, succeeded, failed, warned].map((number) => String(number).length));
    const width = "Succeeded: ".length + digits;
    const line = (label: string, number: number): string =>
      `${label}: ${String(number).padStart(width - label.length - 2)}`;
    const notes = [
      ...(unchanged === 0 ? [] : [this.#paint("yellow", `unchanged=${unchanged}`)]),
      ...(changed === 0 ? [] : [this.#paint("green", `changed=${changed}`)]),
    ];
    const { time, unit } = runTime(chunks);
    return [
      this.#paint("cyan", `\nSummary for ${safeLine(minion)}\n${"-".repeat(width)}`),
      this.#paint("green", line("Succeeded", succeeded + unchanged)) +
        (notes.length === 0 ? "" : ` (${notes.join(", ")})`),
      this.#paint(failed === 0 ? "cyan" : "red", line("Failed", failed)),
      ...(warned === 0 ? [] : [this.#paint("lightRed", line("Warnings", warned))]),
      this.#paint("cyan", `${"-".repeat(width)}\nTotal states run: ${String(chunks.length).padStart(width - 7)}`),
      this.#paint("cyan", `Total run time: ${time.toFixed(3).padStart(width - 5)} ${unit}`),
    ];
  }

  #paint(color: ColorName, text: string): string {
    return paint(this.#color, color, text);
  }
}

/** What ran in parallel took as long as the longest of it. */
function runTime(chunks: readonly Chunk[]): { time: number; unit: "ms" | "s" } {
  const times = chunks.map(({ ret }) => ({ parallel: ret["__parallel__"] !== undefined, time: milliseconds(ret) }));
  const sum = times.reduce((total, { parallel, time }) => (parallel ? total : total + time), 0);
  const time = times.reduce((longest, { parallel, time }) => (parallel ? Math.max(longest, time) : longest), 0) + sum;
  return time > 999 ? { time: time / 1000, unit: "s" } : { time, unit: "ms" };
}

function milliseconds({ duration }: ValueMap): number {
  const time = typeof duration === "string" ? Number(duration.split(" ms", 1)[0]) : duration;
  return typeof time === "number" && Number.isFinite(time) ? time : 0;
}

function commentOf({ comment = "", data }: ValueMap): string {
  return indented(plainText(comment).trim(), deep) + extraOf(data);
}

/** What some states return beside the comment. */
function extraOf(data: unknown): string {
  if (data === undefined) return "";
  if (isMap(data)) {
    return entriesOf(data)
      .map(([key, value]) => `\n\t\t${safeLine(key)}: ${indented(plainText(value), deep)}`)
      .join("");
  }
  return (Array.isArray(data) ? data : [data]).map((item) => ` ${indented(plainText(item), deep)}`).join("");
}

function inline(value: unknown): string {
  return safeLine(plainText(value));
}

/** Every line but the first moved in, so that none can pass for a line of ours. */
function indented(text: string, by: string): string {
  return text.replaceAll("\n", `\n${by}`);
}

/** Warnings, 80 columns wide. */
function filled(warnings: readonly string[]): string {
  const room = 80 - deep.length;
  const lines: string[] = [];
  let line = "";
  for (const word of warnings.join("\n").split(/\s+/).filter(Boolean)) {
    const joined = line === "" ? word : `${line} ${word}`;
    if (joined.length <= room) line = joined;
    else {
      if (line !== "") lines.push(line);
      line = word;
    }
  }
  return [...lines, line].join(`\n${deep}`);
}
