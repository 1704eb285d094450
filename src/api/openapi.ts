/** The OpenAPI document and its page, from the very schemas that requests are checked with. */
import * as z from "zod";
import type { AnyRoute } from "./route.ts";

type Json = Record<string, unknown>;

/** @param io what is sent, or what the schema makes of it */
export function jsonSchemaOf(schema: z.ZodType, io: "input" | "output"): Json {
  const { $schema: _, ...made } = z.toJSONSchema(schema, { io, unrepresentable: "any" }) as Json;
  return made;
}

const error = {
  type: "object",
  properties: {
    error: {
      type: "object",
      properties: { code: { type: "string" }, message: { type: "string" }, hint: { type: "string" } },
      required: ["code", "message"],
    },
  },
  required: ["error"],
};

function parametersOf(schema: z.ZodType, place: "path" | "query"): Json[] {
  const { properties = {}, required = [] } = jsonSchemaOf(schema, "input") as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, each]) => ({
    name,
    in: place,
    required: place === "path" || required.includes(name),
    schema: each,
  }));
}

const mediaOf = { stream: "text/event-stream", html: "text/html", text: "text/plain" } as const;

function answerOf({ answer, status }: AnyRoute): Json {
  if (answer === "none") return { [String(status ?? 204)]: { description: "done" } };
  const content =
    typeof answer === "string"
      ? { [mediaOf[answer]]: { schema: { type: "string" } } }
      : { "application/json": { schema: jsonSchemaOf(answer, "output") } };
  return { [String(status ?? 200)]: { description: "good", content } };
}

function operationOf(route: AnyRoute): Json {
  const { method, path, access, summary, params, query, body } = route;
  const given = jsonSchemaOf(body, "input");
  const takesBody = method !== "GET" && "properties" in given && Object.keys(given["properties"] as Json).length > 0;
  const parameters = [...parametersOf(params, "path"), ...parametersOf(query, "query")];
  return {
    operationId: `${method.toLowerCase()} ${path}`.replaceAll(/[^a-z]+(.?)/gi, (_all, next: string) =>
      next.toUpperCase(),
    ),
    summary,
    description: access === "open" ? "Open to anybody." : `Needs: ${access}.`,
    security: access === "open" ? [] : access === "session" ? [{ session: [] }] : [{ session: [] }, { token: [] }],
    ...(parameters.length > 0 && { parameters }),
    ...(takesBody && { requestBody: { required: true, content: { "application/json": { schema: given } } } }),
    responses: {
      ...answerOf(route),
      default: { description: "an error", content: { "application/json": { schema: error } } },
    },
  };
}

export function openApiOf(routes: readonly AnyRoute[], version: string): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, "{$1}");
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route) };
  }
  return {
    openapi: "3.1.0",
    info: { title: "msalt", version },
    paths,
    components: {
      securitySchemes: {
        session: { type: "apiKey", in: "cookie", name: "msalt_session" },
        token: { type: "http", scheme: "bearer" },
      },
    },
  };
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

function sectionOf(route: AnyRoute): string {
  const { method, path, access, summary, query, body, answer } = route;
  const shown = (title: string, schema: z.ZodType, io: "input" | "output"): string => {
    const made = jsonSchemaOf(schema, io);
    const { properties } = made as { properties?: Json };
    if (io === "input" && Object.keys(properties ?? {}).length === 0) return "";
    return `<details><summary>${title}</summary><pre>${escaped(JSON.stringify(made, undefined, 2))}</pre></details>`;
  };
  const parts = [
    shown("query", query, "input"),
    method === "GET" ? "" : shown("body", body, "input"),
    typeof answer === "string" ? "" : shown("answer", answer, "output"),
  ];
  return `<h2><code>${method} ${escaped(path)}</code></h2><p>${escaped(summary)} <em>${access}</em></p>${parts.join("")}`;
}

/** Without scripts, and nothing from elsewhere. */
export function pageOf(routes: readonly AnyRoute[], version: string): string {
  return (
    `<!doctype html><html lang="en"><meta charset="utf-8"><title>msalt API</title><h1>msalt ${escaped(version)}: HTTP API</h1>` +
    `<p><a href="openapi.json">openapi.json</a></p>${routes.map(sectionOf).join("")}</html>`
  );
}
