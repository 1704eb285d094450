import type { MinionConfig } from "../config/minion.ts";
import { MsaltError } from "../errors.ts";
import { createLog } from "../log/log.ts";
import { FileRoots } from "../files/file-roots.ts";
import { gatherGrains } from "../grains/gather.ts";
import type { Host, MasterFiles, Schedule } from "../modules/declare.ts";
import { type FunctionResult, callsOf, runCalls } from "../modules/run.ts";
import { nextJid } from "../wire/ids.ts";
import type { LocalCall } from "./call-server.ts";
import { CommandRunner } from "./command.ts";
import { OwnModules, modulesDir } from "./own-modules.ts";

const noMaster = (): Promise<never> =>
  Promise.reject(new MsaltError("ERR_MASTER_UNREACHABLE", "there is no master with --local"));

const noMinion = (): Promise<never> =>
  Promise.reject(new MsaltError("ERR_NOT_ALLOWED", "there is no running minion with --local"));
const nothing: MasterFiles = { stat: noMaster, read: noMaster, list: noMaster, push: noMaster };

/** Only a running minion has jobs of its own. */
const noSchedule: Schedule = {
  enabled: false,
  jobs: () => new Map(),
  check: () => undefined,
  put: noMinion,
  remove: noMinion,
  enable: noMinion,
  run: () => {
    throw new MsaltError("ERR_NOT_ALLOWED", "there is no running minion with --local");
  },
  nextTime: () => undefined,
};

function filesBelow(folder: string): MasterFiles {
  const roots = new FileRoots([folder], "/nonexistent");
  return {
    stat: (path) => roots.stat(path),
    read: (path, offset) => roots.read(path, offset),
    list: (path, after) => roots.list(path, after),
    push: noMaster,
  };
}

/** Runs functions in this process, as a minion of this configuration would. `fileRoot`: stands for the master's files. */
export async function callLocally(
  config: MinionConfig,
  { fun, arg, words, user }: LocalCall,
  options: { readonly version: string; readonly fileRoot: string | undefined; readonly signal: AbortSignal },
): Promise<FunctionResult> {
  const commands = new CommandRunner();
  const modules = new OwnModules(modulesDir(config.dataDir), createLog({ name: "msalt-call", level: "error" }));
  await modules.load();
  const { functions } = modules;
  const job = { jid: nextJid(Date.now() * 1000, undefined), fun, arg, tgt: config.id, tgt_type: "glob", user };
  const custom = { ...config.grains, ...config.customGrains };
  const host: Host = {
    id: config.id,
    job,
    grains: await gatherGrains({ id: config.id, master: config.masters[0] ?? "", version: options.version, custom }),
    config: config.shown,
    functions,
    files: options.fileRoot === undefined ? nothing : filesBelow(options.fileRoot),
    pillar: {},
    fetchPillar: noMaster,
    refreshPillar: noMaster,
    schedule: noSchedule,
    publish: noMaster,
    mine: { change: noMaster, get: noMaster },
    signal: options.signal,
    command: (spec) => commands.run(job.jid, spec, options.signal),
    running: () => [],
    signalJob: () => [],
    fire: noMaster,
    setGrains: noMaster,
    syncModules: noMaster,
  };
  return runCalls(functions, callsOf({ fun, arg, words }), host);
}
