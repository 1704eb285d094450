import * as z from "zod";
import { MsaltError } from "../../errors.ts";
import type { Who } from "../accounts.ts";
import { type ApiContext, userOf } from "../context.ts";
import { base64, iso, scriptName, time } from "../fields.ts";
import { note } from "../master.ts";
import { Answer, type AnyRoute, largeBody, route } from "../route.ts";
import { type ScriptVersion, maxScriptBytes, sha256Of } from "../scripts.ts";

const version = z.int().min(1);
const lineShape = z.object({ name: z.string(), version: z.int(), by: z.string(), at: time, comment: z.string() });
const versionShape = lineShape.omit({ name: true }).extend({ bytes: z.int(), sha256: z.string() });
const named = z.strictObject({ name: scriptName });
const inUrl = z.coerce.number().pipe(version);
const content = { script: base64, comment: z.string().max(1000).default("") };

function lineOf({ name, version, by, at, comment }: ScriptVersion): z.infer<typeof lineShape> {
  return { name, version, by, at: iso(at), comment };
}

function versionOf({ body, ...script }: ScriptVersion): z.infer<typeof versionShape> {
  const { name: _, ...line } = lineOf({ ...script, body });
  return { ...line, bytes: body.length, sha256: sha256Of(body) };
}

function bodyOf(script: string): Buffer {
  const body = Buffer.from(script, "base64");
  if (body.length > 0 && body.length <= maxScriptBytes) return body;
  throw new MsaltError("ERR_REQUEST_INVALID", `body.script: must be 1 to ${maxScriptBytes} bytes`);
}

export function scriptRoutes({ master, scripts }: ApiContext): AnyRoute[] {
  const noted = (who: Who, name: string, body: Buffer): Promise<void> =>
    note(master, userOf(who), "script.save", { name, sha256: sha256Of(body) });
  return [
    route({
      method: "GET",
      path: "/scripts",
      access: "read",
      summary: "Saved scripts, the newest version of each.",
      answer: z.object({ scripts: z.array(lineShape) }),
      handle: () => ({ scripts: scripts.all().map(lineOf) }),
    }),
    route({
      method: "POST",
      path: "/scripts",
      access: "run",
      summary: "Save a script under a new name.",
      body: z.strictObject({ name: scriptName, ...content }),
      maxBytes: largeBody,
      answer: lineShape,
      status: 201,
      handle: async ({ body: { name, script, comment } }, who) => {
        const body = bodyOf(script);
        await noted(who, name, body);
        return lineOf(scripts.add(name, body, who.account.name, comment));
      },
    }),
    route({
      method: "PUT",
      path: "/scripts/:name",
      access: "run",
      summary: "Save the next version of a script; 200 when nothing has changed.",
      params: named,
      body: z.strictObject(content),
      maxBytes: largeBody,
      answer: lineShape,
      status: 201,
      handle: async ({ params: { name }, body: { script, comment } }, who) => {
        const body = bodyOf(script);
        await noted(who, name, body);
        const saved = scripts.save(name, body, who.account.name, comment);
        return new Answer(saved.isNew ? 201 : 200, lineOf(saved.script));
      },
    }),
    route({
      method: "GET",
      path: "/scripts/:name",
      access: "read",
      summary: "The versions of a script, newest first.",
      params: named,
      answer: z.object({ name: z.string(), versions: z.array(versionShape) }),
      handle: ({ params: { name } }) => ({ name, versions: scripts.versions(name).map(versionOf) }),
    }),
    route({
      method: "GET",
      path: "/scripts/:name/versions/:version",
      access: "read",
      summary: "One version of a script, with what it says.",
      params: z.strictObject({ name: scriptName, version: inUrl }),
      answer: versionShape.extend({ name: z.string(), script: z.string() }),
      handle: ({ params: { name, version } }) => {
        const found = scripts.get(name, version);
        return { name, ...versionOf(found), script: Buffer.from(found.body).toString("base64") };
      },
    }),
    route({
      method: "GET",
      path: "/scripts/:name/diff",
      access: "read",
      summary: "How two versions of a script differ.",
      params: named,
      query: z.strictObject({ from: inUrl, to: inUrl }),
      answer: z.object({ diff: z.string() }),
      handle: ({ params: { name }, query: { from, to } }) => ({ diff: scripts.diff(name, from, to) }),
    }),
    route({
      method: "DELETE",
      path: "/scripts/:name",
      access: "admin",
      summary: "Delete a script with all its versions.",
      params: named,
      answer: "none",
      handle: async ({ params: { name } }, who) => {
        scripts.versions(name);
        await note(master, userOf(who), "script.delete", { name });
        scripts.delete(name);
      },
    }),
  ];
}
