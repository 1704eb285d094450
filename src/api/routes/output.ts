import * as z from "zod";
import { followOutput } from "../../client/output.ts";
import { isMinionId, type Jid, type MinionId } from "../../wire/ids.ts";
import type { ApiContext } from "../context.ts";
import { jid } from "../fields.ts";
import { ownJob } from "../own-jobs.ts";
import { type AnyRoute, route } from "../route.ts";
import { failureOf } from "../status.ts";
import type { Stream } from "../streams.ts";

const maxIds = 16;

/** What a reader has not taken holds back the minion, not the memory of this process. */
async function follow({ master }: ApiContext, stream: Stream, jid: Jid, ids: readonly MinionId[]): Promise<void> {
  const decoders = new Map(ids.map((id) => [id, new TextDecoder()]));
  try {
    stream.send("ready", {});
    await followOutput(
      master,
      jid,
      ids,
      {
        onPart: async (id, data) => {
          const text = decoders.get(id)?.decode(data, { stream: true }) ?? "";
          if (text !== "") stream.send("output", { id, text });
          await stream.drained();
        },
        onEnd: (id, complete) => stream.send("done", { id, complete }),
      },
      stream.closed,
    );
    stream.send("end", {});
  } catch (failure) {
    stream.send("error", failureOf(failure).body.error);
  } finally {
    stream.end();
  }
}

export function outputRoutes(context: ApiContext): AnyRoute[] {
  return [
    route({
      method: "GET",
      path: "/jobs/:jid/output",
      access: "read",
      summary: "What targets of a job print while they run, as server-sent events.",
      params: z.strictObject({ jid }),
      query: z.strictObject({
        ids: z
          .string()
          .max(16_384)
          .transform((text) => [...new Set(text.split(","))].filter((id) => isMinionId(id)))
          .refine((list) => list.length > 0 && list.length <= maxIds, `must be 1 to ${maxIds} ids`),
      }),
      answer: "stream",
      handle: async ({ params: { jid }, query: { ids }, reply }, who) => {
        context.streams.reserve(who);
        const { job } = await ownJob(context.master, who, jid);
        const targets = ids.filter((id) => job.minions.includes(id));
        void follow(context, context.streams.begin(who, reply), jid, targets);
      },
    }),
  ];
}
