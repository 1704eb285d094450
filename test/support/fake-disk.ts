import { Buffer } from "node:buffer";
import { dirname } from "node:path";
import type { LedgerFs } from "../../src/minion/ledger-file.ts";
import type { LedgerHandle } from "../../src/minion/ledger-replay.ts";

interface Inode {
  data: Buffer;
  durable: Buffer;
}

const sector = 512;

/**
 * A disk in memory that knows what was synced. `haltAfter` stops the world before one of the next operations, as a power cut
 * does: that one and all later ones never answer. `crash` then gives the disk that the next start finds.
 */
export class FakeDisk implements LedgerFs {
  names = new Map<string, Inode>();
  durableNames = new Map<string, Inode>();
  /** Names as they were before each rename since the last sync of the folder. */
  #formerNames: Map<string, Inode>[] = [];
  capacity = Number.POSITIVE_INFINITY;
  /** Operations that fail with EIO, by name. */
  readonly failing = new Set<"datasync" | "sync" | "truncate" | "rename">();
  operations = 0;
  syncs = 0;
  #haltAt = Number.POSITIVE_INFINITY;
  #halt: () => void = () => undefined;
  halted = new Promise<void>(() => undefined);
  /** What each operation waits for first. */
  wait: ((name?: string) => Promise<void>) | undefined;

  static holding(path: string, bytes: Uint8Array): FakeDisk {
    const disk = new FakeDisk();
    disk.names.set(path, { data: Buffer.from(bytes), durable: Buffer.from(bytes) });
    disk.durableNames = new Map(disk.names);
    return disk;
  }

  haltAfter(operations: number): void {
    this.#haltAt = this.operations + operations;
    this.halted = new Promise((resolve) => {
      this.#halt = resolve;
    });
  }

  /** Everything unsynced may be there in part: `pick(n)` gives an integer from 0 to n. */
  crash(pick: (max: number) => number): FakeDisk {
    const next = new FakeDisk();
    const possible = [this.names, this.durableNames, ...this.#formerNames];
    for (const [path, inode] of possible[pick(possible.length - 1)] ?? this.names) {
      const data = tear(inode, pick);
      next.names.set(path, { data, durable: Buffer.from(data) });
    }
    next.durableNames = new Map(next.names);
    return next;
  }

  bytes(path: string): Buffer {
    return this.names.get(path)?.data ?? Buffer.alloc(0);
  }

  async open(path: string, flags: string): Promise<LedgerHandle> {
    await this.#operation();
    if (flags === "r") return this.#folder(path);
    if (flags === "wx+") {
      if (this.names.has(path)) throw errno("EEXIST");
      this.names.set(path, { data: Buffer.alloc(0), durable: Buffer.alloc(0) });
    }
    const inode = this.names.get(path);
    if (inode === undefined) throw errno("ENOENT");
    return this.#file(inode);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#operation("rename");
    const inode = this.names.get(from);
    if (inode === undefined) throw errno("ENOENT");
    this.#formerNames.push(new Map(this.names));
    this.names.set(to, inode);
    this.names.delete(from);
  }

  async rm(path: string): Promise<void> {
    await this.#operation();
    this.names.delete(path);
  }

  async #operation(name?: "datasync" | "sync" | "truncate" | "rename"): Promise<void> {
    this.operations += 1;
    if (this.operations > this.#haltAt) {
      this.#halt();
      await new Promise(() => undefined);
    }
    if (this.wait !== undefined) await this.wait(name);
    if (name !== undefined && this.failing.has(name)) throw errno("EIO");
  }

  #used(): number {
    return [...new Set(this.names.values())].reduce((sum, { data }) => sum + data.length, 0);
  }

  #folder(path: string): LedgerHandle {
    const none = (): Promise<never> => Promise.reject(errno("EISDIR"));
    return {
      read: none,
      write: none,
      truncate: none,
      datasync: none,
      stat: none,
      sync: async () => {
        await this.#operation("sync");
        for (const name of this.durableNames.keys()) if (dirname(name) === path) this.durableNames.delete(name);
        for (const [name, inode] of this.names) if (dirname(name) === path) this.durableNames.set(name, inode);
        this.#formerNames = [];
      },
      close: () => Promise.resolve(),
    };
  }

  #file(inode: Inode): LedgerHandle {
    const sync = async (name: "datasync" | "sync"): Promise<void> => {
      await this.#operation(name);
      this.syncs += 1;
      inode.durable = Buffer.from(inode.data);
    };
    return {
      read: async (into, offset, length, position) => {
        await this.#operation();
        // In small steps, as a kernel may.
        return { bytesRead: inode.data.copy(into, offset, position, position + Math.min(length, 65_536)) };
      },
      write: async (from, offset, length, position) => {
        await this.#operation();
        const room = this.capacity - this.#used() + Math.max(0, inode.data.length - position);
        const take = Math.min(length, room);
        if (take <= 0) throw errno("ENOSPC");
        const grown = Buffer.alloc(Math.max(inode.data.length, position + take));
        inode.data.copy(grown);
        grown.set(from.subarray(offset, offset + take), position);
        inode.data = grown;
        return { bytesWritten: take };
      },
      truncate: async (length) => {
        await this.#operation("truncate");
        inode.data = Buffer.from(inode.data.subarray(0, length));
      },
      datasync: () => sync("datasync"),
      sync: () => sync("sync"),
      stat: () => Promise.resolve({ size: inode.data.length }),
      close: () => Promise.resolve(),
    };
  }
}

/** What a power cut leaves of a file: the new bytes up to some place, or single sectors of them. */
function tear({ data, durable }: Inode, pick: (max: number) => number): Buffer {
  switch (pick(3)) {
    case 0:
      return Buffer.from(durable);
    case 1:
      return Buffer.from(data);
    case 2:
      return Buffer.from(data.subarray(0, Math.min(data.length, durable.length + pick(data.length))));
    default: {
      const torn = Buffer.from(data);
      for (let at = 0; at < torn.length; at += sector) {
        if (pick(1) === 0) continue;
        torn.fill(0, at, Math.min(at + sector, torn.length));
        durable.subarray(at, at + sector).copy(torn, at);
      }
      return torn;
    }
  }
}

function errno(code: string): Error {
  return Object.assign(new Error(`${code}: simulated`), { code });
}
