/** Between the fields of a form and the arguments of a function. */
import { guessWord } from "../wire/yaml-word.ts";
import { takesText } from "./command-line.ts";
import type { Call, FunctionInfo, Parameter } from "./types.ts";

/** Text by the name of its parameter; what is empty is left out. */
export type Fields = Readonly<Record<string, string>>;

/** @throws Error naming the field that cannot be read. */
export function argumentsOf(fn: FunctionInfo, fields: Fields): Pick<Call, "arg" | "kwarg"> {
  const named = fn.parameters.filter(({ variadic }) => variadic === undefined);
  const values = new Map<string, unknown>();
  for (const parameter of named) {
    const text = fields[parameter.name] ?? "";
    if (text !== "") values.set(parameter.name, valueOf(parameter, text));
    else if (parameter.required && parameter.kind !== "text") throw new Error(`${parameter.name} is missing`);
    else if (parameter.required) values.set(parameter.name, "");
  }
  const rest = membersOf(fn, "rest", fields).map(([parameter, line]) => memberOf(fn, parameter, line));
  const others = membersOf(fn, "keywords", fields).map(([parameter, line]): [string, unknown] => {
    const [, name, value = ""] = /^([^=]+)=(.*)$/.exec(line) ?? [];
    if (name === undefined) throw new Error(`${parameter.name}: write name=value, one a line`);
    return [name, memberOf(fn, parameter, value)];
  });
  // As people type it: what must be there by place, what may be there by name. Behind the places of all others comes the rest.
  const places = rest.length > 0 ? named.length : named.findIndex(({ required }) => !required);
  const byPlace = places < 0 ? named : named.slice(0, places);
  const byName = places < 0 ? [] : named.slice(places);
  return {
    arg: [...byPlace.map(({ name }) => values.get(name) ?? null), ...rest],
    kwarg: Object.fromEntries([
      ...byName.flatMap(({ name }) => (values.has(name) ? [[name, values.get(name)] as const] : [])),
      ...others,
    ]),
  };
}

function membersOf(fn: FunctionInfo, variadic: Parameter["variadic"], fields: Fields): [Parameter, string][] {
  const parameter = fn.parameters.find((each) => each.variadic === variadic);
  const text = parameter === undefined ? "" : (fields[parameter.name] ?? "");
  if (parameter === undefined || text === "") return [];
  return text
    .replace(/\n$/, "")
    .split("\n")
    .map((line) => [parameter, line]);
}

function memberOf(fn: FunctionInfo, parameter: Parameter, line: string): unknown {
  return takesText(fn, parameter) ? line : guessWord(line);
}

function valueOf({ name, kind }: Parameter, text: string): unknown {
  if (kind === "text") return text;
  const value = guessWord(text.trim());
  if (kind === "number" && typeof value !== "number") throw new Error(`${name}: ${JSON.stringify(text)} is no number`);
  if (kind === "boolean" && typeof value !== "boolean") throw new Error(`${name} is true or false`);
  if (kind === "list") {
    if (Array.isArray(value)) return value;
    return text.replace(/\n$/, "").split("\n");
  }
  if (kind === "map" && (typeof value !== "object" || value === null || Array.isArray(value))) {
    throw new Error(`${name}: write a map such as {A: b}`);
  }
  return value;
}

/** The form that gives this call; undefined when it has what the form has no field for. */
export function fieldsOf(fn: FunctionInfo, { arg, kwarg }: Pick<Call, "arg" | "kwarg">): Fields | undefined {
  const named = fn.parameters.filter(({ variadic }) => variadic === undefined);
  const rest = fn.parameters.find(({ variadic }) => variadic === "rest");
  const keywords = fn.parameters.find(({ variadic }) => variadic === "keywords");
  const fields: Record<string, string> = {};
  const more = arg.slice(named.length);
  const others = Object.entries(kwarg).filter(([name]) => named.every((each) => each.name !== name));
  if ((more.length > 0 && rest === undefined) || (others.length > 0 && keywords === undefined)) return undefined;
  for (const [n, { name, kind }] of named.entries()) {
    const value = n < arg.length ? arg[n] : kwarg[name];
    if (value !== undefined && value !== null) fields[name] = textOf(value, kind === "text");
  }
  if (rest !== undefined && more.length > 0) {
    fields[rest.name] = more.map((value) => textOf(value, takesText(fn, rest))).join("\n");
  }
  if (keywords !== undefined && others.length > 0) {
    fields[keywords.name] = others
      .map(([name, value]) => `${name}=${textOf(value, takesText(fn, keywords))}`)
      .join("\n");
  }
  return fields;
}

function textOf(value: unknown, isText: boolean): string {
  const asIs = typeof value === "string" && (isText || guessWord(value) === value);
  return asIs ? value : JSON.stringify(value);
}
