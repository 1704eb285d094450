import * as z from "zod";
import { storedTargets } from "../../client/follow.ts";
import { hasResult } from "../../job/state.ts";
import { MsaltError } from "../../errors.ts";
import { toArg } from "../../wire/args.ts";
import type { Jid } from "../../wire/ids.ts";
import type { LocalReplies } from "../../wire/local.ts";
import type { Who } from "../accounts.ts";
import { type ApiContext, userOf } from "../context.ts";
import { base64, jid, limit, minionId, parallel, scriptName, seconds, target } from "../fields.ts";
import { valueOf } from "../job-view.ts";
import { ownJob } from "../own-jobs.ts";
import { publishAs } from "../publish.ts";
import { type AnyRoute, largeBody, route } from "../route.ts";
import { maxScriptBytes } from "../scripts.ts";
import { type Saved, taskFunction, taskLineOf, taskLineShape, taskOf, taskShape, taskState } from "../task-view.ts";
import { listJobs, parallelOf } from "./jobs.ts";

const waitMs = 5000;
/** An absent minion may still begin for so long after its turn. */
const ttlSeconds = 3600;
const maxTargets = 10_000;
/** Characters of one answer. */
const maxOutput = 16 * 1_048_576;

const orderShape = z
  .strictObject({
    script: base64.optional(),
    saved: z.strictObject({ name: scriptName, version: z.int().min(1).optional() }).optional(),
    args: z.array(z.string().max(65_536)).max(1000).default([]),
    name: z.string().min(1).max(128).optional(),
    timeout: seconds.default(0),
    ttl: seconds.default(ttlSeconds),
    parallel: parallel.default(1),
    fail_rate: z.number().min(0).max(1).default(0),
    fail_count: z.int().min(-1).default(-1),
    targets: z.union([z.array(minionId).min(1).max(maxTargets), z.strictObject(target)]),
  })
  .refine(({ script, saved }) => (script === undefined) !== (saved === undefined), "give script or saved, one of them");

const byId = z.strictObject({ id: jid });

/** @throws MsaltError `ERR_UNKNOWN_JID` for a job that is no task, too. */
async function ownTask({ master }: ApiContext, who: Who, id: Jid): Promise<LocalReplies["job.record"]> {
  const record = await ownJob(master, who, id);
  if (record.job.fun === taskFunction) return record;
  throw new MsaltError("ERR_UNKNOWN_JID", "there is no such task, or it is not yours");
}

async function outputsOf(
  { master }: ApiContext,
  jid: Jid,
  kind: "text" | "base64" | "none",
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  if (kind === "none") return found;
  let size = 0;
  for await (const each of storedTargets(master, jid)) {
    const value = valueOf(each);
    if (!hasResult(each) || typeof value !== "string") continue;
    size += value.length;
    if (size > maxOutput) break;
    found.set(each.id, kind === "text" ? value : Buffer.from(value).toString("base64"));
  }
  return found;
}

export function taskRoutes(context: ApiContext): AnyRoute[] {
  const { master, scripts } = context;
  return [
    route({
      method: "POST",
      path: "/tasks",
      access: "run",
      summary: "Run a script on minions, so many at once, until so many have failed.",
      body: orderShape,
      maxBytes: largeBody,
      answer: z.object({ task_id: z.string(), missing: z.array(z.string()) }),
      status: 201,
      handle: async ({ body }, who) => {
        const { saved, targets, name, args, timeout, ttl } = body;
        const version = saved === undefined ? undefined : scripts.get(saved.name, saved.version);
        const bytes = version?.body ?? Buffer.from(body.script ?? "", "base64");
        if (bytes.length === 0 || bytes.length > maxScriptBytes) {
          throw new MsaltError("ERR_REQUEST_INVALID", `body.script: must be 1 to ${maxScriptBytes} bytes`);
        }
        const from: Saved | undefined = version && { name: version.name, version: version.version };
        const told = { ...(name !== undefined && { name }), ...(from !== undefined && { saved: from }) };
        const given = Array.isArray(targets)
          ? { tgt: [...new Set(targets)].join(","), tgtType: "list" as const }
          : {
              tgt: targets.tgt,
              tgtType: targets.tgt_type,
              ...(targets.delimiter !== undefined && { delimiter: targets.delimiter }),
            };
        const { jid, missing } = await publishAs(context, who, {
          ...given,
          fun: taskFunction,
          arg: toArg([Buffer.from(bytes).toString("base64")], args.length === 0 ? {} : { args }),
          waitMs,
          ttlMs: Math.round(ttl * 1000),
          ...(timeout > 0 && { timeoutMs: Math.round(timeout * 1000) }),
          parallel: parallelOf(body.parallel),
          failCount: body.fail_count,
          failRate: body.fail_rate,
          metadata: { task: told },
        });
        return { task_id: jid, missing };
      },
    }),
    route({
      method: "GET",
      path: "/tasks",
      access: "read",
      summary: "Tasks in the record, newest first.",
      query: z.strictObject({
        state: taskState.optional(),
        user: z.string().max(128).optional(),
        limit: limit.default(50),
        before: jid.optional(),
      }),
      answer: z.object({ tasks: z.array(taskLineShape), next: z.string().optional() }),
      handle: async ({ query: { state, ...query } }, who) => {
        const active = await context.activeJobs();
        const open = new Map(active.jobs.map(({ job, targets }) => [job.jid, targets]));
        const { found, next } = await listJobs(
          context,
          who,
          { ...query, fun: taskFunction },
          (line) => state === undefined || taskLineOf(line, open).state === state,
        );
        return { tasks: found.map((line) => taskLineOf(line, open)), ...(next !== undefined && { next }) };
      },
    }),
    route({
      method: "GET",
      path: "/tasks/:id",
      access: "read",
      summary: "A task, and what each of its targets has come to.",
      params: byId,
      query: z.strictObject({ output: z.enum(["text", "base64", "none"]).default("text") }),
      answer: taskShape,
      handle: async ({ params: { id }, query: { output } }, who) => {
        const record = await ownTask(context, who, id);
        return taskOf(record, record.targets, await outputsOf(context, id, output));
      },
    }),
    route({
      method: "POST",
      path: "/tasks/:id/stop",
      access: "run",
      summary: "Stop a task: what waits is not begun, what runs is told to end.",
      params: byId,
      answer: z.object({ skipped: z.int(), told: z.array(z.string()) }),
      handle: async ({ params: { id } }, who) => {
        await ownTask(context, who, id);
        return master.call("job.kill", { jid: id, user: userOf(who), via: "api" });
      },
    }),
  ];
}
