/** One declaration of a route: checking, access, OpenAPI and documentation all come from it. */
import * as z from "zod";
import type { FastifyReply, FastifyRequest } from "fastify";
import { MsaltError } from "../errors.ts";
import type { Who } from "./accounts.ts";

/** Who may ask: anybody; a session or a token with that scope; only a session. */
export const accesses = ["open", "read", "run", "admin", "session"] as const;
export type Access = (typeof accesses)[number];

interface Asked<P, Q, B> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

interface Declaration<P, Q, B> {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** With `:name` for a parameter. */
  readonly path: string;
  readonly summary: string;
  readonly params?: z.ZodType<P>;
  readonly query?: z.ZodType<Q>;
  readonly body?: z.ZodType<B>;
  /** Of a good answer; `stream`: server-sent events; `none`: no body. */
  readonly answer: z.ZodType | "stream" | "html" | "text" | "none";
  /** Default: 200, or 204 without a body. */
  readonly status?: number;
  /** Of the body; default 64 KiB. */
  readonly maxBytes?: number;
}

/** For bodies that carry arguments or a script. */
export const largeBody = 2 * 1_048_576;

export interface OpenRoute<P, Q, B> extends Declaration<P, Q, B> {
  readonly access: "open";
  readonly handle: (asked: Asked<P, Q, B>) => unknown;
}

export interface GuardedRoute<P, Q, B> extends Declaration<P, Q, B> {
  readonly access: Exclude<Access, "open">;
  readonly handle: (asked: Asked<P, Q, B>, who: Who) => unknown;
}

export type AnyRoute = Omit<Declaration<unknown, unknown, unknown>, "params" | "query" | "body"> & {
  readonly access: Access;
  readonly params: z.ZodType;
  readonly query: z.ZodType;
  readonly body: z.ZodType;
  readonly handle: (asked: Asked<never, never, never>, who: Who) => unknown;
};

const nothing = z.strictObject({});
/** Some clients send `{}`, `null` or nothing where no body is meant. */
const noBody = nothing.nullish().transform(() => ({}));

export function route<P = object, Q = object, B = object>(
  declaration: OpenRoute<P, Q, B> | GuardedRoute<P, Q, B>,
): AnyRoute {
  return {
    ...declaration,
    params: declaration.params ?? nothing,
    query: declaration.query ?? nothing,
    body: declaration.body ?? noBody,
    handle: declaration.handle,
  };
}

/** What a handler gives to answer with another status than the route's. */
export class Answer {
  readonly status: number;
  readonly body: unknown;

  constructor(status: number, body: unknown) {
    this.status = status;
    this.body = body;
  }
}

/** @throws MsaltError `ERR_REQUEST_INVALID` naming every bad field; what was sent is not quoted. */
export function parse<T>(schema: z.ZodType<T>, where: string, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${[where, ...issue.path].join(".")}: ${issue.message}`);
  const shown = problems.slice(0, 20).join("; ");
  throw new MsaltError("ERR_REQUEST_INVALID", shown.length > 2000 ? `${shown.slice(0, 2000)}…` : shown);
}
