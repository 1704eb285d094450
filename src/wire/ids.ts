import { MsaltError } from "../errors.ts";

declare const brand: unique symbol;
/** Job id: 20 digits, UTC to the microsecond, so jids sort by time. */
export type Jid = string & { readonly [brand]: "Jid" };
/** Names a minion everywhere, and a file under pki/: hence no slash, no leading dot, no `..`. */
export type MinionId = string & { readonly [brand]: "MinionId" };
/** First 16 bytes of a fingerprint as 32 hex digits: names a key inside frames and tables. */
export type KeyId = string & { readonly [brand]: "KeyId" };

export function isJid(text: string): text is Jid {
  return /^\d{20}$/.test(text);
}

/** DESIGN §5.1. */
export function isMinionId(text: string): text is MinionId {
  return /^[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$/.test(text) && !text.includes("..");
}

export function isKeyId(text: string): text is KeyId {
  return /^[0-9a-f]{32}$/.test(text);
}

/** @throws MsaltError `ERR_USAGE` for anything but 20 digits. */
export function asJid(text: string): Jid {
  if (isJid(text)) return text;
  throw new MsaltError("ERR_USAGE", `not a job id: ${JSON.stringify(text)}, expected 20 digits`);
}

/**
 * The jid of a clock reading in microseconds since 1970, or, if that is not above `last`, the one after `last`: jids rise
 * strictly within one master whatever the clock does.
 */
export function nextJid(nowMicros: number, last: Jid | undefined): Jid {
  const jid = jidOf(nowMicros);
  return last === undefined || jid > last ? jid : jidOf(microsOf(last) + 1);
}

function jidOf(micros: number): Jid {
  const millis = Math.floor(micros / 1000);
  const digits = new Date(millis).toISOString().replaceAll(/\D/g, "").slice(0, 17);
  return `${digits}${String(micros - millis * 1000).padStart(3, "0")}` as Jid;
}

function microsOf(jid: Jid): number {
  const part = (from: number, to: number): number => Number(jid.slice(from, to));
  const millis = Date.UTC(
    part(0, 4),
    part(4, 6) - 1,
    part(6, 8),
    part(8, 10),
    part(10, 12),
    part(12, 14),
    part(14, 17),
  );
  return millis * 1000 + part(17, 20);
}

/** When a jid was given, milliseconds since 1970. */
export function timeOf(jid: Jid): number {
  return Math.floor(microsOf(jid) / 1000);
}

/** `2026, Nov 21 02:06:34.330961`, as Salt's runners print a jid's time. */
export function formatJidTime(jid: Jid): string {
  const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const part = (from: number, to: number): string => jid.slice(from, to);
  const month = months[Number(part(4, 6)) - 1] ?? part(4, 6);
  return `${part(0, 4)}, ${month} ${part(6, 8)} ${part(8, 10)}:${part(10, 12)}:${part(12, 14)}.${part(14, 20)}`;
}
