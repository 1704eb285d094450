/**
 * Opens sealed requests, checks them in the order size → key → open → prefix → pre-scan → decode → schema → authorise, hands
 * typed commands to the controller and seals its answers (DESIGN §5.2). Before the box opens nothing is answered and nothing
 * is charged to a minion: drops are counted, and a routing id with ten bad frames is dropped unopened (W12).
 */
import type { MasterConfig } from "../../config/master.ts";
import { openEnvelope, sealEnvelope } from "../../crypto/envelope.ts";
import { loadOwnRecord, loadSecret } from "../../crypto/keystore.ts";
import { keyIdOf, sharedKey } from "../../crypto/primitives.ts";
import { MsaltError, messageOf } from "../../errors.ts";
import type { Running } from "../../lib/child.ts";
import { failpoint } from "../../lib/failpoint.ts";
import { Gather } from "../../lib/gather.ts";
import { masterSockets } from "../../lib/sockets.ts";
import { TokenBucket } from "../../lib/token-bucket.ts";
import type { Log } from "../../log/log.ts";
import { connectDealer } from "../../transport/channel.ts";
import { decode, encode } from "../../wire/codec.ts";
import { type DropReason, type Inner, parseOuter } from "../../wire/envelope.ts";
import type { FromFront, MinionCall } from "../../wire/front.ts";
import type { KeyId, MinionId } from "../../wire/ids.ts";
import { limits } from "../../wire/limits.ts";
import { type Command, type Load, type Reply, isCommand, parseLoad } from "../../wire/loads.ts";
import { FileRoots } from "../../files/file-roots.ts";
import { FrontLink } from "../front/link.ts";
import type { WorkerFiles } from "./files.ts";
import { type Connection, Connections, isHeard } from "./connections.ts";
import { rules } from "./rules.ts";

interface Peer {
  readonly id: MinionId;
  readonly key: Uint8Array;
  /** What it may ask of this worker. The controller counts exactly; this keeps a flood away from it. */
  readonly requests: TokenBucket;
  readonly bytes: TokenBucket;
}

interface Waiting {
  readonly routingId: Uint8Array;
  readonly inner: Inner;
  readonly peer: Peer;
  readonly since: number;
  /** What this worker adds to a good answer. */
  readonly fill: (() => Promise<Reply<Command>>) | undefined;
}

/** Requests whose answer never came (a controller restart) are forgotten after this; the minion asks again. */
const abandonedMs = 30_000;
/** A message to the controller costs as much as the rest of a request, so those that come close together share one. */
const gatherMs = 1;

