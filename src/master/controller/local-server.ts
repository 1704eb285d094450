/**
 * `local.sock`: the operator's tools ask here, and nobody else can: the folder is 0700 and each request carries the secret that
 * lies beside the socket. No process with a network socket is given it (W1).
 */
import { chmodSync, lstatSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { equalBytes, randomBytes } from "../../crypto/primitives.ts";
import { MsaltError, messageOf } from "../../errors.ts";
import { failpoint } from "../../lib/failpoint.ts";
import type { Log } from "../../log/log.ts";
import { type Channel, bindRouter } from "../../transport/channel.ts";
import { decode, encode } from "../../wire/codec.ts";
import { limits } from "../../wire/limits.ts";
import { type LocalCommand, type LocalLoad, isLocalCommand, parseLocalLoad } from "../../wire/local.ts";

/** The answer to each local command; leave one out and it does not compile. */
export type LocalHandlers = { readonly [C in LocalCommand]: (load: LocalLoad<C>) => Promise<unknown> };

export interface LocalServerOptions {
  readonly socket: string;
  readonly secretFile: string;
  readonly handlers: LocalHandlers;
  readonly log: Log;
}

/** Resolves when clients can connect; the secret file appears last. */
export async function listenLocal({ socket, secretFile, handlers, log }: LocalServerOptions): Promise<Channel> {
  const secret = keptSecret(secretFile) ?? randomBytes(32);
  const channel: Channel = await bindRouter(`ipc://${socket}`, {
    maxMessageBytes: limits.localRequestBytes,
    sendHighWaterMark: 10_000,
    onError: (failure) => log.warn("bad local request", { failure: messageOf(failure) }),
    onMessage: ([routingId, frame]) => {
      if (routingId === undefined || frame === undefined) return;
      const request = decode(frame, { depth: 32, nodes: limits.resultNodes }) as Record<string, unknown> | null;
      const given = request?.["secret"];
      if (!(given instanceof Uint8Array) || !equalBytes(given, secret)) {
        const error = { code: "ERR_NOT_ALLOWED", message: "the local secret is not the master's", details: {} };
        void channel.send([routingId, encode({ n: request?.["n"], error })]);
        return;
      }
      failpoint("local.accept");
      void serve(handlers, request?.["cmd"], request?.["load"]).then((answer) => {
        failpoint("local.answer");
        void channel.send([routingId, encode({ n: request?.["n"], ...answer })]);
      });
    },
  });
  chmodSync(socket, 0o600);
  writeFileSync(`${secretFile}.new`, secret, { mode: 0o600 });
  failpoint("secret.rename");
  renameSync(`${secretFile}.new`, secretFile);
  return channel;

  async function serve(all: LocalHandlers, cmd: unknown, load: unknown): Promise<Record<string, unknown>> {
    try {
      if (!isLocalCommand(cmd)) throw new MsaltError("ERR_WIRE_INVALID", "no such local command");
      return { ok: await callHandler(all, cmd, load) };
    } catch (failure) {
      return answerOf(failure, log, String(cmd));
    }
  }
}

/** What a caller is told of a failure: all of what was meant for it, nothing of a fault of the master. */
export function answerOf(failure: unknown, log: Log, cmd: string): Record<string, unknown> {
  if (failure instanceof MsaltError) {
    return { error: { code: failure.code, message: failure.message, details: failure.details } };
  }
  log.error("local command failed", { cmd, failure: failure instanceof Error ? failure.stack : failure });
  return { error: { code: "ERR_INTERNAL", message: "internal error; the master's log says more", details: {} } };
}

/** The secret of the run before, so that a tool that has just read it is still known after a restart. */
function keptSecret(file: string): Uint8Array | undefined {
  try {
    const { uid, mode } = lstatSync(file);
    const secret = readFileSync(file);
    return uid === process.getuid?.() && (mode & 0o777) === 0o600 && secret.length === 32 ? secret : undefined;
  } catch {
    return undefined;
  }
}

function callHandler<C extends LocalCommand>(handlers: LocalHandlers, cmd: C, load: unknown): Promise<unknown> {
  return handlers[cmd](parseLocalLoad(cmd, load));
}
