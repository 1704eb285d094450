import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Armed, Failpoint } from "../../src/lib/failpoint.ts";
import { type Proc, readyOrGone, until } from "./proc.ts";

/** Failpoints of the processes that are started with `env`. */
export class Points {
  readonly env: NodeJS.ProcessEnv;
  /** All that were reached so far. */
  readonly reached = new Set<Failpoint>();
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true });
    this.env = { MSALT_FAILPOINTS: folder };
  }

  arm(name: Failpoint, armed: Armed): void {
    const file = join(this.#folder, name);
    rmSync(`${file}.hit`, { force: true });
    writeFileSync(`${file}.new`, JSON.stringify(armed));
    renameSync(`${file}.new`, file);
  }

  isReached(name: Failpoint): boolean {
    if (!existsSync(join(this.#folder, `${name}.hit`))) return false;
    this.reached.add(name);
    return true;
  }

  async waitFor(name: Failpoint): Promise<void> {
    await until(`a process at ${name}`, () => this.isReached(name), 60_000);
  }

  disarm(name: Failpoint): void {
    rmSync(join(this.#folder, name), { force: true });
  }
}

/** Starts until it does not die before it is ready, at most `deaths` times in vain. */
export async function startedAtLast(start: () => Promise<Proc>, ready: string, deaths: number): Promise<void> {
  for (let n = 0; n <= deaths; n += 1) {
    const proc = await start();
    await readyOrGone(proc, ready);
    if (proc.alive) return;
    const { code, stderr } = await proc.exit;
    // A death by the failpoint's hand, or a supervisor that tells of its child's.
    if (code !== null && !stderr.includes("ended before it was ready: SIGKILL")) throw new Error(stderr);
  }
  throw new Error(`it died more than ${deaths} times`);
}
