import type { ZodError } from "zod";
import { MsaltError } from "../errors.ts";
import { type Word, parseWords, splitArg } from "../wire/args.ts";
import type { AnyFunction } from "./declare.ts";
import { type Kind, type Parameter, parametersOf } from "./shape.ts";

/**
 * The checked parameters of one call. With `words`, text parameters take them as typed (`16:34` stays, DESIGN §7); `arg` is
 * what Salt's guessing made of them. Keywords that Salt adds by itself (`__pub_…`) are passed over.
 * @throws MsaltError `ERR_FUNCTION_ARGS` with Salt's wording.
 */
export function bindArguments(
  fn: AnyFunction,
  arg: readonly unknown[],
  words?: readonly Word[],
): Record<string, unknown> {
  const parameters = parametersOf(fn);
  const named = parameters.filter(({ variadic }) => variadic === undefined);
  const rest = parameters.find(({ variadic }) => variadic === "rest");
  const others = parameters.find(({ variadic }) => variadic === "keywords");
  const isText = (where: number | string): boolean => {
    const parameter = typeof where === "number" ? named[where] : named.find(({ name }) => name === where);
    if (parameter !== undefined) return parameter.kind === "text";
    return (typeof where === "number" ? rest : others)?.of === "text";
  };
  const call = words === undefined ? splitArg(arg) : parseWords(words, isText);

  const values = new Map<string, unknown>();
  const add = (parameter: Parameter, value: unknown): void => {
    if (value === null && !parameter.takesNull && !parameter.required) return;
    values.set(parameter.name, coerced(value, parameter));
  };
  if (call.arg.length > named.length && rest === undefined) throw refusal(fn, tooMany(named, call.arg.length));
  for (const [n, value] of call.arg.slice(0, named.length).entries()) {
    const parameter = named[n];
    if (parameter !== undefined) add(parameter, value);
  }
  if (rest !== undefined) add(rest, call.arg.slice(named.length));

  const unknown = new Map<string, unknown>();
  for (const [name, value] of Object.entries(call.kwarg)) {
    if (name.startsWith("__pub_") || name === "__kwarg__") continue;
    const parameter = named.find((each) => each.name === name);
    if (parameter === undefined) unknown.set(name, value);
    else if (named.indexOf(parameter) < call.arg.length)
      throw refusal(fn, `got multiple values for argument '${name}'`);
    else add(parameter, value);
  }
  if (others !== undefined) add(others, Object.fromEntries(unknown));
  else if (unknown.size > 0) {
    throw refusal(fn, `the following keyword arguments are not valid: ${[...unknown.keys()].join(", ")}`, false);
  }

  const missing = named.filter(({ required, name }) => required && !values.has(name)).map(({ name }) => `'${name}'`);
  if (missing.length > 0) {
    throw refusal(
      fn,
      `missing ${missing.length} required positional argument${plural(missing.length)}: ${enumerated(missing)}`,
    );
  }
  const checked = fn.params.safeParse(Object.fromEntries(values));
  if (checked.success) return checked.data;
  throw refusal(fn, problems(checked.error), false);
}

function refusal(fn: AnyFunction, reason: string, call = true): MsaltError {
  const named = call ? `${fn.name.slice(fn.name.indexOf(".") + 1)}() ${reason}` : reason;
  return new MsaltError("ERR_FUNCTION_ARGS", `Passed invalid arguments to ${fn.name}: ${named}`);
}

function tooMany(named: readonly Parameter[], given: number): string {
  const least = named.filter(({ required }) => required).length;
  const most = named.length;
  const takes = least === most ? `${most}` : `from ${least} to ${most}`;
  return `takes ${takes} positional argument${plural(most)} but ${given} ${given === 1 ? "was" : "were"} given`;
}

function plural(count: number): string {
  return count === 1 ? "" : "s";
}

function enumerated(names: readonly string[]): string {
  if (names.length < 3) return names.join(" and ");
  return `${names.slice(0, -1).join(", ")}, and ${names.at(-1)}`;
}

function problems(error: ZodError): string {
  return error.issues
    .map(({ path, message }) => `${path.join(".")}: ${message.replace("Invalid input: ", "")}`)
    .join("; ");
}

/** The value as its parameter wants it, where nobody could mean anything else; otherwise untouched, for the schema to refuse. */
function coerced(value: unknown, { kind, of }: Pick<Parameter, "kind" | "of">): unknown {
  if (kind === "list") {
    const text = typeof value === "string" ? value.split(",").map((part) => part.trim()) : [value];
    return (Array.isArray(value) ? value : text).map((member: unknown) => single(member, of));
  }
  if (kind === "map" && typeof value === "object" && value !== null && !Array.isArray(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, single(member, of)]));
  }
  return single(value, kind);
}

function single(value: unknown, kind: Kind): unknown {
  if (kind === "text" && (typeof value === "number" || typeof value === "boolean")) return String(value);
  if (kind === "number" && typeof value === "string" && /^[+-]?\d+(\.\d+)?$/.test(value)) return Number(value);
  if (kind === "boolean" && (value === 0 || value === 1)) return value === 1;
  if (kind === "boolean" && typeof value === "string" && /^(true|false)$/i.test(value)) return /^t/i.test(value);
  return value;
}
