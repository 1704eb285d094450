/** The physical yardstick's minions: the same sockets, each request answered, nothing in the frames. */
import { generateKeys } from "../../src/crypto/keys.ts";
import { randomBytes, x25519Public } from "../../src/crypto/primitives.ts";
import { type Channel, connectDealer, connectSubscriber } from "../../src/transport/channel.ts";
import { ownCpuMs, serveParent, sharedNow } from "../load-process.ts";

export interface RawMinionCalls {
  /** `publishPort`: each also subscribes to a topic of its own, and answers what comes with one request. */
  connect: {
    load: { port: number; publishPort?: number; server: Uint8Array; connections: number; requestBytes: number };
    answer: undefined;
  };
  /** Every connection has `window` requests in flight until `each` of its requests have been answered. */
  flood: { load: { each: number; window: number }; answer: { startedAt: number; endedAt: number; cpuMs: number } };
  /** Before a publication; `round` resolves when every connection has had it and a reply to the request it made then. */
  arm: { load: undefined; answer: undefined };
  round: { load: undefined; answer: { endedAt: number; cpuMs: number } };
}

const onError = (failure: unknown): void => void process.stderr.write(`raw: ${String(failure)}\n`);
const requests: Channel[] = [];
let request: Uint8Array = new Uint8Array();
let done: Promise<RawMinionCalls["round"]["answer"]> = Promise.reject(new Error("call arm first"));
done.catch(() => undefined);
/** What a reply does now. */
let onReply = (_connection: number): void => undefined;

function curve(server: Uint8Array) {
  const { curve: secretKey } = generateKeys();
  return { side: "client", secretKey, publicKey: x25519Public(secretKey), serverKey: server } as const;
}

/** Resolves when the handshake is over. */
async function connected(open: (up: () => void) => Promise<Channel>): Promise<Channel> {
  let channel: Promise<Channel> | undefined;
  await new Promise<void>((resolve, reject) => {
    channel = open(resolve);
    channel.catch(reject);
  });
  if (channel === undefined) throw new Error("no channel");
  return channel;
}

async function connect(load: RawMinionCalls["connect"]["load"], own: number): Promise<void> {
  const { port, publishPort, server } = load;
  const keys = curve(server);
  const channel = await connected((up) =>
    connectDealer(`tcp://127.0.0.1:${port}`, { onError, curve: keys, onLink: up, onMessage: () => onReply(own) }),
  );
  requests[own] = channel;
  if (publishPort === undefined) return;
  const publications = await connected((up) =>
    connectSubscriber(`tcp://127.0.0.1:${publishPort}`, {
      onError,
      curve: keys,
      onLink: up,
      onMessage: () => void channel.send([request]),
    }),
  );
  publications.subscribe(Buffer.from(randomBytes(16)));
}

serveParent<RawMinionCalls>({
  connect: async (load) => {
    request = randomBytes(load.requestBytes);
    for (let at = 0; at < load.connections; at += 100) {
      const size = Math.min(100, load.connections - at);
      await Promise.all(Array.from({ length: size }, (_, n) => connect(load, at + n)));
    }
    return undefined;
  },
  flood: async ({ each, window }) => {
    const before = ownCpuMs();
    const startedAt = sharedNow();
    const sent = new Uint32Array(requests.length).fill(Math.min(window, each));
    let open = requests.length * each;
    await new Promise<void>((resolve) => {
      onReply = (connection) => {
        open -= 1;
        if (open === 0) return resolve();
        const count = sent[connection] ?? each;
        if (count >= each) return;
        sent[connection] = count + 1;
        void requests[connection]?.send([request]);
      };
      for (const channel of requests) for (let n = Math.min(window, each); n > 0; n -= 1) void channel.send([request]);
    });
    return { startedAt, endedAt: sharedNow(), cpuMs: ownCpuMs() - before };
  },
  arm: async () => {
    const before = ownCpuMs();
    let open = requests.length;
    done = new Promise((resolve) => {
      onReply = () => {
        open -= 1;
        if (open === 0) resolve({ endedAt: sharedNow(), cpuMs: ownCpuMs() - before });
      };
    });
    return undefined;
  },
  round: () => done,
});
