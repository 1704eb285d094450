import { spawn } from "node:child_process";

// Taken out of the environment at once: a program that a job runs (or a daemon that it starts) would else speak to systemd in
// the name of this service, and could make itself its main process.
const socket = process.env["NOTIFY_SOCKET"];
delete process.env["NOTIFY_SOCKET"];

/**
 * Tells systemd how this service is doing, where it asked to be told (`NOTIFY_SOCKET`). Node has no datagram sockets of the
 * unix kind, so systemd's own helper sends the word (it knows abstract sockets too); the unit's `NotifyAccess=all` lets it.
 */
export function notifySystemd(state: "READY=1" | "STOPPING=1"): void {
  if (socket === undefined) return;
  const env = { ...process.env, NOTIFY_SOCKET: socket };
  const child = spawn("systemd-notify", [`--pid=${process.pid}`, state], { stdio: "ignore", env });
  child.on("error", () => undefined);
  child.unref();
}
