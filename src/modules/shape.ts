/** What the parameters of a declaration are, read off its zod schema: for binding, `sys.doc` and `sys.argspec`. */
import type * as z from "zod";
import type { AnyFunction } from "./declare.ts";

export type Kind = "text" | "number" | "boolean" | "list" | "map" | "any";

export interface Parameter {
  readonly name: string;
  readonly kind: Kind;
  /** Of the members, for a list or a map. */
  readonly of: Kind;
  readonly takesNull: boolean;
  readonly required: boolean;
  /** Absent when it is left out without one. */
  readonly fallback?: unknown;
  readonly description?: string;
  readonly variadic: "rest" | "keywords" | undefined;
}

const known = new WeakMap<AnyFunction, readonly Parameter[]>();

/** In the order of the declaration, which is the order of positional arguments. */
export function parametersOf(fn: AnyFunction): readonly Parameter[] {
  let parameters = known.get(fn);
  if (parameters === undefined) {
    parameters = Object.entries(fn.params.shape).map(([name, schema]) => parameterOf(fn, name, schema));
    known.set(fn, parameters);
  }
  return parameters;
}

function parameterOf(fn: AnyFunction, name: string, schema: z.core.$ZodType): Parameter {
  const { description } = schema as z.ZodType;
  const inner = unwrapped(schema);
  const element = "element" in inner ? inner.element : "valueType" in inner ? inner.valueType : undefined;
  const missing = (schema as z.ZodType).safeParse(undefined);
  return {
    name,
    kind: kindOf(inner),
    of: element === undefined ? "any" : kindOf(unwrapped(element as z.core.$ZodType)),
    takesNull: (schema as z.ZodType).safeParse(null).success,
    // An untyped value takes `undefined` too, but must still be given.
    required: !missing.success || (inner.type === "unknown" && schema._zod.def.type === "unknown"),
    ...(missing.success && missing.data !== undefined && { fallback: missing.data }),
    ...(description !== undefined && { description }),
    variadic: name === fn.rest ? "rest" : name === fn.keywords ? "keywords" : undefined,
  };
}

function unwrapped(schema: z.core.$ZodType): z.core.$ZodType["_zod"]["def"] & object {
  const { def } = schema._zod;
  return "innerType" in def ? unwrapped(def.innerType as z.core.$ZodType) : def;
}

function kindOf({ type }: { type: string }): Kind {
  if (type === "string" || type === "enum") return "text";
  if (type === "number" || type === "int") return "number";
  if (type === "boolean") return "boolean";
  if (type === "array") return "list";
  return type === "record" ? "map" : "any";
}
