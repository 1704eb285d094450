/** Messages over a unix socket: each its length (4 bytes, big-endian), then its bytes. For peers that libzmq could not bound. */
import type { Socket } from "node:net";
import { MsaltError } from "../errors.ts";

const lengthBytes = 4;

/**
 * The messages of a peer, one after the other: nothing more is read while one is being served. Ends when the peer does.
 * @param maxBytes asked anew for each message
 * @throws MsaltError `ERR_WIRE_INVALID` for a longer one, and what the socket fails with
 */
export async function* messagesOf(socket: Socket, maxBytes: () => number): AsyncGenerator<Uint8Array> {
  let parts: Buffer[] = [];
  let size = 0;
  for await (const part of socket as AsyncIterable<Buffer>) {
    parts.push(part);
    size += part.length;
    while (size >= lengthBytes) {
      if ((parts[0]?.length ?? 0) < lengthBytes) parts = [Buffer.concat(parts)];
      const whole = lengthBytes + (parts[0]?.readUInt32BE(0) ?? 0);
      if (whole - lengthBytes > maxBytes()) throw new MsaltError("ERR_WIRE_INVALID", "the message is too long");
      if (size < whole) break;
      const all = Buffer.concat(parts);
      yield all.subarray(lengthBytes, whole);
      parts = [all.subarray(whole)];
      size -= whole;
    }
  }
}

/** Resolves when the system has taken it, or the socket is gone. */
export function sendMessage(socket: Socket, message: Uint8Array): Promise<void> {
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt32BE(message.length);
  return new Promise((resolve) => {
    socket.cork();
    socket.write(length);
    socket.write(message, () => resolve());
    socket.uncork();
    if (socket.destroyed) resolve();
  });
}