export async function startWorker(config: MasterConfig, epoch: string, log: Log): Promise<Running> {
  const secret = loadSecret(config.pkiDir, "master", "box");
  const ownKeyId = keyIdOf(loadOwnRecord(config.pkiDir, "master").sign);
  const peers = new Map<KeyId, Peer>();
  const waiting = new Map<number, Waiting>();
  const connections = new Connections();
  const dropped: Record<DropReason | "parts" | "key" | "box" | "muted", number> = {
    size: 0,
    magic: 0,
    version: 0,
    parts: 0,
    key: 0,
    box: 0,
    muted: 0,
  };
  const files: WorkerFiles = {
    roots: new FileRoots(config.fileRoots, `${config.dataDir}/spool`),
    received: `${config.dataDir}/minions`,
    maxBytes: config.receivedMaxBytes,
  };
  let count = 0;

  const calls = new Gather<MinionCall>(gatherMs, (all) => {
    for (let at = 0; at < all.length; at += 500) {
      const batch = all.slice(at, at + 500);
      failpoint("calls.send");
      void link.say({ is: "calls", calls: batch } satisfies FromFront).then((taken) => {
        if (!taken) sendAway(batch.map(({ n }) => n));
      });
    }
  });
  /** The controller is away: whoever waits for it is told to come back soon, instead of waiting in vain. */
  const sendAway = (numbers: Iterable<number>): void => {
    for (const n of numbers) {
      const asked = waiting.get(n);
      waiting.delete(n);
      if (asked === undefined) continue;
      const retryMs = 200 + Math.floor(Math.random() * 800);
      answer(asked.routingId, asked.inner, asked.peer, {
        error: "E_BUSY",
        message: "the controller restarts",
        retryMs,
      });
    }
  };
  const drop = (reason: keyof typeof dropped, from: Connection): void => {
    dropped[reason] += 1;
    from.bad += 1;
    log.debug("dropped a frame", { reason, total: dropped[reason] });
  };
  const answer = (routingId: Uint8Array, inner: Inner, peer: Peer, reply: Reply<Command>): void => {
    const sealed = sealEnvelope(
      "reply",
      { sender: ownKeyId, requestId: inner.requestId, bootId: new Uint8Array(8), counter: 0, body: encode(reply) },
      peer.key,
    );
    failpoint("answer.send");
    void requests.send([routingId, sealed]);
  };

  const onRequest = (frames: Uint8Array[]): void => {
    const [routingId, frame] = frames;
    if (routingId === undefined) return;
    const now = performance.now();
    const from = connections.of(Buffer.from(routingId).toString("latin1"), now);
    // Routing ids that libzmq made itself start with a zero byte; only those are unique per connection (F7).
    if (frames.length !== 2 || frame === undefined || routingId[0] !== 0) return drop("parts", from);
    if (!isHeard(from, frame.length, now)) {
      dropped.muted += 1;
      return;
    }
    const outer = parseOuter("request", frame);
    if (typeof outer === "string") return drop(outer, from);
    const peer = peers.get(outer.sender);
    if (peer === undefined) return drop("key", from);
    let inner: Inner | undefined;
    try {
      inner = openEnvelope("request", outer, peer.key);
    } catch {
      inner = undefined;
    }
    if (inner === undefined) return drop("box", from);
    const retryMs = peer.requests.charge(now, 1) || peer.bytes.charge(now, frame.length);
    if (retryMs > 0) {
      const error = { error: "E_RATE", message: "over this minion's quota", retryMs } as const;
      return answer(routingId, inner, peer, error);
    }
    const call = checkBody(inner, peer);
    if ("error" in call) return answer(routingId, inner, peer, call);
    failpoint("request.accept");
    const n = (count += 1);
    const fill = fillOf(call.cmd, call.load, peer.id, files);
    waiting.set(n, { routingId, inner, peer, since: performance.now(), fill });
    const { bootId, counter } = inner;
    calls.add({ n, keyId: outer.sender, bootId, counter, size: inner.body.length, ...call });
  };

  const link = await FrontLink.connect({
    socket: masterSockets(config.sockDir).minion,
    epoch,
    onError: (failure) => log.error("front link failed", { failure: String(failure) }),
    onDisconnect: () => sendAway([...waiting.keys()]),
    onKeys: (update) => {
      if (update.full) peers.clear();
      for (const { keyId, id, box } of update.add) peers.set(keyId, newPeer(id, sharedKey(secret, box)));
      for (const keyId of update.remove) peers.delete(keyId);
    },
    onMessage: (message) => {
      if (message.is !== "replies") return;
      for (const { n, reply } of message.replies) {
        const asked = waiting.get(n);
        waiting.delete(n);
        if (asked === undefined) continue;
        // A key deleted meanwhile is no longer in the table: nothing more is sent to it (P6).
        const send = (last: Reply<Command>): void => {
          if (peers.get(asked.inner.sender) !== undefined) answer(asked.routingId, asked.inner, asked.peer, last);
        };
        if (asked.fill === undefined || "error" in reply) send(reply);
        else void asked.fill().then(send);
      }
    },
  });
  const requests = await connectDealer(`ipc://${masterSockets(config.sockDir).workers}`, {
    onMessage: onRequest,
    onError: (failure) => log.warn("request failed", { failure: messageOf(failure) }),
    reconnectMs: { min: 20, max: 200 },
    receiveHighWaterMark: 64,
    // The answers to all that the controller may hold at once: one that is dropped costs its minion 10 s.
    sendHighWaterMark: limits.controllerQueue,
  });
  const sweep = setInterval(() => {
    const old = performance.now() - abandonedMs;
    for (const [n, { since }] of waiting) {
      if (since > old) break;
      waiting.delete(n);
    }
  }, abandonedMs);

  return {
    close: async () => {
      clearInterval(sweep);
      requests.close();
      link.close();
    },
  };
}

function newPeer(id: MinionId, key: Uint8Array): Peer {
  return {
    id,
    key,
    requests: new TokenBucket(limits.requestsPerSecond, limits.requestBurst),
    bytes: new TokenBucket(limits.bytesPerSecond, limits.byteBurst),
  };
}

/** The typed command inside an opened request, or the error that its sender gets. */
function checkBody(
  inner: Inner,
  peer: Peer,
): { cmd: Command; load: unknown } | Extract<Reply<Command>, { error: string }> {
  let decoded: unknown;
  try {
    decoded = decode(inner.body);
  } catch (failure) {
    return { error: "E_PARSE", message: messageOf(failure) };
  }
  const cmd = (decoded as { cmd?: unknown } | null)?.cmd;
  if (!isCommand(cmd)) return { error: "E_COMMAND", message: "no such command" };
  if (inner.body.length > rules[cmd].maxBytes) {
    return { error: "E_SIZE", message: `${cmd} takes at most ${rules[cmd].maxBytes} bytes` };
  }
  try {
    return { cmd, load: handle(cmd, decoded, peer.id) };
  } catch (failure) {
    if (!(failure instanceof MsaltError)) return { error: "E_INTERNAL", message: "internal error" };
    return { error: failure.code === "ERR_NOT_ALLOWED" ? "E_FORBIDDEN" : "E_SCHEMA", message: failure.message };
  }
}

function handle<C extends Command>(cmd: C, decoded: unknown, from: MinionId): unknown {
  return rules[cmd].handle(parseLoad(cmd, decoded), from);
}

function fillOf<C extends Command>(
  cmd: C,
  load: unknown,
  from: MinionId,
  files: WorkerFiles,
): (() => Promise<Reply<Command>>) | undefined {
  const { answer } = rules[cmd];
  if (answer === undefined) return undefined;
  return () =>
    answer(load as Load<C>, from, files).then(
      (ok) => ({ ok }),
      (failure: unknown) =>
        failure instanceof MsaltError
          ? ({ error: "E_FORBIDDEN", message: failure.message } as const)
          : ({ error: "E_INTERNAL", message: "the file cannot be read or written" } as const),
    );
}
