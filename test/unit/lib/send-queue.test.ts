import { describe, expect, it } from "vitest";
import { SendQueue } from "../../../src/lib/send-queue.ts";

/** A socket that takes a message only when the test says so, and one at a time. */
function heldSocket(): { send: (message: string) => Promise<void>; taken: string[]; next: (failure?: Error) => void } {
  const taken: string[] = [];
  let settle: ((failure?: Error) => void) | undefined;
  return {
    taken,
    send: (message) => {
      if (settle !== undefined) throw new Error("EBUSY");
      taken.push(message);
      return new Promise((resolve, reject) => {
        settle = (failure) => {
          settle = undefined;
          if (failure === undefined) resolve();
          else reject(failure);
        };
      });
    },
    next: (failure) => settle?.(failure),
  };
}

describe("SendQueue", () => {
  it("hands over one message at a time, in order", async () => {
    const socket = heldSocket();
    const queue = new SendQueue(socket.send, 10);
    const all = ["a", "b", "c"].map((message) => queue.push(message));
    for (const [index, sent] of all.entries()) {
      await Promise.resolve();
      expect(socket.taken).toHaveLength(index + 1);
      expect(queue.waiting).toBe(3 - index);
      socket.next();
      await sent;
    }
    expect(socket.taken).toEqual(["a", "b", "c"]);
    expect(queue.waiting).toBe(0);
  });

  it("refuses when it is full, and takes again when there is room", async () => {
    const socket = heldSocket();
    const queue = new SendQueue(socket.send, 2);
    const first = queue.push("a");
    const second = queue.push("b");
    await expect(queue.push("c")).rejects.toMatchObject({ code: "ERR_QUEUE_FULL", details: { limit: 2 } });
    socket.next();
    await first;
    const third = queue.push("d");
    await Promise.resolve();
    socket.next();
    await second;
    await Promise.resolve();
    socket.next();
    await third;
    expect(socket.taken).toEqual(["a", "b", "d"]);
  });

  it("lets a failed send fail its own caller only", async () => {
    const queue = new SendQueue<string>(
      (message) => (message === "bad" ? Promise.reject(new Error("no")) : Promise.resolve()),
      10,
    );
    const outcomes = await Promise.allSettled(["a", "bad", "b"].map((message) => queue.push(message)));
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(queue.waiting).toBe(0);
  });

  it("survives a send that throws instead of rejecting", async () => {
    let first = true;
    const queue = new SendQueue<string>(() => {
      if (!first) return Promise.resolve();
      first = false;
      throw new Error("EBUSY");
    }, 10);
    await expect(queue.push("a")).rejects.toThrow("EBUSY");
    await expect(queue.push("b")).resolves.toBeUndefined();
  });
});
