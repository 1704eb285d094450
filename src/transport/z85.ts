import { MsaltError } from "../errors.ts";

const alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/** ZeroMQ's RFC 32 text of binary keys; the length must be a multiple of 4. */
export function z85(bytes: Uint8Array): string {
  if (bytes.length % 4 !== 0) throw new MsaltError("ERR_INTERNAL", "z85 takes a multiple of 4 bytes");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let text = "";
  for (let at = 0; at < bytes.length; at += 4) {
    const value = view.getUint32(at);
    for (let power = 85 ** 4; power >= 1; power /= 85) text += alphabet[Math.floor(value / power) % 85];
  }
  return text;
}
