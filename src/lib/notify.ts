import { spawn } from "node:child_process";

/**
 * Tells systemd how this service is doing, where it asked to be told (`NOTIFY_SOCKET`). Node has no datagram sockets of the
 * unix kind, so systemd's own helper sends the word; the unit's `NotifyAccess=all` lets it.
 */
export function notifySystemd(state: "READY=1" | "STOPPING=1"): void {
  if (process.env["NOTIFY_SOCKET"] === undefined) return;
  const child = spawn("systemd-notify", [`--pid=${process.pid}`, state], { stdio: "ignore" });
  child.on("error", () => undefined);
  child.unref();
}
