import * as z from "zod";
import { isTerminal } from "../../job/state.ts";
import { MsaltError } from "../../errors.ts";
import type { MinionId } from "../../wire/ids.ts";
import type { Presence } from "../../wire/local.ts";
import type { ApiContext } from "../context.ts";
import { limit, minionId, target, time, timed } from "../fields.ts";
import { inFlight } from "../in-flight.ts";
import type { Master } from "../master.ts";
import { type AnyRoute, route } from "../route.ts";

type Facts = Readonly<Record<string, unknown>>;

const minionShape = z.object({
  id: z.string(),
  connected: z.boolean(),
  since: time.optional(),
  last_seen: time.optional(),
  returning: z.literal(true).optional(),
  grains: z.record(z.string(), z.unknown()).optional(),
});

const agentShape = z.object({
  id: z.string(),
  uuid: z.string().optional(),
  hostname: z.string().optional(),
  ip: z.array(z.string()),
  heartbeat: time.optional(),
  busy: z.boolean(),
  connected: z.boolean(),
});

const grainsPage = 100;

function viewOf({ id, connected, since, lastSeen, returning }: Presence): z.infer<typeof minionShape> {
  const times = { ...timed("since", since), ...timed("last_seen", lastSeen) };
  return { id, connected, ...times, ...(returning === true && { returning }) };
}

async function grainsOf(master: Master, ids: readonly MinionId[]): Promise<Readonly<Record<MinionId, Facts>>> {
  const found: Record<MinionId, Facts> = {};
  for (let at = 0; at < ids.length; at += grainsPage) {
    Object.assign(found, (await master.call("minion.grains", { ids: ids.slice(at, at + grainsPage) })).grains);
  }
  return found;
}

function picked(grains: Facts = {}, names: readonly string[]): Facts {
  return Object.fromEntries(names.filter((name) => Object.hasOwn(grains, name)).map((name) => [name, grains[name]]));
}

/** Jobs that each minion was sent and has not ended. */
async function busyWith({ activeJobs }: ApiContext): Promise<ReadonlyMap<MinionId, readonly string[]>> {
  const jobs = new Map<MinionId, string[]>();
  for (const { job, targets } of (await activeJobs()).jobs) {
    for (const { id, state } of targets) {
      if (state === "waiting" || isTerminal(state)) continue;
      const own = jobs.get(id);
      if (own === undefined) jobs.set(id, [job.jid]);
      else own.push(job.jid);
    }
  }
  return jobs;
}

const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((each): each is string => typeof each === "string") : [];

async function agentsOf(context: ApiContext): Promise<z.infer<typeof agentShape>[]> {
  const { minions } = await context.master.call("minion.list", {});
  const ids = minions.map(({ id }) => id);
  const [grains, busy] = [await grainsOf(context.master, ids), await busyWith(context)];
  return minions.map(({ id, connected, lastSeen }) => {
    const { minion_uuid: uuid, nodename: hostname, usable_ipv4: ip } = grains[id] ?? {};
    return {
      id,
      ...(typeof uuid === "string" && { uuid }),
      ...(typeof hostname === "string" && { hostname }),
      ip: texts(ip),
      ...timed("heartbeat", lastSeen),
      busy: busy.has(id),
      connected,
    };
  });
}

const query = z.strictObject({
  ...target,
  tgt: target.tgt.default("*"),
  state: z.enum(["connected", "away"]).optional(),
  grains: z
    .string()
    .max(2048)
    .transform((text) => text.split(","))
    .optional(),
  limit: limit.default(100),
  after: minionId.optional(),
});

export function minionRoutes(context: ApiContext): AnyRoute[] {
  const { master } = context;
  const agents = inFlight(() => agentsOf(context));
  return [
    route({
      method: "GET",
      path: "/minions",
      access: "read",
      summary: "Accepted minions, by id.",
      query,
      answer: z.object({
        minions: z.array(minionShape),
        total: z.int(),
        connected: z.int(),
        next: z.string().optional(),
      }),
      handle: async ({ query: { tgt, tgt_type: tgtType, delimiter, state, grains, limit, after } }) => {
        const load = { tgt, tgtType, ...(delimiter !== undefined && { delimiter }) };
        const { minions: all } = await master.call("target.resolve", load);
        const rest = all
          .filter(({ connected }) => state === undefined || (state === "connected") === connected)
          .toSorted((a, b) => (a.id < b.id ? -1 : 1))
          .filter(({ id }) => after === undefined || id > after);
        const page = rest.slice(0, limit);
        const facts =
          grains === undefined
            ? undefined
            : await grainsOf(
                master,
                page.map(({ id }) => id),
              );
        const minions = page.map((each) => ({
          ...viewOf(each),
          ...(facts !== undefined && { grains: picked(facts[each.id], grains ?? []) }),
        }));
        const next = rest.length > limit ? page.at(-1)?.id : undefined;
        const connected = all.filter((each) => each.connected).length;
        return { minions, total: all.length, connected, ...(next !== undefined && { next }) };
      },
    }),
    route({
      method: "GET",
      path: "/minions/:id",
      access: "read",
      summary: "One minion, its grains, and the open jobs that it was sent.",
      params: z.strictObject({ id: minionId }),
      answer: minionShape.extend({ jobs: z.array(z.string()) }),
      handle: async ({ params: { id } }) => {
        const { minions } = await master.call("target.resolve", { tgt: id, tgtType: "list" });
        const [found] = minions;
        if (found === undefined) throw new MsaltError("ERR_NOT_FOUND", "no accepted minion of this id");
        const grains = await grainsOf(master, [id]);
        return { ...viewOf(found), grains: grains[id] ?? {}, jobs: (await busyWith(context)).get(id) ?? [] };
      },
    }),
    route({
      method: "GET",
      path: "/agents",
      access: "read",
      summary: "Minions under the names that mschedule has for agents.",
      answer: z.object({ agents: z.array(agentShape) }),
      handle: async () => ({ agents: await agents() }),
    }),
  ];
}
