/**
 * The way of a user whom the master's `publisher_acl` names: a connection on `users.sock`, which proves who it is by making a
 * directory of the name that the master says.
 */
import { closeSync, constants, fstatSync, mkdirSync, openSync, rmdirSync } from "node:fs";
import { type Socket, createConnection } from "node:net";
import { MsaltError } from "../errors.ts";
import { proofFolder, userSocket } from "../lib/sockets.ts";
import { messagesOf, sendMessage } from "../transport/stream.ts";
import { decode, encode, resultScan } from "../wire/codec.ts";

export interface UserLinkOptions {
  readonly onMessage: (frames: readonly Uint8Array[]) => void;
  /** `up` when the master has said that it knows the user. */
  readonly onLink: (state: "up" | "down") => void;
  /** The master lets this user in no more; it is not asked again. */
  readonly onRefused: (error: unknown) => void;
}

/** Not among Node's constants: names a directory that need not be readable. */
const pathOnly = 0o10000000;
const reconnectMs = 100;
const maxAnswerBytes = 256 * 1_048_576;

/**
 * Connects in the background, again and again until it is closed or refused; what is sent meanwhile waits.
 * @throws MsaltError `ERR_NOT_ALLOWED` when the folder is not what a master makes.
 */
export async function connectAsUser(
  folder: string,
  { onMessage, onLink, onRefused }: UserLinkOptions,
): Promise<{ send: (frames: readonly Uint8Array[]) => Promise<boolean>; close: () => void }> {
  const place = openPlace(folder);
  let socket: Socket | undefined;
  let early: Uint8Array[] = [];
  let known = false;
  const ended = new AbortController();
  let refusal: unknown;
  void keep();
  return {
    send: async ([frame]) => {
      if (refusal !== undefined) onRefused(refusal);
      if (frame === undefined || ended.signal.aborted) return false;
      if (known && socket !== undefined) void sendMessage(socket, frame);
      else early.push(frame);
      return true;
    },
    close: () => {
      ended.abort();
      socket?.destroy();
    },
  };

  async function keep(): Promise<void> {
    while (!ended.signal.aborted) {
      const attempt = createConnection({ path: `${place.folder}/${userSocket}` });
      socket = attempt;
      await attend(attempt).catch(() => undefined);
      attempt.destroy();
      if (known) onLink("down");
      known = false;
      await new Promise((resolve) => setTimeout(resolve, reconnectMs).unref());
    }
    place.close();
  }

  async function attend(connection: Socket): Promise<void> {
    const messages = messagesOf(connection, () => maxAnswerBytes);
    const next = async (): Promise<Record<string, unknown>> =>
      decode((await messages.next()).value ?? encode({}), resultScan) as Record<string, unknown>;
    const { proof, error } = await next();
    if (typeof proof === "string" && /^[0-9a-f]{32}$/.test(proof)) {
      mkdirSync(`${place.proofs}/${proof}`, { mode: 0o700 });
      try {
        await sendMessage(connection, encode({ made: true }));
        const answer = await next();
        if ("user" in answer) known = true;
        else if ("error" in answer) refuse(answer["error"]);
      } finally {
        removeProof(`${place.proofs}/${proof}`);
      }
    } else if (error !== undefined) refuse(error);
    if (!known) return;
    onLink("up");
    const waiting = early;
    early = [];
    for (const frame of waiting) void sendMessage(connection, frame);
    for await (const message of messages) onMessage([message]);
  }

  function refuse(error: unknown): void {
    ended.abort();
    refusal = error;
    onRefused(error);
  }
}

/**
 * The two folders, held open: what the socket in the one says is done in the other, whatever becomes of their names. Otherwise a
 * folder of somebody's own could have a directory made among the proofs of a real master, in this user's name.
 */
function openPlace(folder: string): { folder: string; proofs: string; close: () => void } {
  const flags = pathOnly | constants.O_DIRECTORY | constants.O_NOFOLLOW;
  const descriptors: number[] = [];
  const close = (): void => {
    for (const descriptor of descriptors.splice(0)) closeSync(descriptor);
  };
  const hold = (path: string): { path: string; uid: number; mode: number } => {
    const descriptor = openSync(path, flags);
    descriptors.push(descriptor);
    const { uid, mode } = fstatSync(descriptor);
    return { path: `/proc/self/fd/${descriptor}`, uid, mode: mode & 0o7777 };
  };
  try {
    const outer = hold(folder);
    const inner = hold(`${outer.path}/${proofFolder}`);
    if (outer.uid !== inner.uid || outer.mode !== 0o755 || inner.mode !== 0o1733) throw new Error("not a master's");
    return { folder: outer.path, proofs: inner.path, close };
  } catch (cause) {
    close();
    throw new MsaltError(
      "ERR_NOT_ALLOWED",
      `${folder} is not as a master makes it, so it is not trusted`,
      {},
      { cause },
    );
  }
}

/** The master has done so, unless it ended meanwhile. */
function removeProof(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // It is gone.
  }
}
