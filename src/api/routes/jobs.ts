import * as z from "zod";
import { storedTargets } from "../../client/follow.ts";
import { compileGlob } from "../../lib/glob.ts";
import { toArg } from "../../wire/args.ts";
import { isMinionId, timeOf } from "../../wire/ids.ts";
import type { JobSummary, LocalLoad, LocalReplies } from "../../wire/local.ts";
import { type ApiContext, isAdmin, userOf } from "../context.ts";
import { jid, json, limit, parallel, seconds, target, time, timed } from "../fields.ts";
import { followJob } from "../job-events.ts";
import { jobShape, recordOf, recordShape, summaryOf, valueOf } from "../job-view.ts";
import { ownJob } from "../own-jobs.ts";
import { publishAs } from "../publish.ts";
import { type AnyRoute, largeBody, route } from "../route.ts";
import { hasResult } from "../../job/state.ts";
import type { Who } from "../accounts.ts";

/** An absent minion may begin a job for 60 s more. */
const waitMs = 5000;
const scannedJobs = 1000;
/** What is looked through for one page. */
const maxScanned = 5000;
/** Of results asked for by id: each may be large. */
const maxIds = 16;

const orderShape = z.strictObject({
  ...target,
  fun: z.string().min(1).max(256),
  arg: z.array(json).default([]),
  kwarg: z.record(z.string().max(256), json).default({}),
  timeout: seconds.optional(),
  ttl: seconds.optional(),
  subset: z.int().min(1).optional(),
  parallel: parallel.optional(),
  batch_wait: seconds.optional(),
  fail_count: z.int().min(-1).optional(),
  fail_rate: z.number().min(0).max(1).optional(),
  fail_kill: z.boolean().optional(),
  metadata: z.record(z.string().max(256), json).optional(),
});

const ms = (value: number): number => Math.round(value * 1000);

export function parallelOf(value: z.infer<typeof parallel>): LocalLoad<"publish">["parallel"] {
  return typeof value === "number" ? value : { percent: Number(value.slice(0, -1)) };
}

function loadOf(body: z.infer<typeof orderShape>): Parameters<typeof publishAs>[2] {
  const { tgt, tgt_type: tgtType, delimiter, fun, arg, kwarg, timeout, ttl, subset, batch_wait: batchWait } = body;
  const { fail_count: failCount, fail_rate: failRate, fail_kill: failKill, metadata } = body;
  // As on the command line: giving one of them sets the other to 0.
  const budget = failCount !== undefined || failRate !== undefined;
  return {
    tgt,
    tgtType,
    fun,
    arg: toArg(arg, kwarg),
    waitMs,
    ...(delimiter !== undefined && { delimiter }),
    ...(timeout !== undefined && timeout > 0 && { timeoutMs: ms(timeout) }),
    ...(ttl !== undefined && { ttlMs: ms(ttl) }),
    ...(subset !== undefined && { subset }),
    ...(body.parallel !== undefined && { parallel: parallelOf(body.parallel) }),
    ...(batchWait !== undefined && { batchWaitMs: ms(batchWait) }),
    ...(budget && { failCount: failCount ?? 0, failRate: failRate ?? 0 }),
    ...(failKill === true && { failKill }),
    ...(metadata !== undefined && { metadata }),
  };
}

const returnShape = z.object({
  id: z.string(),
  state: z.string(),
  retcode: z.int(),
  success: z.boolean(),
  ended: time.optional(),
  out: z.string().optional(),
  return: z.unknown(),
});

const day = z.union([z.iso.datetime({ offset: true }), z.iso.date()]).transform((text) => Date.parse(text));

const listQuery = z.strictObject({
  user: z.string().max(128).optional(),
  fun: z.string().max(256).optional(),
  tgt: z.string().max(256).optional(),
  state: z.enum(["open", "ended"]).optional(),
  since: day.optional(),
  until: day.optional(),
  limit: limit.default(50),
  before: jid.optional(),
});

/** Newest first, from as many pages of the record as it takes, within bounds. */
export async function listJobs(
  { master }: ApiContext,
  who: Who,
  query: Omit<z.infer<typeof listQuery>, "state">,
  also: (line: JobSummary) => boolean,
): Promise<{ found: JobSummary[]; next?: string }> {
  const byFun = query.fun === undefined ? () => true : compileGlob(query.fun);
  const byTgt = query.tgt === undefined ? () => true : compileGlob(query.tgt);
  const user = isAdmin(who) ? query.user : userOf(who);
  const found: JobSummary[] = [];
  let before = query.before;
  for (let seen = 0; seen < maxScanned; seen += scannedJobs) {
    const page = await master.call("job.list", { limit: scannedJobs, ...(before !== undefined && { before }) });
    for (const line of page.jobs) {
      const { job } = line;
      const at = timeOf(job.jid);
      if (query.since !== undefined && at < query.since) return { found };
      if (found.length === query.limit) return { found, next: before ?? job.jid };
      before = job.jid;
      if (query.until !== undefined && at > query.until) continue;
      if (user !== undefined && job.user !== user) continue;
      if (query.user !== undefined && job.user !== query.user) continue;
      if (byFun(job.fun) && byTgt(job.tgt) && also(line)) found.push(line);
    }
    if (page.jobs.length < scannedJobs) return { found };
  }
  return { found, ...(before !== undefined && { next: before }) };
}

