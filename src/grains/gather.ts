import { cpus, hostname, machine, networkInterfaces, release, type, userInfo, version as kernelVersion } from "node:os";
import type { MinionId } from "../wire/ids.ts";
import { SystemFiles } from "./files.ts";
import { hardwareGrains } from "./hardware.ts";
import { networkGrains } from "./network.ts";
import { osGrains } from "./os-release.ts";

export interface GrainsOptions {
  /** Where `/proc`, `/sys` and `/etc` are looked for. */
  readonly root?: string;
  readonly id: MinionId;
  readonly master?: string;
  /** Of msalt. */
  readonly version: string;
  /** From the minion's own files; they win over what was found, but for `id`. */
  readonly custom?: Readonly<Record<string, unknown>>;
}

/** The facts of this machine under Salt's names, read from files in a few milliseconds; no child process, no look-up in DNS. */
export async function gatherGrains({
  root = "/",
  id,
  master,
  version,
  custom,
}: GrainsOptions): Promise<Record<string, unknown>> {
  const files = new SystemFiles(root);
  const nodename = hostname();
  const fqdn = fullName(files.text("etc/hosts"), nodename);
  const [host = nodename] = fqdn.split(".");
  const cpuarch = machine();
  return {
    host,
    fqdn,
    domain: fqdn.slice(host.length + 1),
    nodename,
    localhost: nodename,
    ...(master !== undefined && { master }),
    ...osGrains(files.text("etc/os-release") || files.text("usr/lib/os-release"), cpuarch),
    cpuarch,
    num_cpus: cpus().length,
    ...hardwareGrains(files),
    kernel: type(),
    kernelrelease: release(),
    kernelversion: kernelVersion(),
    ...initGrains(files),
    ...networkGrains(files, networkInterfaces()),
    machine_id: files.line("etc/machine-id") || files.line("var/lib/dbus/machine-id"),
    server_id: await serverId(id),
    locale_info: localeInfo(),
    ...processGrains(files),
    msaltversion: version,
    nodeversion: process.versions.node,
    ...custom,
    id,
  };
}

/** The name that the hosts file gives to this machine, if it is one with a domain. */
function fullName(hosts: string, nodename: string): string {
  if (nodename.includes(".")) return nodename;
  for (const line of hosts.split("\n")) {
    const [, ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    const full = names.find((name) => name.startsWith(`${nodename}.`));
    if (full !== undefined && names.includes(nodename)) return full;
  }
  return nodename;
}

function initGrains(files: SystemFiles): Record<string, unknown> {
  const init = files.line("proc/1/comm") || "unknown";
  // The folder says that systemd runs, not just that it is installed; its library carries the version.
  if (files.list("run/systemd/system").length === 0 && init !== "systemd") return { init };
  const folders = ["usr/lib/systemd", "lib/systemd", "usr/lib64/systemd"].flatMap((folder) => files.list(folder));
  const version = folders
    .map((name) => /^libsystemd-shared-(\d+)/.exec(name)?.[1])
    .find((found) => found !== undefined);
  return { init, systemd: { version: version ?? "", features: "" } };
}

/** Salt's: SHA-256 of the id, modulo 2^31. */
async function serverId(id: MinionId): Promise<number> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(id));
  return new DataView(digest).getUint32(28) % 2 ** 31;
}

function localeInfo(): Record<string, string> {
  const { env } = process;
  const [language = "", encoding = ""] = (env["LC_ALL"] || env["LC_CTYPE"] || env["LANG"] || "C").split(".");
  return {
    defaultlanguage: language,
    defaultencoding: encoding,
    detectedencoding: "utf-8",
    timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  };
}

function processGrains(files: SystemFiles): Record<string, unknown> {
  const { username, uid, gid } = whoami();
  const group = files
    .text("etc/group")
    .split("\n")
    .map((line) => line.split(":"))
    .find(([, , number]) => number === String(gid));
  return {
    path: process.env["PATH"] ?? "",
    shell: process.env["SHELL"] ?? "/bin/sh",
    ps: "ps -efHww",
    cwd: process.cwd(),
    pid: process.pid,
    uid,
    gid,
    username,
    groupname: group?.[0] ?? "",
  };
}

function whoami(): { username: string; uid: number; gid: number } {
  try {
    return userInfo();
  } catch {
    // In a container the user may have a number and no name.
    return { username: "", uid: process.getuid?.() ?? -1, gid: process.getgid?.() ?? -1 };
  }
}
