/**
 * The physical yardstick's master: the product's sockets with CURVE and ZAP and nothing else, neither sealing nor codec nor
 * store. One process is either a proxy, a worker or a publisher.
 */
import { randomBytes } from "../../src/crypto/primitives.ts";
import { type Channel, bindPublisher, connectDealer, runProxy, startZap } from "../../src/transport/channel.ts";
import { serveParent } from "../load-process.ts";

export interface RawMasterCalls {
  /** Gives the bound port. */
  proxy: { load: { secret: Uint8Array; back: string }; answer: number };
  worker: { load: { back: string; replyBytes: number }; answer: undefined };
  /** Gives the bound port. */
  publisher: { load: { secret: Uint8Array; frameBytes: number }; answer: number };
  /** Topics that are subscribed. */
  subscribed: { load: undefined; answer: number };
  /** One frame to each of them. */
  publish: { load: undefined; answer: undefined };
}

const onError = (failure: unknown): void => void process.stderr.write(`raw: ${String(failure)}\n`);
const topics = new Map<string, Buffer>();
let publisher: Channel | undefined;

serveParent<RawMasterCalls>({
  proxy: async ({ secret, back }) => {
    await startZap(() => true);
    return runProxy(
      {
        endpoint: "tcp://127.0.0.1:0",
        options: { onError, curve: { side: "server", secretKey: secret }, receiveHighWaterMark: 16 },
      },
      { endpoint: back, highWaterMark: 64 },
      onError,
    );
  },
  worker: async ({ back, replyBytes }) => {
    const reply = randomBytes(replyBytes);
    const channel: Channel = await connectDealer(back, {
      onError,
      receiveHighWaterMark: 64,
      // With the usual 1,000 it drops replies when 2,000 connections ask at once.
      sendHighWaterMark: 100_000,
      onMessage: ([routingId]) => routingId !== undefined && void channel.send([routingId, reply]),
    });
    return undefined;
  },
  publisher: async ({ secret, frameBytes }) => {
    await startZap(() => true);
    publisher = await bindPublisher("tcp://127.0.0.1:0", {
      onError,
      curve: { side: "server", secretKey: secret },
      sendHighWaterMark: 10_000,
      onSubscribe: () => true,
      onSubscribed: (topic) => {
        const frame = Buffer.concat([topic, randomBytes(frameBytes - topic.length)]);
        topics.set(Buffer.from(topic).toString("hex"), frame);
      },
      onUnsubscribed: (topic) => topics.delete(Buffer.from(topic).toString("hex")),
    });
    return publisher.boundPort;
  },
  subscribed: async () => topics.size,
  publish: async () => {
    for (const frame of topics.values()) void publisher?.send([frame]);
    return undefined;
  },
});
