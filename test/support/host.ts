import type { CommandSpec, Host, Schedule } from "../../src/modules/declare.ts";
import { builtins } from "../../src/modules/registry.ts";
import { runFunction } from "../../src/modules/run.ts";
import { asJid, type MinionId } from "../../src/wire/ids.ts";

export const hostJid = asJid("20261121023504473347");

/** An empty one that takes nothing. */
const noSchedule: Schedule = {
  enabled: true,
  jobs: () => new Map(),
  check: () => undefined,
  put: async () => undefined,
  remove: async () => undefined,
  enable: async () => undefined,
  run: () => undefined,
  nextTime: () => undefined,
};

/** A minion for functions under test: it runs no commands and knows no jobs unless told to. */
export function fakeHost(change: Partial<Host> = {}): Host {
  return {
    id: "m1" as MinionId,
    job: { jid: hostJid, fun: "test.arg", arg: [], tgt: "m1", tgt_type: "glob", user: "root" },
    grains: {
      id: "m1",
      os: "Debian",
      msaltversion: "1.2.3",
      dns: { nameservers: ["10.0.0.1"] },
      list: [{ a: 1 }, { b: 2 }],
    },
    pillar: { role: "web", nested: { deep: true, list: [{ name: "first" }] } },
    config: { master: "salt", nested: { deep: true } },
    functions: builtins,
    signal: new AbortController().signal,
    command: async (spec: CommandSpec) => {
      throw new Error(`no command was expected: ${spec.argv.join(" ")}`);
    },
    running: () => [],
    signalJob: () => [],
    files: {
      stat: async () => undefined,
      read: async () => undefined,
      list: async () => ({ files: [], more: false }),
      push: async () => undefined,
    },
    publish: async () => ({}),
    mine: { change: async () => undefined, get: async () => ({}) },
    fire: async () => undefined,
    setGrains: async () => undefined,
    syncModules: async () => ({ changed: [], problems: [] }),
    fetchPillar: async () => ({ role: "fresh" }),
    refreshPillar: async () => undefined,
    schedule: noSchedule,
    ...change,
  };
}

/** Runs a built-in function from words, as the command line does. */
export const call = (host: Host, fun: string, ...words: string[]) =>
  runFunction(builtins, { fun, arg: [], words }, host);
