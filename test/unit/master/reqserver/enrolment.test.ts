import { type Socket, connect, createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { EnrolmentListener } from "../../../../src/master/reqserver/enrolment.ts";
import { limits } from "../../../../src/wire/limits.ts";
import { code, flip, host } from "../../../support/keys.ts";

vi.mock("../../../../src/wire/limits.ts", async (load) => {
  const real = await load<{ limits: object }>();
  return { limits: { ...real.limits, enrolDeadlineMs: 150, enrolSockets: 8 } };
});

const good = host("m1").request();
const answer = Buffer.from("the answer");
const perMinute = 30;

let now = 0;
let asked: { request: string; address: string }[] = [];
let reply: () => Promise<Uint8Array | undefined>;
let listener: EnrolmentListener;
let port = 0;
const sockets: Socket[] = [];

beforeEach(async () => {
  now = 0;
  asked = [];
  reply = async () => answer;
  listener = new EnrolmentListener(
    (request, address) => {
      asked.push({ request: Buffer.from(request).toString("hex"), address });
      return reply();
    },
    perMinute,
    () => now,
  );
  port = await listener.listen({ host: "127.0.0.1", port: 0 });
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await listener.close();
});

function open(): Socket {
  const socket = connect({ host: "127.0.0.1", port });
  socket.on("error", () => undefined);
  sockets.push(socket);
  return socket;
}

/** What comes back until the other side closes. */
function rest(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    socket.on("data", (part) => parts.push(part));
    socket.on("close", () => resolve(Buffer.concat(parts).toString()));
  });
}

function send(...parts: Uint8Array[]): Promise<string> {
  const socket = open();
  for (const part of parts) socket.write(part);
  return rest(socket);
}

const counted = (name: keyof typeof listener.counters, least = 1): Promise<void> =>
  vi.waitFor(() => expect(listener.counters[name]).toBeGreaterThanOrEqual(least));

describe("EnrolmentListener", () => {
  it("hands a good request on and sends the answer back", async () => {
    expect(await send(good)).toBe("the answer");
    expect(asked).toEqual([{ request: Buffer.from(good).toString("hex"), address: "127.0.0.1" }]);
    expect(listener.counters.answered).toBe(1);
  });

  it("takes a request that comes in pieces, and one whose sender has ended its side", async () => {
    const socket = open();
    const all = rest(socket);
    for (const byte of good) socket.write(Uint8Array.of(byte));
    socket.end();
    expect(await all).toBe("the answer");
  });

  it.each([
    ["invalid", "a flipped signature bit", flip(good, good.length - 1)],
    ["invalid", "another version", flip(good, 2)],
    ["invalid", "another magic", flip(good, 0)],
    ["invalid", "HS-03: an id that names a path", host("../m1", "m1").request()],
    ["invalid", "the record of a master", host("m", "m", "master").request()],
    ["size", "a byte too many", Buffer.concat([good, Buffer.alloc(1)])],
    ["size", "a length over the limit", Buffer.from([0x6d, 0x45, 1, 0xff, 0xff, 0])],
    ["size", "a flood", Buffer.alloc(100_000, 0x6d)],
  ] as const)("drops without a word, counted as %s: %s", async (reason, _case, bytes) => {
    expect(await send(bytes)).toBe("");
    await counted(reason);
    expect(asked).toEqual([]);
    expect(await send(good)).toBe("the answer");
  });

  it("drops a request cut at any byte", async () => {
    for (const length of [0, 1, 4, 5, 60, good.length - 1]) {
      const socket = open();
      const all = rest(socket);
      socket.end(good.subarray(0, length));
      expect(await all).toBe("");
    }
    await counted("cut", 6);
    expect(asked).toEqual([]);
  });

  it("drops whoever has not said everything when the time is over", async () => {
    const silent = rest(open());
    const half = send(good.subarray(0, 100));
    expect(await Promise.all([silent, half])).toEqual(["", ""]);
    expect(listener.counters.deadline).toBe(2);
  });

  it("drops when the controller has no answer, fails, or is too late, and stays up", async () => {
    reply = async () => undefined;
    expect(await send(good)).toBe("");
    reply = () => Promise.reject(new Error("controller gone"));
    expect(await send(good)).toBe("");
    await counted("unanswered", 2);
    const late: ((reply: Uint8Array) => void)[] = [];
    reply = () => new Promise((resolve) => late.push(resolve));
    expect(await send(good)).toBe("");
    for (const resolve of late) resolve(answer);
    await counted("deadline");
    reply = async () => answer;
    expect(await send(good)).toBe("the answer");
  });

  it("survives a peer that resets", async () => {
    const socket = open();
    await new Promise((resolve) => socket.once("connect", resolve));
    socket.write(good.subarray(0, 10));
    socket.resetAndDestroy();
    await counted("cut");
    expect(await send(good)).toBe("the answer");
  });

  it("P7: holds so many sockets at once and no more", async () => {
    const held = Array.from({ length: limits.enrolSockets }, () => open());
    await Promise.all(held.map((socket) => new Promise((resolve) => socket.once("connect", resolve))));
    const over = await send(good);
    expect(over).toBe("");
    expect(listener.counters.sockets).toBe(1);
    await Promise.all(held.map((socket) => new Promise((resolve) => socket.once("close", resolve))));
    expect(await send(good)).toBe("the answer");
  });

  it("P7: takes so many from one address, then what its rate allows", async () => {
    for (let n = 0; n < 2 * perMinute; n += 1) expect(await send(good)).toBe("the answer");
    expect(await send(good)).toBe("");
    expect(listener.counters.rate).toBe(1);
    now += 60_000 / perMinute;
    expect(await send(good)).toBe("the answer");
    expect(await send(good)).toBe("");
  });

  it("names a port that is in use and what to do", async () => {
    const other = new EnrolmentListener(async () => undefined, perMinute);
    await expect(other.listen({ host: "127.0.0.1", port })).rejects.toThrow(code("ERR_PORT_IN_USE"));
    await expect(other.listen({ host: "127.0.0.1", port })).rejects.toThrow(new RegExp(`port ${port} .*enroll_port`));
    await other.close();
  });

  it("names an address that is not ours", async () => {
    const other = new EnrolmentListener(async () => undefined, perMinute);
    await expect(other.listen({ host: "192.0.2.77", port: 0 })).rejects.toThrow(code("ERR_CONFIG_INVALID"));
  });

  it("closes with connections open, and frees the port", async () => {
    const socket = open();
    const all = rest(socket);
    await new Promise((resolve) => socket.once("connect", resolve));
    await listener.close();
    await all;
    const next = createServer();
    await new Promise<void>((resolve) => next.listen(port, "127.0.0.1", resolve));
    expect(next.address()).toMatchObject({ port });
    await new Promise((resolve) => next.close(resolve));
  });
});
