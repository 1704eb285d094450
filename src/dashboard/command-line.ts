/** The same job as words for a shell: for `msalt` and for `curl`. */
import { guessWord } from "../wire/yaml-word.ts";
import type { Call, FunctionInfo, JobRequest, Parameter } from "./types.ts";

/** One word for bash and zsh; control characters come as escapes, so that a paste cannot act. */
export function quote(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  if (!/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/.test(word)) {
    return `'${word.replaceAll("'", `'\\''`)}'`;
  }
  const escaped = word.replaceAll(/[\\']/g, "\\$&").replaceAll(/[^\n\t\x20-\x7e]/gu, unicodeEscape);
  return `$'${escaped}'`;
}

function unicodeEscape(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code < 0x80 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\U${code.toString(16).padStart(8, "0")}`;
}

const flags: Readonly<Record<string, string>> = {
  list: "-L",
  pcre: "-E",
  grain: "-G",
  grain_pcre: "-P",
  pillar: "-I",
  pillar_pcre: "-J",
  ipcidr: "-S",
  nodegroup: "-N",
  compound: "-C",
};

/** Undefined where no command line says the same: a value that its words cannot carry. */
export function msaltLine(job: JobRequest, fn: FunctionInfo | undefined): string | undefined {
  const words = callWords(job, fn);
  if (words === undefined || `${job.tgt}${words.join("")}`.includes("\0")) return undefined;
  const flag = flags[job.tgt_type];
  const valued: readonly (readonly [string, string | number | undefined])[] = [
    ["--delimiter", job.delimiter === ":" ? undefined : job.delimiter],
    ["--subset", job.subset],
    ["--parallel", job.parallel],
    ["--batch-wait", job.batch_wait === 0 ? undefined : job.batch_wait],
    ["--fail-count", job.fail_count],
    ["--fail-rate", job.fail_rate],
    ["--run-timeout", job.timeout],
    ["--ttl", job.ttl],
    ["--metadata", isEmpty(job.metadata) ? undefined : JSON.stringify(job.metadata)],
  ];
  const options = valued.flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}${String(value).startsWith("-") ? "=" : " "}${quote(String(value))}`],
  );
  // Without a limit on failures it says nothing, and msalt refuses it.
  if (job.fail_kill === true && (job.fail_count ?? job.fail_rate) !== undefined) options.push("--fail-kill");
  const behind = [job.tgt, job.fun, ...words];
  return [
    "msalt",
    ...options,
    ...(flag === undefined ? [] : [flag]),
    ...(behind.some((word) => word.startsWith("-")) ? ["--"] : []),
    ...behind.map(quote),
  ].join(" ");
}

function isEmpty(map: Readonly<Record<string, unknown>> | undefined): boolean {
  return map === undefined || Object.keys(map).length === 0;
}

export function curlLine(origin: string, method: string, path: string, body: unknown): string {
  const url = quote(`${origin}${path}`);
  return (
    `curl -sS -X ${method} ${url} -H "authorization: Bearer $MSALT_TOKEN" ` +
    `-H 'content-type: application/json' -d ${quote(JSON.stringify(body))}`
  );
}

/** The arguments as `msalt` must be given them, so that the minion reads these very values. */
export function callWords({ fun, arg, kwarg }: Call, fn: FunctionInfo | undefined): string[] | undefined {
  if (fun.includes(",")) return compoundWords(arg);
  const named = fn?.parameters.filter(({ variadic }) => variadic === undefined) ?? [];
  const words: string[] = [];
  const add = (name: string | undefined, value: unknown, type: Type): boolean => {
    const word = wordFor(value, type);
    // What looks like name=value would be taken for it.
    if (word === undefined || (name === undefined ? keyword.test(word) : !keyword.test(`${name}=${word}`)))
      return false;
    words.push(name === undefined ? word : `${name}=${word}`);
    return true;
  };
  let byName = false;
  for (const [n, value] of arg.entries()) {
    const parameter = named[n];
    const type = typeOf(fn, parameter ?? fn?.parameters.find(({ variadic }) => variadic === "rest"));
    if (!byName && add(undefined, value, type)) continue;
    byName = true;
    if (parameter === undefined || !add(parameter.name, value, type)) return undefined;
  }
  const others = fn?.parameters.find(({ variadic }) => variadic === "keywords");
  for (const [name, value] of Object.entries(kwarg)) {
    if (!add(name, value, typeOf(fn, named.find((each) => each.name === name) ?? others))) return undefined;
  }
  return words;
}

/** The calls of several functions, separated by commas; only what is the same word for every type of parameter. */
function compoundWords(arg: readonly unknown[]): string[] | undefined {
  const words: string[] = [];
  for (const [n, call] of arg.entries()) {
    const texts = Array.isArray(call) ? call.map((value: unknown) => wordFor(value, "unknown")) : [undefined];
    if (n > 0) words.push(",");
    for (const text of texts) {
      if (text === undefined || text === "," || keyword.test(text)) return undefined;
      words.push(text);
    }
  }
  return words;
}

/** As `parseWords` of the wire takes it for a named argument. */
const keyword = /^((?!\p{Nd})[\p{L}\p{N}_][\p{L}\p{N}_.-]*)=(?!=)([^\n]*)\n?$/u;

type Type = "text" | "guessed" | "unknown";

function typeOf(fn: FunctionInfo | undefined, parameter: Parameter | undefined): Type {
  if (fn === undefined) return "unknown";
  return parameter !== undefined && takesText(fn, parameter) ? "text" : "guessed";
}

/** Whether a word for it stays as it is typed: a text, or the members of a variadic one that are texts. */
export function takesText(fn: FunctionInfo, { name, kind, variadic }: Parameter): boolean {
  if (variadic === undefined) return kind === "text";
  const property = fn.schema?.properties?.[name];
  if (typeof property !== "object" || property === null) return false;
  const members: unknown =
    "items" in property
      ? property.items
      : "additionalProperties" in property
        ? property.additionalProperties
        : undefined;
  return typeof members === "object" && members !== null && "type" in members && members.type === "string";
}

function wordFor(value: unknown, type: Type): string | undefined {
  const isText = typeof value === "string";
  const json = JSON.stringify(value);
  if (type === "text") return isText ? value : json;
  if (isText && guessWord(value) === value) return value;
  if (type === "unknown" && isText) return undefined;
  return JSON.stringify(guessWord(json)) === json ? json : undefined;
}
