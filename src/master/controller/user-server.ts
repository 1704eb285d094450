/**
 * `users.sock`: where local users other than the master's own ask, if `publisher_acl` names any. Everybody can connect, so
 * everything is bounded: connections, requests, and what one of them may cost. A connection first proves its user, within
 * seconds, by a name that is good once; it asks one thing at a time.
 */
import { chmodSync, rmSync } from "node:fs";
import { type Socket, createServer } from "node:net";
import { randomBytes } from "../../crypto/primitives.ts";
import { MsaltError } from "../../errors.ts";
import { withDeadline } from "../../lib/deadline.ts";
import { proofFolder, userSocket } from "../../lib/sockets.ts";
import { TokenBucket } from "../../lib/token-bucket.ts";
import type { Log } from "../../log/log.ts";
import { messagesOf, sendMessage } from "../../transport/stream.ts";
import { decode, encode } from "../../wire/codec.ts";
import { limits } from "../../wire/limits.ts";
import { answerOf } from "./local-server.ts";
import { type User, makeUserFolder, provenUid, userOf } from "./user-proof.ts";

export interface UserServerOptions {
  /** Folder of the socket. */
  readonly dir: string;
  readonly log: Log;
  /** @throws MsaltError `ERR_NOT_ALLOWED` for a user who may nothing. */
  readonly admit: (user: User) => void;
  readonly serve: (user: User, cmd: unknown, load: unknown) => Promise<unknown>;
}

const maxPathBytes = 107;
/** What a connection may send before its user is known. */
const proofBytes = 64;
const lstatMs = 2000;

/** Resolves when users can connect. @throws MsaltError `ERR_SOCKET_PATH` or `ERR_NOT_ALLOWED`. */
export async function listenUsers({ dir, log, admit, serve }: UserServerOptions): Promise<{ close: () => void }> {
  const path = `${dir}/${userSocket}`;
  if (Buffer.byteLength(path) > maxPathBytes) {
    throw new MsaltError("ERR_SOCKET_PATH", `socket path is longer than ${maxPathBytes} bytes: ${path}`, {
      hint: "set sock_dir to a shorter folder in the configuration",
    });
  }
  makeUserFolder(dir);
  const strangers = new Set<Socket>();
  const known = new Map<Socket, User>();
  const quotas = new Map<number, { readonly requests: TokenBucket; readonly refusals: TokenBucket }>();
  let proofs: Promise<unknown> = Promise.resolve();
  const connects = new TokenBucket(limits.userConnectsPerSecond, limits.userConnectBurst);

  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    if (!connects.take(performance.now())) return socket.destroy();
    // The newest stay: whoever fills the places has to go on doing it.
    if (strangers.size >= limits.userStrangers) for (const oldest of [...strangers].slice(0, 1)) oldest.destroy();
    strangers.add(socket);
    socket.on("close", () => {
      strangers.delete(socket);
      known.delete(socket);
    });
    void attend(socket)
      .catch((failure: unknown) => sendMessage(socket, encode(answerOf(failure, log, "users.sock"))))
      .finally(() => socket.end(() => socket.destroy()));
  });
  rmSync(path, { force: true });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(path, resolve));
  chmodSync(path, 0o666);
  const close = (): void => {
    server.close();
    for (const socket of [...strangers, ...known.keys()]) socket.destroy();
  };
  return { close };

  /** One at a time: at most one thread waits for a file system that does not answer. */
  function proven(name: string, since: number): Promise<number | undefined> {
    const stuck = (): undefined => {
      log.error(`closed ${path}: something is mounted in its folder ${proofFolder} that does not answer`);
      close();
    };
    const uid = proofs.then(() => withDeadline(provenUid(dir, name, since), lstatMs, stuck));
    proofs = uid.catch(() => undefined);
    return uid;
  }

  async function attend(socket: Socket): Promise<void> {
    const deadline = setTimeout(() => socket.destroy(), limits.userProofMs);
    const messages = messagesOf(socket, () => (known.has(socket) ? limits.userRequestBytes : proofBytes));
    try {
      const name = Buffer.from(randomBytes(16)).toString("hex");
      const since = Date.now();
      await sendMessage(socket, encode({ proof: name }));
      if ((await messages.next()).done === true) return;
      enter(socket, await proven(name, since));
    } finally {
      clearTimeout(deadline);
    }
    const user = known.get(socket);
    if (user === undefined) return;
    socket.setTimeout(limits.userIdleMs, () => socket.destroy());
    await sendMessage(socket, encode({ user: user.name }));
    for await (const message of messages) {
      const request = decode(message, { depth: 32, nodes: limits.nodes }) as Readonly<Record<string, unknown>> | null;
      const answer = await answered(user, request?.["cmd"], request?.["load"]);
      await sendMessage(socket, encode({ n: request?.["n"], ...answer }));
    }
  }

  /** @throws MsaltError `ERR_NOT_ALLOWED`, or `ERR_BUSY` when there is no place for this user. */
  function enter(socket: Socket, uid: number | undefined): void {
    if (uid === undefined) throw new MsaltError("ERR_NOT_ALLOWED", "this does not prove who you are");
    const user = userOf(uid);
    admit(user);
    const own = [...known.values()].filter((each) => each.uid === uid).length;
    if (own >= limits.userConnectionsEach || known.size >= limits.userConnections) {
      const whose = own >= limits.userConnectionsEach ? `${own} tools of ${user.name}` : `${known.size} tools`;
      throw new MsaltError("ERR_BUSY", `${whose} are connected already`, { hint: "try again when some have ended" });
    }
    strangers.delete(socket);
    known.set(socket, user);
  }

  async function answered(user: User, cmd: unknown, load: unknown): Promise<Record<string, unknown>> {
    const quota = quotas.get(user.uid) ?? {
      requests: new TokenBucket(limits.userRequestsPerSecond, limits.userRequestBurst),
      refusals: new TokenBucket(limits.userRefusalsPerSecond, limits.userRefusalBurst),
    };
    quotas.set(user.uid, quota);
    const now = performance.now();
    try {
      const waitMs = quota.refusals.wait(now, 1) || quota.requests.charge(now, 1);
      if (waitMs > 0) throw new MsaltError("ERR_BUSY", `${user.name} asks too much; try again in ${waitMs} ms`);
      return { ok: await serve(user, cmd, load) };
    } catch (failure) {
      if (failure instanceof MsaltError && failure.code === "ERR_NOT_ALLOWED") quota.refusals.take(now);
      return answerOf(failure, log, String(cmd).slice(0, 64));
    }
  }
}
