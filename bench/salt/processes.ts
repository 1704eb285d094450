/** Processes of Salt: started, found again with their forks, and what they cost, from /proc. */
import { type ChildProcess, spawn } from "node:child_process";
import { openSync, closeSync, readFileSync, readdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

/** Every process of `program` with `-c` and `folder` or one in it, forks and daemonised jobs too: all keep the first one's arguments. */
export function pidsOf(program: "salt-master" | "salt-minion", folder: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const args = read(`/proc/${pid}/cmdline`).split("\0");
      const configuration = `${args[args.indexOf("-c") + 1] ?? ""}/`;
      return args.some((arg) => arg.endsWith(`/${program}`)) && configuration.startsWith(`${folder}/`);
    })
    .map(Number);
}

/**
 * CPU ms, user and system, of these processes until now: to the nanosecond of the threads that live, in ticks of 10 ms of their
 * reaped children. A job costs most of Salt's processes less than a tick.
 */
export function cpuMs(pids: readonly number[]): number {
  const each = pids.map((pid) => {
    const threads = list(`/proc/${pid}/task`).map((id) =>
      Number(read(`/proc/${pid}/task/${id}/schedstat`).split(" ")[0]),
    );
    // The name, in parentheses, may hold blanks.
    const fields = read(`/proc/${pid}/stat`).split(") ").at(-1)?.split(" ") ?? [];
    return sum(threads) / 1e6 + sum(fields.slice(13, 15).map(Number)) * 10;
  });
  return sum(each);
}

/** Proportional set sizes, summed: shared pages count once. */
export function pssMiB(pids: readonly number[]): number {
  const kiB = pids.map((pid) => Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0));
  return sum(kiB) / 1024;
}

function sum(all: readonly number[]): number {
  return all.reduce((total, each) => total + each, 0);
}

export function kill(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended by itself.
    }
  }
}

/** A file that is gone, as those of an ended process, reads as empty. */
function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** A folder that is gone has nothing in it. */
function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Starts a daemon in a session of its own, so that Ctrl-C leaves its end to the guard. What it says goes to `log`. */
export function startDaemon(program: string, args: readonly string[], log: string): ChildProcess {
  const file = openSync(log, "a");
  const child = spawn(program, args, { detached: true, stdio: ["ignore", file, file] });
  closeSync(file);
  child.on("error", () => undefined);
  child.unref();
  return child;
}

/** A Python program beside this file that talks in lines: `ready`, then, once asked to go on, what it measured. */
export class Helper {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #lines: AsyncIterator<string>;
  readonly #ended: Promise<void>;
  #errors = "";

  constructor(python: string, args: readonly string[], name: string, detached = false) {
    this.#name = name;
    this.#child = spawn(python, args, { detached, stdio: ["pipe", "pipe", "pipe"] });
    const { stdin, stdout, stderr } = this.#child;
    if (stdin === null || stdout === null || stderr === null) throw new Error(`${name} has no pipes`);
    stdin.on("error", () => undefined);
    stderr.on("data", (data: Buffer) => (this.#errors += data.toString()));
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
    this.#ended = new Promise((resolve) => {
      this.#child.on("close", () => resolve());
      this.#child.on("error", (failure) => {
        this.#errors += failure.message;
        resolve();
      });
    });
  }

  /** The next line that it says. */
  async line(timeoutMs = 60_000): Promise<string> {
    const next = await within(`a line from ${this.#name}`, this.#lines.next(), timeoutMs);
    if (next.done !== true) return next.value;
    await this.#ended;
    throw new Error(`${this.#name} ended: ${this.#errors.trim() || "it said nothing"}`);
  }

  go(): void {
    this.#child.stdin?.write("\n");
  }

  /** Closes its input and waits until it has ended. */
  async end(timeoutMs = 60_000): Promise<void> {
    this.#child.stdin?.end();
    await within(`the end of ${this.#name}`, this.#ended, timeoutMs);
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}

/** @throws Error naming `what` when `promise` takes longer than `timeoutMs`. */
async function within<T>(what: string, promise: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${timeoutMs / 1000} s in vain for ${what}`)), timeoutMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** @throws Error naming `what` when `done` does not become true within `timeoutMs`. */
export async function until(what: string, done: () => boolean | Promise<boolean>, timeoutMs: number): Promise<void> {
  for (const end = performance.now() + timeoutMs; !(await done()); await sleep(50))
    if (performance.now() > end) throw new Error(`waited ${timeoutMs / 1000} s in vain for ${what}`);
}
