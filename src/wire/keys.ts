/** The local commands of msalt-key. A fingerprint is 64 hex digits here; tools show it with colons. */
import * as z from "zod";
import { type MinionId, isMinionId } from "./ids.ts";
import { parseStrict } from "./loads.ts";

/** Keys that one `key.change` may name. */
export const maxKeysPerChange = 1000;
const yearMs = 366 * 86_400_000;

const minionId = z.custom<MinionId>((value) => typeof value === "string" && isMinionId(value), "must be a minion id");
const fingerprint = z.string().regex(/^[0-9a-f]{64}$/, "must be 64 hex digits");
const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array, "must be binary");
const millis = z.int().min(0);

const keyName = z.strictObject({ id: minionId, fingerprint });
/** One key of one id: several hosts may have asked under the same id. */
export type KeyName = z.infer<typeof keyName>;

const keyActs = ["accept", "reject", "delete"] as const;
export type KeyAct = (typeof keyActs)[number];

/** Who asks, as the tool says. */
const user = z.string().max(128).optional();
const via = z.literal("api").optional();

export const keyList = z.strictObject({});
export const keyChange = z.strictObject({
  act: z.enum(keyActs),
  keys: z.array(keyName).max(maxKeysPerChange),
  user,
  via,
});
/** How many minions one token may let in. */
export const maxTokenUses = 100_000;
export const keyToken = z.strictObject({
  expiresMs: z.int().min(1).max(yearMs),
  uses: z.int().min(1).max(maxTokenUses).default(1),
  user,
  via,
});

export const keyStates = ["accepted", "denied", "pending", "rejected"] as const;
export type KeyState = (typeof keyStates)[number];

const keyView = z.strictObject({
  id: minionId,
  fingerprint,
  /** The public key record as its host signed it. */
  record: bytes,
  /** When this key asked first, ms since 1970. */
  since: millis,
  /** An operator deleted this key within the last 30 days; it came back. */
  deletedBefore: z.literal(true).optional(),
});
export type KeyView = z.infer<typeof keyView>;

const replies = {
  "key.list": z.strictObject({
    accepted: z.array(keyView),
    denied: z.array(keyView),
    pending: z.array(keyView),
    rejected: z.array(keyView),
    /** The master's own fingerprint, with colons. */
    local: z.string(),
  }),
  /** One result per key, in the order asked; `changed` is false when it was so already. */
  "key.change": z.strictObject({
    results: z.array(
      z.union([
        z.strictObject({ ...keyName.shape, ok: z.literal(true), changed: z.boolean() }),
        z.strictObject({ ...keyName.shape, ok: z.literal(false), message: z.string() }),
      ]),
    ),
  }),
  "key.token": z.strictObject({ token: z.string(), expires: millis }),
} as const;

export type KeyReplies = { readonly [C in keyof typeof replies]: z.infer<(typeof replies)[C]> };
export type KeyList = KeyReplies["key.list"];
export type KeyChangeResult = KeyReplies["key.change"]["results"][number];

/** @throws MsaltError `ERR_WIRE_INVALID` when the controller answered something else. */
export function parseKeyReply<C extends keyof KeyReplies>(cmd: C, decoded: unknown): KeyReplies[C] {
  return parseStrict(replies[cmd] as unknown as z.ZodType<KeyReplies[C]>, `answer to ${cmd}`, decoded);
}
