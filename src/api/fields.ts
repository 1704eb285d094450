/** Kinds of values that requests and answers of the API hold. */
import * as z from "zod";
import { type Jid, type MinionId, isJid, isMinionId } from "../wire/ids.ts";
import { targetTypes } from "../wire/local.ts";

export const jid = z
  .string()
  .refine((text): text is Jid => isJid(text), "must be a jid of 20 digits")
  .meta({ pattern: "^\\d{20}$" }) as unknown as z.ZodType<Jid>;
export const minionId = z
  .string()
  .refine((text): text is MinionId => isMinionId(text), "must be a minion id") as unknown as z.ZodType<MinionId>;
export const accountName = z
  .string()
  .regex(/^[a-z][a-z0-9._-]{0,31}$/, "must be lower-case letters, digits and . _ -, 32 at most, a letter first");
export const password = z
  .string()
  .min(12, "must have 12 characters or more")
  .max(256, "must have 256 characters or less");
export const scriptName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "must be letters, digits and . _ -, 64 at most");
/** A time that the API shows. */
export const time = z.string().meta({ format: "date-time" });
export const seconds = z.number().min(0).max(31_622_400);
export const limit = z.coerce.number().int().min(1).max(1000);

export const target = {
  tgt: z.string().min(1).max(65_536),
  tgt_type: z.enum(targetTypes).default("glob"),
  delimiter: z.string().min(1).max(16).optional(),
};

const deepest = 12;

function isShallow(value: unknown, depth = 0): boolean {
  if (typeof value !== "object" || value === null) return true;
  return depth < deepest && Object.values(value).every((member) => isShallow(member, depth + 1));
}

/** Any JSON that an order can carry. */
export const json = z.unknown().refine((value) => isShallow(value), `must not be nested deeper than ${deepest}`);

const base64Message = "must be base64";
/** Decoded. */
export const base64 = z
  .string()
  .regex(/^[A-Za-z0-9+/\s]*={0,2}\s*$/, base64Message)
  .refine((text) => text.replaceAll(/\s/g, "").length % 4 === 0, base64Message);

/** A number, or a part of the targets. */
export const parallel = z.union([
  z.int().min(1),
  z.string().regex(/^(\d{1,3})(\.\d{1,3})?%$/, "must be a number, or a percentage such as 10%"),
]);

export function iso(ms: number): string {
  return new Date(ms).toISOString();
}

/** `{name: time}` where it is known. */
export function timed<K extends string>(name: K, ms: number | undefined): { readonly [N in K]?: string } {
  return (ms === undefined ? {} : { [name]: iso(ms) }) as { readonly [N in K]?: string };
}
