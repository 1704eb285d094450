import * as z from "zod";
import { withDeadline } from "../../lib/deadline.ts";
import type { ApiContext } from "../context.ts";
import { openApiOf, pageOf } from "../openapi.ts";
import { Answer, type AnyRoute, route } from "../route.ts";

const healthMs = 2000;
const healthShape = z.object({ status: z.string(), version: z.string(), setup: z.boolean() });

/** @param all every route there is, these among them; asked for when a request comes */
export function systemRoutes(context: ApiContext, all: () => readonly AnyRoute[]): AnyRoute[] {
  const { master, version, streams, metrics, accounts } = context;
  let document: unknown;
  let page: string | undefined;
  return [
    route({
      method: "GET",
      path: "/healthz",
      access: "open",
      summary: "Whether the API and the master answer; 503 when the master does not.",
      answer: healthShape,
      handle: async () => {
        const away = "master unreachable";
        const asked = master.call("master.stats", {}).then(
          () => "ok",
          () => away,
        );
        const status = await withDeadline(asked, healthMs, () => away);
        return new Answer(status === "ok" ? 200 : 503, { status, version, setup: accounts.isEmpty });
      },
    }),
    route({
      method: "GET",
      path: "/openapi.json",
      access: "open",
      summary: "This API as an OpenAPI document.",
      answer: z.record(z.string(), z.unknown()),
      handle: () => (document ??= openApiOf(all(), version)),
    }),
    route({
      method: "GET",
      path: "/docs",
      access: "open",
      summary: "This API as a page.",
      answer: "html",
      handle: () => (page ??= pageOf(all(), version)),
    }),
    route({
      method: "GET",
      path: "/metrics",
      access: "read",
      summary: "Figures for Prometheus.",
      answer: "text",
      handle: async ({ reply }) => {
        const { minions } = await master.call("minion.list", {});
        const { jobs } = await context.activeJobs();
        const { rss } = await master.call("master.stats", {});
        reply.header("content-type", "text/plain; version=0.0.4; charset=utf-8");
        return metrics.text({
          msalt_minions_accepted: { help: "Minions with an accepted key.", value: minions.length },
          msalt_minions_connected: {
            help: "Minions that are connected.",
            value: minions.filter(({ connected }) => connected).length,
          },
          msalt_jobs_open: { help: "Jobs that have not ended.", value: jobs.length },
          msalt_controller_resident_bytes: { help: "Memory of the master's controller.", value: Number(rss) },
          msalt_api_streams_open: { help: "Open streams of events.", value: streams.count },
          msalt_api_resident_bytes: { help: "Memory of the API.", value: process.memoryUsage().rss },
        });
      },
    }),
  ];
}
