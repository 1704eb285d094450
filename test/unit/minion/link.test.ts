import { decode, encode } from "@msgpack/msgpack";
import nacl from "tweetnacl";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Publisher, Router } from "zeromq";
import { generateKeys, makeKeyRecord } from "../../../src/crypto/keys.ts";
import { keyIdOf } from "../../../src/crypto/primitives.ts";
import { Link } from "../../../src/minion/link.ts";
import type { KeyRecord } from "../../../src/wire/key-record.ts";
import { limits } from "../../../src/wire/limits.ts";
import { z85 } from "../../support/raw-minion.ts";

/** A master by hand: it opens what comes and answers what a test wants. */
const masterKeys = generateKeys();
const minionKeys = generateKeys();
const master: KeyRecord = makeKeyRecord("master", "master", masterKeys, 1);
const minion: KeyRecord = makeKeyRecord("minion", "m1", minionKeys, 1);
const masterKeyId = Buffer.from(keyIdOf(master.sign), "hex");
const minionKeyId = Buffer.from(keyIdOf(minion.sign), "hex");

interface Asked {
  readonly from: Buffer;
  readonly frame: Buffer;
  readonly requestId: Buffer;
  readonly body: Record<string, unknown>;
}

let router: Router;
let publisher: Publisher;
let link: Link;
let requests: Asked[];
let errors: unknown[];

function reply(
  requestId: Buffer,
  body: unknown,
  change: { direction?: number; key?: Uint8Array; sender?: Buffer } = {},
): Buffer {
  const direction = change.direction ?? 2;
  const sender = change.sender ?? masterKeyId;
  const inner = Buffer.concat([Buffer.from([direction]), sender, requestId, Buffer.alloc(16), encode(body)]);
  const nonce = nacl.randomBytes(24);
  const box = nacl.box(inner, nonce, minion.box, change.key ?? masterKeys.box);
  return Buffer.concat([Buffer.from([0x6d, 0x53, 1, direction]), sender, nonce, box]);
}

async function asked(count: number): Promise<Asked[]> {
  while (requests.length < count) {
    const [from, frame] = (await router.receive()) as [Buffer, Buffer];
    const inner = nacl.box.open(frame.subarray(44), frame.subarray(20, 44), minion.box, masterKeys.box);
    if (inner === null) throw new Error("the request does not open");
    expect(Buffer.from(inner.subarray(1, 17)).equals(minionKeyId)).toBe(true);
    requests.push({
      from,
      frame,
      requestId: Buffer.from(inner.subarray(17, 33)),
      body: decode(inner.subarray(49)) as Record<string, unknown>,
    });
  }
  return requests;
}

let counter = 0;
function open(requestEndpoint: string): Promise<Link> {
  const portOf = (endpoint: string | null): number => Number(endpoint?.split(":").at(-1));
  return Link.open({
    host: "127.0.0.1",
    requestPort: portOf(requestEndpoint),
    publishPort: portOf(publisher.lastEndpoint),
    keys: minionKeys,
    record: minion,
    master,
    bootId: Buffer.alloc(8, 3),
    nextCounter: () => (counter += 1),
    onPublication: () => undefined,
    onLink: () => undefined,
    onError: (failure) => errors.push(failure),
  });
}

beforeEach(async () => {
  requests = [];
  errors = [];
  const server = { curveServer: true, curveSecretKey: z85(masterKeys.curve), linger: 0 };
  router = new Router(server);
  publisher = new Publisher(server);
  await router.bind("tcp://127.0.0.1:0");
  await publisher.bind("tcp://127.0.0.1:0");
  link = await open(router.lastEndpoint ?? "");
});
afterEach(() => {
  link.close();
  router.close();
  publisher.close();
});

