/**
 * Named points at every sync, rename, send, accept and move of state, where a test can make a process die, fail or stand still.
 * They do nothing unless the process was started with `MSALT_FAILPOINTS`, a folder: then a file there of the name of a point
 * arms it, with an `Armed` as JSON, and is renamed to `<name>.hit` by the process that reaches it, so that it happens once
 * although processes start again.
 */
import { existsSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";

/** In the processes of a master; `key.*` and `lock.*` also in a minion. */
export const masterPoints = [
  "lock.link",
  "lock.rename",
  "key.sync",
  "key.rename",
  "key.move",
  "key.remove",
  "key.folder",
  "store.rename",
  "store.folder",
  "secret.rename",
  "child.start",
  "child.ping",
  "child.restart",
  "local.accept",
  "local.answer",
  "audit.write",
  "audit.sync",
  "audit.synced",
  "commit.before",
  "commit.after",
  "state.move",
  "job.announce",
  "job.end",
  "events.send",
  "order.send",
  "order.accept",
  "frame.send",
  "ready.send",
  "request.accept",
  "calls.send",
  "calls.accept",
  "replies.send",
  "answer.send",
  "keys.send",
  "enrol.accept",
  "enrol.ask",
  "enrol.decided",
  "enrol.answer",
  "push.sync",
  "push.rename",
] as const;

export const minionPoints = [
  "lock.link",
  "lock.rename",
  "key.sync",
  "key.rename",
  "key.folder",
  "ledger.draft",
  "ledger.rename",
  "ledger.folder",
  "ledger.write",
  "ledger.sync",
  "ledger.synced",
  "enrol.send",
  "request.send",
  "order.take",
  "run.begin",
  "run.report",
  "run.end",
  "result.send",
  "result.stored",
  "fetch.sync",
  "fetch.rename",
  "file.rename",
  "kept.sync",
  "kept.rename",
  "kept.folder",
] as const;

export type Failpoint = (typeof masterPoints)[number] | (typeof minionPoints)[number];

/** What happens at an armed point. */
export interface Armed {
  /** `killAll`: also the process above this one, such as the supervisor of a master. `delay`: the whole process stands still. */
  readonly act: "kill" | "killAll" | "throw" | "delay";
  readonly ms?: number;
  /** When this process comes there for the n-th time since it was armed (default 1). */
  readonly nth?: number;
  /** Only in the program with this in its name, such as `master-worker`. */
  readonly program?: string;
  /** Each time, until the file is removed. */
  readonly always?: true;
}

const folder = process.env["MSALT_FAILPOINTS"];

/** Does what a test has armed this point for; nothing in a process that was started without it. */
export const failpoint: (name: Failpoint) => void = folder === undefined ? () => undefined : pointsIn(folder);

function pointsIn(dir: string): (name: Failpoint) => void {
  const passed = new Map<Failpoint, number>();
  return (name) => {
    const file = join(dir, name);
    const armed = readArmed(file);
    if (armed === undefined || process.argv[1]?.includes(armed.program ?? "") !== true) return;
    const count = (passed.get(name) ?? 0) + 1;
    passed.set(name, count);
    if (count < (armed.nth ?? 1)) return;
    passed.delete(name);
    if (armed.always === true || took(file)) happen(name, armed);
  };
}

function readArmed(file: string): Armed | undefined {
  try {
    return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Armed) : undefined;
  } catch {
    // Another process has just taken it.
    return undefined;
  }
}

function took(file: string): boolean {
  try {
    renameSync(file, `${file}.hit`);
    return true;
  } catch {
    return false;
  }
}

function happen(name: Failpoint, { act, ms = 1000 }: Armed): void {
  if (act === "throw") throw new Error(`failpoint ${name}`);
  if (act === "delay") {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    return;
  }
  if (act === "killAll") process.kill(process.ppid, "SIGKILL");
  process.kill(process.pid, "SIGKILL");
}
