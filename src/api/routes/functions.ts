import * as z from "zod";
import { MsaltError } from "../../errors.ts";
import { compileGlob } from "../../lib/glob.ts";
import type { AnyFunction } from "../../modules/declare.ts";
import { docOf } from "../../modules/docs.ts";
import { builtins } from "../../modules/registry.ts";
import { parametersOf } from "../../modules/shape.ts";
import { jsonSchemaOf } from "../openapi.ts";
import { type AnyRoute, route } from "../route.ts";

const parameter = z.object({
  name: z.string(),
  kind: z.string(),
  required: z.boolean(),
  default: z.unknown().optional(),
  description: z.string().optional(),
  variadic: z.enum(["rest", "keywords"]).optional(),
});
const functionShape = z.object({
  name: z.string(),
  summary: z.string(),
  effects: z.enum(["none", "some"]),
  parameters: z.array(parameter),
  examples: z.array(z.string()),
});

function viewOf(fn: AnyFunction): z.infer<typeof functionShape> {
  const parameters = parametersOf(fn).map(({ name, kind, required, fallback, description, variadic }) => ({
    name,
    kind,
    required,
    ...(fallback !== undefined && { default: fallback }),
    ...(description !== undefined && { description }),
    ...(variadic !== undefined && { variadic }),
  }));
  const { name, summary, effects, examples = [] } = fn;
  return { name, summary, effects, parameters, examples: [...examples] };
}

/** What comes with msalt; modules of the operator's own are known to their minions only. */
export function functionRoutes(): AnyRoute[] {
  return [
    route({
      method: "GET",
      path: "/functions",
      access: "read",
      summary: "What minions can do.",
      query: z.strictObject({ match: z.string().max(256).default("*") }),
      answer: z.object({ functions: z.array(functionShape) }),
      handle: ({ query: { match } }) => {
        const matches = compileGlob(match);
        return { functions: [...builtins.values()].filter(({ name }) => matches(name)).map(viewOf) };
      },
    }),
    route({
      method: "GET",
      path: "/functions/:name",
      access: "read",
      summary: "One function, the schema of its parameters and its documentation.",
      params: z.strictObject({ name: z.string().max(256) }),
      answer: functionShape.extend({ schema: z.record(z.string(), z.unknown()), doc: z.string() }),
      handle: ({ params: { name } }) => {
        const fn = builtins.get(name);
        if (fn === undefined) throw new MsaltError("ERR_NOT_FOUND", "no such function");
        return { ...viewOf(fn), schema: jsonSchemaOf(fn.params, "input"), doc: docOf(fn) };
      },
    }),
  ];
}
