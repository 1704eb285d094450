/** Lets `msalt-call` on this machine run functions in the running minion: one request and one answer a connection. */
import { rmSync } from "node:fs";
import { type Server, type Socket, createConnection, createServer } from "node:net";
import * as z from "zod";
import { MsaltError, messageOf } from "../errors.ts";
import type { FunctionResult } from "../modules/run.ts";
import { messagesOf, sendMessage } from "../transport/stream.ts";
import { type Words, wordsSchema } from "../wire/args.ts";
import { decode, encode, resultScan } from "../wire/codec.ts";
import { parseStrict } from "../wire/loads.ts";

export interface LocalCall {
  readonly fun: string;
  readonly arg: unknown[];
  readonly words: Words;
  readonly user: string;
}

const request = z.strictObject({
  fun: z.string().min(1).max(4096),
  arg: z.array(z.unknown()),
  words: wordsSchema,
  user: z.string().max(128),
});
const maxRequestBytes = 4 * 1_048_576;
const maxAnswerBytes = 64 * 1_048_576;
/** libuv cuts longer paths off. */
const maxPathBytes = 107;

/** In the minion's 0700 data folder: whoever can open it could act as the minion anyway. */
export function callSocket(dataDir: string): string {
  return `${dataDir}/call.sock`;
}

/** @throws MsaltError `ERR_SOCKET_PATH`, or what the system says. */
export async function serveCalls(
  path: string,
  run: (call: LocalCall, signal: AbortSignal) => Promise<FunctionResult>,
): Promise<Server> {
  if (Buffer.byteLength(path) > maxPathBytes) {
    throw new MsaltError(
      "ERR_SOCKET_PATH",
      `${path} is longer than ${maxPathBytes} bytes: msalt-call cannot reach this minion`,
    );
  }
  const server = createServer((socket) => void serve(socket, run));
  rmSync(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    // Made for its owner alone from the first moment on.
    const mask = process.umask(0o177);
    server.once("error", reject).listen(path, resolve);
    process.umask(mask);
  });
  return server;
}

async function serve(
  socket: Socket,
  run: (call: LocalCall, signal: AbortSignal) => Promise<FunctionResult>,
): Promise<void> {
  const gone = new AbortController();
  const leave = (): void => gone.abort("SIGTERM");
  socket.on("error", leave);
  const messages = messagesOf(socket, () => maxRequestBytes);
  try {
    const asked = await only(messages);
    // Nothing more is to come: who asked and went away wants it ended.
    messages.next().then(leave, leave);
    const call = parseStrict(request, "call", decode(asked));
    await sendMessage(socket, encode(await run(call, gone.signal)));
  } catch (failure) {
    const failed = { value: messageOf(failure), retcode: 1, success: false, state: "failed" } satisfies FunctionResult;
    await sendMessage(socket, encode(failed));
  }
  socket.end();
}

async function only(messages: AsyncGenerator<Uint8Array>): Promise<Uint8Array> {
  const { value, done } = await messages.next();
  if (done === true) throw new MsaltError("ERR_COMMAND", "the other side went away");
  return value;
}

/** Asks the running minion; undefined when none runs. @throws MsaltError `ERR_NOT_ALLOWED` when its socket is not ours to use. */
export async function askMinion(path: string, call: LocalCall): Promise<FunctionResult | undefined> {
  const socket = createConnection({ path });
  try {
    await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  } catch (cause) {
    const { code } = cause as { code?: string };
    if (code === "ENOENT" || code === "ECONNREFUSED") return undefined;
    throw new MsaltError(
      "ERR_NOT_ALLOWED",
      `cannot ask the minion: ${messageOf(cause)}`,
      {
        hint: "run this as the user that runs msalt-minion",
      },
      { cause },
    );
  }
  await sendMessage(socket, encode(call));
  const answer = await only(messagesOf(socket, () => maxAnswerBytes));
  socket.destroy();
  return decode(answer, resultScan) as FunctionResult;
}