const byJid = z.strictObject({ jid });

export function jobRoutes(context: ApiContext): AnyRoute[] {
  const { master } = context;
  return [
    route({
      method: "POST",
      path: "/jobs",
      access: "run",
      summary: "Run a function on minions.",
      body: orderShape,
      maxBytes: largeBody,
      answer: z.object({
        jid: z.string(),
        minions: z.array(z.string()),
        missing: z.array(z.string()),
        parallel: z.int().optional(),
      }),
      status: 201,
      handle: ({ body }, who) => publishAs(context, who, loadOf(body)),
    }),
    route({
      method: "GET",
      path: "/jobs",
      access: "read",
      summary: "Jobs in the record, newest first.",
      query: listQuery,
      answer: z.object({ jobs: z.array(jobShape), next: z.string().optional() }),
      handle: async ({ query: { state, ...query } }, who) => {
        const inState = ({ ended }: JobSummary): boolean =>
          state === undefined || (state === "ended") === (ended !== undefined);
        const { found, next } = await listJobs(context, who, query, inState);
        return { jobs: found.map(summaryOf), ...(next !== undefined && { next }) };
      },
    }),
    route({
      method: "GET",
      path: "/jobs/:jid",
      access: "read",
      summary: "A job and the states of its targets.",
      params: byJid,
      answer: recordShape,
      handle: async ({ params: { jid } }, who) => {
        const record = await ownJob(master, who, jid);
        return recordOf(record, record.targets);
      },
    }),
    route({
      method: "GET",
      path: "/jobs/:jid/returns",
      access: "read",
      summary: "What minions returned, page by page.",
      params: byJid,
      query: z.strictObject({
        after: z.coerce.number().int().optional(),
        ids: z
          .string()
          .max(16_384)
          .transform((text) => text.split(",").filter((id) => isMinionId(id)))
          .refine((list) => list.length <= maxIds, `must be ${maxIds} ids at most`)
          .optional(),
      }),
      answer: z.object({ returns: z.array(returnShape), next: z.int().optional() }),
      handle: async ({ params: { jid }, query: { after, ids } }, who) => {
        await ownJob(master, who, jid);
        const load = { jid, ...(after !== undefined && { after }) };
        const page: LocalReplies["job.returns"] =
          ids === undefined ? await master.call("job.returns", load) : { targets: [] };
        if (ids !== undefined) for await (const each of storedTargets(master, jid, ids)) page.targets.push(each);
        const returns = page.targets
          .filter((each) => hasResult(each))
          .map(({ id, state, retcode, success, ended, out, ...rest }) => ({
            id,
            state,
            retcode,
            success,
            ...timed("ended", ended),
            ...(out !== undefined && { out }),
            return: valueOf({ id, state, ...rest }),
          }));
        return { returns, ...(page.next !== undefined && { next: page.next }) };
      },
    }),
    route({
      method: "GET",
      path: "/jobs/:jid/events",
      access: "read",
      summary: "What the record holds of a job, then what happens, as server-sent events.",
      params: byJid,
      query: z.strictObject({ returns: z.enum(["true", "false"]).default("true") }),
      answer: "stream",
      handle: async ({ params: { jid }, query, request, reply }, who) => {
        const last = request.headers["last-event-id"];
        if (last === "end") return void (await reply.code(204).send());
        context.streams.reserve(who);
        // Whether it may be seen is answered as for any other route.
        await ownJob(master, who, jid);
        const stream = context.streams.begin(who, reply);
        const wanted = { jid, returns: query.returns === "true", last: typeof last === "string" ? last : undefined };
        void followJob(context, stream, wanted);
      },
    }),
    route({
      method: "POST",
      path: "/jobs/:jid/kill",
      access: "run",
      summary: "End a job: what waits is skipped, what runs is told to end.",
      params: byJid,
      body: z.strictObject({ signal: z.int().min(1).max(64).optional(), running: z.boolean().default(true) }),
      answer: z.object({ skipped: z.int(), told: z.array(z.string()) }),
      handle: async ({ params: { jid }, body: { signal, running } }, who) => {
        await ownJob(master, who, jid);
        const how = running ? signal !== undefined && { signal } : { gently: true as const };
        return master.call("job.kill", { jid, user: userOf(who), via: "api", ...how });
      },
    }),
    route({
      method: "POST",
      path: "/targets",
      access: "read",
      summary: "Who would be hit.",
      body: z.strictObject(target),
      answer: z.object({
        minions: z.array(z.object({ id: z.string(), connected: z.boolean() })),
        missing: z.array(z.string()),
      }),
      handle: async ({ body: { tgt, tgt_type: tgtType, delimiter } }) => {
        const load = { tgt, tgtType, ...(delimiter !== undefined && { delimiter }) };
        const { minions, missing } = await master.call("target.resolve", load);
        return { minions: minions.map(({ id, connected }) => ({ id, connected })), missing };
      },
    }),
  ];
}
