/** A cap on the memory of processes that run already, by the kernel; cgroups of either version. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const base = "/sys/fs/cgroup";
const versions = [
  {
    root: join(base, "memory"),
    limit: "memory.limit_in_bytes",
    isThere: () => existsSync(join(base, "memory/memory.limit_in_bytes")),
  },
  { root: base, limit: "memory.max", isThere: () => read(join(base, "cgroup.subtree_control")).includes("memory") },
] as const;

export class MemoryCap implements Disposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Undefined where cgroups cannot be made. */
  static make(bytes: number): MemoryCap | undefined {
    const version = versions.find(({ isThere }) => isThere());
    if (version === undefined) return undefined;
    const folder = join(version.root, `msalt-test-${process.pid}`);
    try {
      mkdirSync(folder);
      writeFileSync(join(folder, version.limit), String(bytes));
      return new MemoryCap(folder);
    } catch {
      return undefined;
    }
  }

  /** What the process takes from now on counts. */
  add(pid: number): void {
    writeFileSync(join(this.#folder, "cgroup.procs"), String(pid));
  }

  /** All that are in it must have ended. */
  [Symbol.dispose](): void {
    rmdirSync(this.#folder);
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
