import { PassThrough } from "node:stream";
import type { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { messagesOf, sendMessage } from "../../../src/transport/stream.ts";

const socket = (): Socket => new PassThrough() as unknown as Socket;
const framed = (...texts: string[]): Buffer =>
  Buffer.concat(
    texts.map((text) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(Buffer.byteLength(text));
      return Buffer.concat([length, Buffer.from(text)]);
    }),
  );

async function heard(parts: readonly Buffer[], maxBytes = 100): Promise<string[]> {
  const from = socket();
  const texts: string[] = [];
  for (const part of parts) from.write(part);
  from.end();
  for await (const message of messagesOf(from, () => maxBytes)) texts.push(Buffer.from(message).toString());
  return texts;
}

describe("messagesOf", () => {
  it("finds messages however the bytes come", async () => {
    const all = framed("", "a", "bc", "x".repeat(90));
    const expected = ["", "a", "bc", "x".repeat(90)];
    expect(await heard([all])).toEqual(expected);
    expect(await heard([...all].map((byte) => Buffer.from([byte])))).toEqual(expected);
    for (let at = 1; at < all.length; at += 7) {
      expect(await heard([all.subarray(0, at), all.subarray(at)])).toEqual(expected);
    }
  });

  it("leaves out a message that does not end, and refuses one that is too long before it has come", async () => {
    expect(await heard([framed("a", "bc").subarray(0, -1)])).toEqual(["a"]);
    await expect(heard([Buffer.from([0xff, 0xff, 0xff, 0xff])])).rejects.toMatchObject({ code: "ERR_WIRE_INVALID" });
    await expect(heard([framed("x".repeat(101))])).rejects.toMatchObject({ code: "ERR_WIRE_INVALID" });
  });

  it("asks for the limit anew for each message", async () => {
    const from = socket();
    from.write(framed("a", "long"));
    from.end();
    let maxBytes = 1;
    const messages = messagesOf(from, () => maxBytes);
    await messages.next();
    maxBytes = 4;
    expect(Buffer.from((await messages.next()).value ?? []).toString()).toBe("long");
  });
});

describe("sendMessage", () => {
  it("is what messagesOf reads, and resolves when the other side is gone", async () => {
    const to = socket();
    await sendMessage(to, Buffer.from("hello"));
    expect(to.read()).toEqual(framed("hello"));
    to.destroy();
    await sendMessage(to, Buffer.from("more"));
  });
});
