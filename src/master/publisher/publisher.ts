/**
 * Publishes on 4505: one topic per minion, known to it alone; a wrap sealed for each target, the order's body encrypted once
 * (DESIGN §5.3). Knows topics and publish keys, cannot sign. A subscription to anything but a live topic gets nothing (W4).
 */
import type { MasterConfig } from "../../config/master.ts";
import { loadSecret } from "../../crypto/keystore.ts";
import { randomBytes } from "../../crypto/primitives.ts";
import { type PublishSession, sealBody, sealOrder, sealReady } from "../../crypto/publication.ts";
import type { Running } from "../../lib/child.ts";
import { failpoint } from "../../lib/failpoint.ts";
import { masterSockets } from "../../lib/sockets.ts";
import type { Log } from "../../log/log.ts";
import { type Channel, bindPublisher, startZap } from "../../transport/channel.ts";
import type { ToFront } from "../../wire/front.ts";
import { asJid, type KeyId } from "../../wire/ids.ts";
import { limits } from "../../wire/limits.ts";
import { Admitted } from "../front/admitted.ts";
import { FrontLink } from "../front/link.ts";

interface Session extends PublishSession {
  readonly keyId: KeyId;
  sequence: number;
  subscribed: boolean;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

export async function startPublisher(config: MasterConfig, epoch: string, log: Log): Promise<Running> {
  const admitted = new Admitted();
  const byKey = new Map<KeyId, Session>();
  const byTopic = new Map<string, Session>();
  const boot = randomBytes(8);
  let publisher: Channel | undefined;

  const forget = (keyId: KeyId): void => {
    const session = byKey.get(keyId);
    if (session === undefined) return;
    byKey.delete(keyId);
    byTopic.delete(hex(session.topic));
  };
  const onMessage = (message: ToFront): void => {
    if (message.is === "sessions") {
      for (const begun of message.sessions) {
        forget(begun.keyId);
        const session = { ...begun, sequence: 0, subscribed: false };
        byKey.set(begun.keyId, session);
        byTopic.set(hex(begun.topic), session);
      }
    } else if (message.is === "publish") {
      failpoint("order.accept");
      const sealed = sealBody(asJid(message.jid), message.order);
      for (const { keyId, signature } of message.targets) {
        const session = byKey.get(keyId);
        if (session === undefined) continue;
        session.sequence += 1;
        failpoint("frame.send");
        void publisher?.send([sealOrder(session, session.sequence, sealed, signature)]);
      }
    }
  };

  // Before the port opens: libzmq never tries again with a key that was refused once.
  const link = await FrontLink.connect({
    socket: masterSockets(config.sockDir).minion,
    epoch,
    onError: (failure) => log.error("front link failed", { failure: String(failure) }),
    onKeys: (update) => {
      for (const keyId of admitted.apply(update)) forget(keyId);
    },
    onConnect: () => {
      for (const { keyId, topic, subscribed } of byKey.values())
        if (subscribed) void link.say({ is: "link", keyId, topic, up: true });
    },
    onMessage,
  });
  const zap = await startZap((key) => admitted.has(key));
  publisher = await bindPublisher(`tcp://${config.interface}:${config.publishPort}`, {
    onError: (failure) => log.warn("publish socket", { failure: String(failure) }),
    curve: { side: "server", secretKey: loadSecret(config.pkiDir, "master", "curve") },
    maxMessageBytes: limits.subscriptionBytes,
    handshakeMs: limits.handshakeMs,
    keepAlive: true,
    onSubscribe: (prefix) => prefix.length === 16 && byTopic.has(hex(prefix)),
    onSubscribed: (prefix) => {
      const session = byTopic.get(hex(prefix));
      if (session === undefined) return;
      session.subscribed = true;
      failpoint("ready.send");
      void publisher?.send([sealReady(session, session.sequence, boot)]);
      void link.say({ is: "link", keyId: session.keyId, topic: session.topic, up: true });
    },
    onUnsubscribed: (prefix) => {
      const session = byTopic.get(hex(prefix));
      if (session === undefined) return;
      session.subscribed = false;
      void link.say({ is: "link", keyId: session.keyId, topic: prefix, up: false });
    },
  });
  return {
    info: { publish_port: publisher.boundPort },
    close: async () => {
      publisher?.close();
      zap.close();
      link.close();
    },
  };
}
