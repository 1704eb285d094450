/** The dashboard in a browser: one page and the files that it names, read once. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { FastifyInstance, FastifyReply } from "fastify";
import type { Gate } from "./gate.ts";

/** Nothing from elsewhere, nothing that stands in the page itself, and in nobody else's page. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
const types: Readonly<Record<string, string>> = { css: "text/css", js: "text/javascript" };

/** @param folder as the build leaves it: `index.html`, and files whose names hold their hash */
export function addDashboard(app: FastifyInstance, gate: Gate, folder: string): void {
  const files = new Map(readdirSync(folder).map((name): [string, Buffer] => [name, readFileSync(join(folder, name))]));
  const page = files.get("index.html");
  if (page === undefined) throw new Error(`${folder} has no index.html`);
  files.delete("index.html");
  const send = (reply: FastifyReply, type: string, body: Buffer): FastifyReply =>
    reply.header("content-security-policy", policy).type(`${type}; charset=utf-8`).send(body);
  // Not the whole of the gate: a link on another site's page may lead here.
  const onRequest = async (request: Parameters<Gate["checkHost"]>[0]): Promise<void> => gate.checkHost(request);
  for (const path of ["/", "/setup"]) {
    app.get(path, { onRequest }, (_request, reply) => send(reply, "text/html", page));
  }
  for (const [name, body] of files) {
    app.get(`/assets/${name}`, { onRequest }, (_request, reply) =>
      send(
        reply.header("cache-control", "public, max-age=31536000, immutable"),
        types[name.split(".").at(-1) ?? ""] ?? "application/octet-stream",
        body,
      ),
    );
  }
}
