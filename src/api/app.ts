/** The HTTP server: every route is one of the table, and none of them is reached but through the gate. */
import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from "fastify";
import { MsaltError } from "../errors.ts";
import type { Log } from "../log/log.ts";
import { jsonLine } from "../output/json.ts";
import type { Who } from "./accounts.ts";
import type { ApiContext } from "./context.ts";
import { Denied } from "./gate.ts";
import { note } from "./master.ts";
import { type AnyRoute, Answer, accesses, parse } from "./route.ts";
import { failureOf } from "./status.ts";
import { Rates } from "./throttle.ts";

const bodyBytes = 65_536;
const headersMs = 10_000;
const requestMs = 30_000;
const connections = 1000;
const idleConnections = 500;

const headers: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
};

export interface TlsFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** @throws Error for a route that does not say who may ask. */
export function buildApp(context: ApiContext, routes: readonly AnyRoute[], tls?: TlsFiles): FastifyInstance {
  const { log, metrics } = context;
  const app = fastify({
    ...(tls !== undefined && { https: { ...tls, minVersion: "TLSv1.2" as const } }),
    logger: false,
    bodyLimit: bodyBytes,
    requestTimeout: requestMs,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 200, caseSensitive: true },
    http: { headersTimeout: headersMs, connectionsCheckingInterval: 2000 },
    exposeHeadRoutes: false,
    clientErrorHandler: (failure, socket) => {
      const { code = "" } = failure as { code?: string };
      if (socket.writable) socket.end(notHttp[code] ?? answerOf("400 Bad Request", "this is no HTTP request"));
    },
  });
  app.server.maxConnections = connections;
  boundIdle(app.server);
  app.removeContentTypeParser("text/plain");
  const answerFailure = failureHandler(log);
  app.setErrorHandler((failure, request, reply) => answerFailure(failure, request, reply));
  app.setNotFoundHandler((request) => {
    context.gate.checkOrigin(request);
    throw new MsaltError("ERR_NOT_FOUND", "no such route", { hint: "GET /docs lists them" });
  });
  app.addHook("onRequest", async (_request, reply) => void reply.headers(headers));
  app.addHook("onResponse", async (request, reply) => metrics.answered(request.method, reply.statusCode));
  const noted = new Rates(1, 60, context.steady);
  for (const each of routes) addRoute(app, context, each, noted);
  return app;
}

function answerOf(status: string, message: string): string {
  const body = jsonLine({ error: { code: "ERR_REQUEST_INVALID", message } });
  const lines = ["connection: close", "content-type: application/json", `content-length: ${body.length}`];
  return [`HTTP/1.1 ${status}`, ...lines, "", body].join("\r\n");
}

/** What never became a request. */
const notHttp: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: answerOf("431 Request Header Fields Too Large", "the headers are too large"),
  ERR_HTTP_REQUEST_TIMEOUT: answerOf("408 Request Timeout", "the request took too long"),
};

/** Of connections that have asked for nothing yet, the oldest gives way: whoever has something to ask is let in. */
function boundIdle(server: Server): void {
  const idle = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    idle.add(socket);
    socket.once("close", () => idle.delete(socket));
    const [oldest] = idle;
    if (idle.size > idleConnections) oldest?.destroy();
  });
  server.on("request", ({ socket }: IncomingMessage) => void idle.delete(socket));
}

/** @param noted how often refusals of one account are written to the audit log */
function addRoute(app: FastifyInstance, context: ApiContext, route: AnyRoute, noted: Rates): void {
  const { method, path, access, answer } = route;
  if (!accesses.includes(access)) throw new Error(`route ${method} ${path} does not say who may ask`);
  app.route({
    method,
    url: path,
    bodyLimit: route.maxBytes ?? bodyBytes,
    onRequest: async (request) => {
      context.gate.checkOrigin(request);
      try {
        request.who = context.gate.admit(request, access);
      } catch (failure) {
        if (failure instanceof Denied && noted.charge(failure.account) === 0) {
          const arg = { method, path };
          const outcome = `denied: ${failure.message}`;
          note(context.master, `api:${failure.account}`, "denied", arg, outcome).catch(() => undefined);
        }
        throw failure;
      }
    },
    handler: async (request, reply) => {
      const params = parse(route.params, "path", request.params);
      const query = parse(route.query, "query", request.query);
      const body = parse(route.body, "body", request.body ?? {});
      const asked = { params, query, body, request, reply } as never;
      const given = await route.handle(asked, request.who as never);
      if (reply.sent || answer === "stream") return reply;
      const { status, body: out } = given instanceof Answer ? given : new Answer(route.status ?? 200, given);
      if (out === undefined) return reply.code(status === 200 ? 204 : status).send();
      if (answer === "html" || answer === "text") {
        if (!reply.hasHeader("content-type")) {
          reply.header("content-type", answer === "html" ? "text/html; charset=utf-8" : "text/plain; charset=utf-8");
        }
        return reply.code(status).send(out);
      }
      return reply.code(status).header("content-type", "application/json; charset=utf-8").send(jsonLine(out));
    },
  });
}

function failureHandler(log: Log): (failure: unknown, request: FastifyRequest, reply: FastifyReply) => void {
  return (failure, request, reply) => {
    const { status, body, retryAfter } = failureOf(failure);
    if (status >= 500) {
      const text = failure instanceof MsaltError ? failure.message : failure instanceof Error ? failure.stack : failure;
      log.error("a request failed", { method: request.method, route: request.routeOptions.url ?? "", failure: text });
    }
    if (retryAfter !== undefined) reply.header("retry-after", String(retryAfter));
    if (status === 401) reply.header("www-authenticate", "Bearer");
    // The rest of a body that is too large is not read.
    if (status === 413) reply.header("connection", "close");
    void reply.code(status).header("content-type", "application/json; charset=utf-8").send(jsonLine(body));
  };
}

declare module "fastify" {
  interface FastifyRequest {
    who?: Who | undefined;
  }
}
