/** One running program of the product, and what its processes are. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

export const checkout = join(import.meta.dirname, "../..");
export const dist = join(checkout, "dist");

export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** One running program and what it has said. */
export class Proc {
  readonly child: ChildProcess;
  stdout = "";
  stderr = "";
  /** All that it said has come. */
  ended = false;
  readonly exit: Promise<Result>;

  /** `under`: a program and its words that start it, such as setpriv. */
  constructor(
    script: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
    from = dist,
    under: readonly string[] = [],
  ) {
    const [program = "", ...words] = [...under, process.execPath, join(from, `${script}.js`), ...args];
    this.child = spawn(program, words, {
      env: { ...process.env, ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.child.stdin?.on("error", () => undefined);
    // A character may come in two parts.
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => (this.stdout += text));
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    this.exit = new Promise((resolve) => {
      this.child.on("close", (code) => {
        this.ended = true;
        resolve({ code, stdout: this.stdout, stderr: this.stderr });
      });
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get alive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Resolves when its output holds `text`. */
  async says(text: string | RegExp, timeoutMs = 45_000): Promise<void> {
    const said = (): boolean => {
      const all = this.stdout + this.stderr;
      return typeof text === "string" ? all.includes(text) : text.test(all);
    };
    await until(
      `"${String(text)}" from pid ${this.pid}`,
      () => said() || this.ended,
      timeoutMs,
      () => this.stdout + this.stderr,
    );
    if (!said()) throw new Error(`it ended before it said "${String(text)}":\n${this.stdout}${this.stderr}`);
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<Result> {
    if (this.alive) this.child.kill(signal);
    return this.exit;
  }
}

/** Waits until `check` holds; fails with `what` after `timeoutMs`. */
export async function until(
  what: string,
  check: () => boolean | Promise<boolean>,
  timeoutMs = 60_000,
  more: () => string = () => "",
): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await check())) {
    if (Date.now() > end) throw new Error(`waited ${timeoutMs} ms in vain for ${what}\n${more()}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

export async function readyOrGone(proc: Proc, ready: string): Promise<void> {
  await until(`"${ready}", or its end`, () => proc.stdout.includes(ready) || !proc.alive, 60_000);
}

export function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** Its words; empty when it is gone. */
export function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
}

/** Pids whose command line holds `text`. */
export function pidsWith(text: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && commandOf(pid).includes(text));
}