describe("Link", () => {
  it("EN-06: gives each request its own answer when the answers come in another order", async () => {
    const both = [
      link.ask({ cmd: "job.start", jid: "20261121020634330961" as never, count: 0 }, 5000),
      link.ask({ cmd: "sync" }, 5000),
    ];
    const [first, second] = (await asked(2)) as [Asked, Asked];
    const answerTo = (each: Asked): unknown => ({
      ok: each.body["cmd"] === "sync" ? { jobs: [], more: false, time: 2 } : { time: 1 },
    });
    await router.send([second.from, reply(second.requestId, answerTo(second))]);
    await router.send([first.from, reply(first.requestId, answerTo(first))]);
    expect(await Promise.all(both)).toEqual([{ time: 1 }, { jobs: [], more: false, time: 2 }]);
  });

  it.each<[string, (request: Asked) => Buffer]>([
    ["EN-07: its own request, sent back as a reply", ({ frame }) => frame],
    [
      "EN-07: its own request under the header of a reply",
      ({ frame }) => Buffer.concat([frame.subarray(0, 3), Buffer.from([2]), masterKeyId, frame.subarray(20)]),
    ],
    [
      "EN-07: an answer that says it is a request",
      ({ requestId }) => reply(requestId, { ok: { time: 9 } }, { direction: 1 }),
    ],
    ["EN-06: an answer to a request that it never made", () => reply(Buffer.alloc(16, 7), { ok: { time: 9 } })],
    [
      "EN-06: an answer that another key sealed",
      ({ requestId }) => reply(requestId, { ok: { time: 9 } }, { key: generateKeys().box }),
    ],
    [
      "EN-06: an answer in another minion's name",
      ({ requestId }) => reply(requestId, { ok: { time: 9 } }, { sender: minionKeyId }),
    ],
    ["EN-01: a frame that is cut", ({ requestId }) => reply(requestId, { ok: { time: 9 } }).subarray(0, 50)],
    ["EN-01: nothing", () => Buffer.alloc(0)],
  ])("refuses %s, and takes the true answer after it", async (_case, forge) => {
    const answer = link.ask({ cmd: "job.start", jid: "20261121020634330961" as never, count: 0 }, 5000);
    const [request] = (await asked(1)) as [Asked];
    await router.send([request.from, forge(request)]);
    await router.send([request.from, reply(request.requestId, { ok: { time: 1 } })]);
    expect(await answer).toEqual({ time: 1 });
  });

  it("does not take an old answer for a new request", async () => {
    const first = link.ask({ cmd: "sync" }, 5000);
    const [one] = (await asked(1)) as [Asked];
    const old = reply(one.requestId, { ok: { jobs: [], more: false, time: 1 } });
    await router.send([one.from, old]);
    await first;
    const second = link.ask({ cmd: "sync" }, 5000);
    const [, two] = (await asked(2)) as [Asked, Asked];
    await router.send([two.from, old]);
    await router.send([two.from, reply(two.requestId, { ok: { jobs: [], more: false, time: 2 } })]);
    expect(await second).toMatchObject({ time: 2 });
  });

  it("does not send what would end the connection", async () => {
    const arg = ["x".repeat(limits.requestBytes)];
    const large = { cmd: "peer.publish", tgt: "*", tgt_type: "glob", fun: "test.echo", arg, timeout: 1000 } as const;
    await expect(link.ask(large, 5000)).rejects.toThrow(`over the ${limits.requestBytes} of a request`);
    const answer = link.ask({ cmd: "sync" }, 5000);
    const [request] = (await asked(1)) as [Asked];
    expect(request.body).toEqual({ cmd: "sync" });
    await router.send([request.from, reply(request.requestId, { ok: { jobs: [], more: false, time: 1 } })]);
    await answer;
  });

  it("waits longer for a master that comes back than for its answer", async () => {
    const endpoint = router.lastEndpoint ?? "";
    router.close();
    // One that never had a connection, which could take the request just before it breaks.
    link.close();
    link = await open(endpoint);
    const answer = link.ask({ cmd: "sync" }, 4000, { connectMs: 30_000 });
    await new Promise((resolve) => setTimeout(resolve, 4500));
    router = new Router({ curveServer: true, curveSecretKey: z85(masterKeys.curve), linger: 0 });
    await router.bind(endpoint);
    const [request] = (await asked(1)) as [Asked];
    await router.send([request.from, reply(request.requestId, { ok: { jobs: [], more: false, time: 7 } })]);
    expect(await answer).toMatchObject({ time: 7 });
  });

  it("says what the master refused, and that it did not answer", async () => {
    const refused = link.ask({ cmd: "sync" }, 5000);
    const [request] = (await asked(1)) as [Asked];
    await router.send([request.from, reply(request.requestId, { error: "E_BUSY", message: "later", retryMs: 5 })]);
    await expect(refused).rejects.toMatchObject({ code: "E_BUSY", retryMs: 5 });
    await expect(link.ask({ cmd: "sync" }, 50)).rejects.toMatchObject({ code: "ERR_TIMEOUT" });
  });
});
