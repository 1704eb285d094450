/**
 * Admits accepted CURVE keys on 4506 and passes their frames to the workers through libzmq's own proxy; answers strangers on
 * 4507 only. Holds the CURVE secret and no other key (DESIGN §3).
 */
import type { MasterConfig } from "../../config/master.ts";
import { loadSecret } from "../../crypto/keystore.ts";
import type { Running } from "../../lib/child.ts";
import { failpoint } from "../../lib/failpoint.ts";
import { masterSockets } from "../../lib/sockets.ts";
import type { Log } from "../../log/log.ts";
import { runProxy, startZap } from "../../transport/channel.ts";
import { limits } from "../../wire/limits.ts";
import { Admitted } from "../front/admitted.ts";
import { FrontLink } from "../front/link.ts";
import { EnrolmentListener } from "./enrolment.ts";

const enrolWaitMs = 2000;

export async function startReqserver(config: MasterConfig, epoch: string, log: Log): Promise<Running> {
  const admitted = new Admitted();
  const waiting = new Map<number, (reply: Uint8Array | undefined) => void>();
  let count = 0;

  const link = await FrontLink.connect({
    socket: masterSockets(config.sockDir).minion,
    epoch,
    onError: (failure) => log.error("front link failed", { failure: String(failure) }),
    onKeys: (update) => void admitted.apply(update),
    onMessage: (message) => {
      if (message.is === "enrolled") waiting.get(message.n)?.(message.reply ?? undefined);
    },
  });

  const zap = await startZap((key, address) => {
    const ok = admitted.has(key);
    if (!ok) log.debug("refused a key on the request port", { address });
    return ok;
  });
  const askController = (request: Uint8Array, address: string): Promise<Uint8Array | undefined> =>
    new Promise((resolve) => {
      const n = (count += 1);
      const done = (reply: Uint8Array | undefined): void => {
        clearTimeout(timer);
        waiting.delete(n);
        resolve(reply);
      };
      const timer = setTimeout(done, enrolWaitMs, undefined);
      waiting.set(n, done);
      failpoint("enrol.ask");
      void link.say({ is: "enrol", n, request, address });
    });
  const listener = new EnrolmentListener(askController, config.enrollRate);
  const enrollPort = config.enroll ? await listener.listen({ host: config.interface, port: config.enrollPort }) : 0;
  // Last, because a process whose proxy runs can no longer end in order and say why.
  const retPort = await runProxy(
    {
      endpoint: `tcp://${config.interface}:${config.retPort}`,
      options: {
        onError: () => undefined,
        curve: { side: "server", secretKey: loadSecret(config.pkiDir, "master", "curve") },
        maxMessageBytes: limits.requestBytes,
        receiveHighWaterMark: limits.receiveHighWaterMark,
        handshakeMs: limits.handshakeMs,
        keepAlive: true,
      },
    },
    { endpoint: `ipc://${masterSockets(config.sockDir).workers}`, highWaterMark: 64 },
    (failure) => {
      log.error("the request proxy ended", { failure: String(failure) });
      process.exit(1);
    },
  );

  return {
    info: { ret_port: retPort, ...(config.enroll && { enroll_port: enrollPort }) },
    close: async () => {
      await listener.close();
      zap.close();
      link.close();
    },
  };
}
