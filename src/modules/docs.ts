import type { AnyFunction } from "./declare.ts";
import { type Parameter, parametersOf } from "./shape.ts";

/** What `sys.doc` says of a function, and what follows a message about wrong arguments. */
export function docOf(fn: AnyFunction): string {
  const parameters = parametersOf(fn);
  const lines = [fn.summary, "", `Usage: ${[fn.name, ...parameters.map(usage)].join(" ")}`];
  if (parameters.length > 0) lines.push("", ...parameters.map(line));
  if (fn.examples !== undefined) lines.push("", "CLI Example:", "", ...fn.examples.map((example) => `    ${example}`));
  return lines.join("\n");
}

function usage({ name, required, variadic }: Parameter): string {
  if (variadic === "rest") return required ? `<${name}>…` : `[${name}…]`;
  if (variadic === "keywords") return "[name=value…]";
  return required ? `<${name}>` : `[${name}=…]`;
}

function line({ name, kind, of, fallback, description, variadic }: Parameter): string {
  const type = variadic === undefined ? kind : of;
  const preset = fallback === undefined || variadic !== undefined ? "" : `, default ${JSON.stringify(fallback)}`;
  return `    ${name} (${type}${preset})${description === undefined ? "" : `: ${description}`}`;
}
