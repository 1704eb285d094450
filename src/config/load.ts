import { readFileSync } from "node:fs";
import { load } from "js-yaml";
import { hostname } from "node:os";
import type { MasterConfig } from "./master.ts";
import type { MinionConfig } from "./minion.ts";
import type { MinionId } from "../wire/ids.ts";
type O = { rootDir?: string; configDir?: string; overrides?: Record<string, unknown> };
function raw(o: O, name: string): { f: Record<string, any>; root: string; dir: string } {
  const root = (o.rootDir ?? "").replace(/\/$/, "");
  const dir = o.configDir ?? `${root}/etc/msalt`;
  let f = {};
  try { f = (load(readFileSync(`${dir}/${name}`, "utf8")) as {}) ?? {}; } catch {}
  return { f: { ...f, ...o.overrides }, root, dir };
}
export function loadMasterConfig(o: O): MasterConfig {
  const { f, root, dir } = raw(o, "master");
  return { id: f.id ?? hostname(), interface: f.interface ?? "0.0.0.0", publishPort: f.publish_port ?? 4505, retPort: f.ret_port ?? 4506, enrollPort: f.enroll_port ?? 4507, enroll: true, workerThreads: 2, timeoutMs: 5000, keepJobsMs: 86400000, autoAccept: f.auto_accept ?? false, pkiDir: f.pki_dir ?? `${dir}/pki/master`, sockDir: f.sock_dir ?? `${root}/run/msalt/master`, dataDir: `${root}/var/lib/msalt/master`, logLevel: "info", showTimeout: true, showJid: false, cliSummary: false };
}
export function loadMinionConfig(o: O): MinionConfig {
  const { f, root, dir } = raw(o, "minion");
  return { id: f.id as MinionId, masters: [f.master ?? "salt"], masterPort: f.master_port ?? 4506, publishPort: f.publish_port ?? 4505, enrollPort: f.enroll_port ?? 4507, masterFinger: undefined, token: f.token, pkiDir: f.pki_dir ?? `${dir}/pki/minion`, dataDir: `${root}/var/lib/msalt/minion`, logLevel: "info", acceptanceWaitMs: 1000, shutdownTimeoutMs: 30000, allowedFunctions: undefined, grains: {}, customGrains: {}, shown: f, grainsFile: `${dir}/grains` };
}
