import * as z from "zod";
import { type KeyAct, type KeyView, keyStates, maxKeysPerChange, maxTokenUses } from "../../wire/keys.ts";
import { type ApiContext, userOf } from "../context.ts";
import { iso, minionId, time } from "../fields.ts";
import { type AnyRoute, largeBody, route } from "../route.ts";

const keyName = z.strictObject({
  id: minionId,
  fingerprint: z.string().regex(/^[0-9a-f]{64}$/, "must be 64 hex digits"),
});
const keyShape = z.object({
  id: z.string(),
  fingerprint: z.string(),
  since: time,
  deleted_before: z.literal(true).optional(),
});
const keys = z.array(keyShape);
const listShape = z.object({ accepted: keys, denied: keys, pending: keys, rejected: keys, master: z.string() });
const result = z.object({
  id: z.string(),
  fingerprint: z.string(),
  ok: z.boolean(),
  changed: z.boolean().optional(),
  message: z.string().optional(),
});

function viewOf({ id, fingerprint, since, deletedBefore }: KeyView): z.infer<typeof keyShape> {
  return { id, fingerprint, since: iso(since), ...(deletedBefore === true && { deleted_before: true }) };
}

export function keyRoutes({ master }: ApiContext): AnyRoute[] {
  const change = (act: KeyAct, summary: string): AnyRoute =>
    route({
      method: "POST",
      path: `/keys/${act}`,
      access: "admin",
      summary,
      body: z.strictObject({ keys: z.array(keyName).min(1).max(maxKeysPerChange) }),
      maxBytes: largeBody,
      answer: z.object({ results: z.array(result) }),
      handle: ({ body }, who) => master.call("key.change", { act, keys: body.keys, user: userOf(who), via: "api" }),
    });
  return [
    route({
      method: "GET",
      path: "/keys",
      access: "admin",
      summary: "The keys of minions, by state, and the master's own fingerprint.",
      answer: listShape,
      handle: async () => {
        const list = await master.call("key.list", {});
        const views = keyStates.map((state) => [state, list[state].map(viewOf)] as const);
        return { ...Object.fromEntries(views), master: list.local };
      },
    }),
    change("accept", "Accept keys: these minions may be ordered about."),
    change("reject", "Reject keys: these minions are sent nothing, and may not ask again."),
    change("delete", "Delete keys: these minions are sent nothing any more."),
    route({
      method: "POST",
      path: "/keys/token",
      access: "admin",
      summary: "Make an enrolment token: minions that show it are accepted at once.",
      body: z.strictObject({
        expires_in: z
          .number()
          .min(1)
          .max(366 * 86_400)
          .default(3600),
        uses: z.int().min(1).max(maxTokenUses).default(1),
      }),
      answer: z.object({ token: z.string(), expires: time }),
      status: 201,
      handle: async ({ body: { expires_in: expiresIn, uses } }, who) => {
        const load = { expiresMs: Math.round(expiresIn * 1000), uses, user: userOf(who), via: "api" as const };
        const { token, expires } = await master.call("key.token", load);
        return { token, expires: iso(expires) };
      },
    }),
  ];
}
