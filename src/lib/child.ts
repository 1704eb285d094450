/**
 * The child's end of the master's supervision: answers the supervisor's pings, stops when told to, and ends at once when
 * the supervisor is gone, so that no front process outlives its master.
 */
import { writeSync } from "node:fs";
import { type ErrorCode, MsaltError } from "../errors.ts";
import { failpoint } from "./failpoint.ts";

/** What the supervisor says to a child. `fronts`: the front processes that live now, for the controller only. */
export type ToChild =
  | { readonly ping: number }
  | { readonly stop: true }
  | { readonly fronts: readonly { readonly epoch: string; readonly role: string }[] };

/** Why a child cannot go on, as it crosses to its parent. */
export interface Fatal {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
}

/** A fault of our own shows where it came from. */
export function fatalOf(failure: unknown): Fatal {
  if (failure instanceof MsaltError) {
    return { code: failure.code, message: failure.message, hint: String(failure.details["hint"] ?? "") };
  }
  const message = failure instanceof Error ? (failure.stack ?? failure.message) : String(failure);
  return { code: "ERR_INTERNAL", message, hint: "" };
}

export function errorOfFatal({ code, message, hint }: Fatal): MsaltError {
  return new MsaltError(code, message, hint === "" ? {} : { hint });
}

/** What a child says. `kill`: the controller wants the front process of this epoch gone. */
export type FromChild =
  | { readonly pong: number }
  | { readonly ready: Readonly<Record<string, number>> }
  | { readonly fatal: Fatal }
  | { readonly kill: string };

/** What the supervisor hands to each child in its environment. */
export interface ChildSettings {
  readonly epoch: string;
  readonly number: number;
  readonly rootDir?: string;
  readonly configDir?: string;
  readonly overrides: Readonly<Record<string, unknown>>;
}

export const childSettingsVariable = "MSALT_CHILD";

export interface Running {
  /** Said to the supervisor with `ready`: bound ports. */
  readonly info?: Readonly<Record<string, number>>;
  readonly onFronts?: (fronts: readonly { readonly epoch: string; readonly role: string }[]) => void;
  close(): Promise<void>;
}

/** Runs one child process of the master from start to exit. `start` rejects when the child cannot do its work. */
export async function runChild(start: (settings: ChildSettings) => Promise<Running>): Promise<void> {
  const text = process.env[childSettingsVariable];
  if (text === undefined || process.send === undefined) {
    throw new MsaltError("ERR_USAGE", "this program is a part of msalt-master, which starts it");
  }
  delete process.env[childSettingsVariable];
  // Sockets and files of the master are its own, whatever the umask of who started it.
  process.umask(0o077);
  // The supervisor alone decides when to stop: a terminal's Ctrl-C reaches the whole group.
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => undefined);
  process.on("disconnect", leave);
  // The ordinary end would wait for the thread that the request proxy holds, for ever, with its ports still bound.
  process.on("uncaughtException", (failure) => {
    try {
      writeSync(process.stderr.fd, `${failure.stack ?? failure.message}\n`);
    } finally {
      leave();
    }
  });
  // The supervisor may have died while this process was still loading: then nobody emits that event any more.
  if (!process.connected) leave();
  let fronts: ToChild | undefined;
  let running: Running | undefined;
  process.on("message", (message: ToChild) => {
    failpoint("child.ping");
    if ("ping" in message) tell({ pong: message.ping });
    else if ("stop" in message) void Promise.resolve(running?.close()).finally(leave);
    else if (running === undefined) fronts = message;
    else running.onFronts?.(message.fronts);
  });
  failpoint("child.start");
  try {
    running = await start(JSON.parse(text) as ChildSettings);
  } catch (failure) {
    process.send({ fatal: fatalOf(failure) } satisfies FromChild, undefined, undefined, leave);
    return;
  }
  if (fronts !== undefined && "fronts" in fronts) running.onFronts?.(fronts.fronts);
  tell({ ready: running.info ?? {} });
}

/** An ordinary exit would wait for libzmq, and that for ever for the proxy's sockets; everything worth keeping is closed. */
function leave(): void {
  process.kill(process.pid, "SIGKILL");
}

/** Says one thing to the supervisor; silent when it is gone, also when it goes at this very moment. */
export function tell(message: FromChild): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}
