import type { LedgerFs } from "../../src/minion/ledger-file.ts";
import { FakeDisk } from "../support/fake-disk.ts";
import type { Clock } from "./clock.ts";

const there = "/ledger";
const path = (name: string): string => (name.endsWith(".new") ? `${there}.new` : there);

/** The disk of one minion: what it holds outlives the minion. Each operation takes a while, so a crash comes between any two. */
export class MinionDisk {
  #disk = new FakeDisk();
  #backup: Buffer | undefined;
  readonly #clock: Clock;
  readonly #random: () => number;
  full = false;
  failing = false;
  /** Plants a fault: a sync says yes and does nothing. */
  isLying = false;

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  /** For the process that runs now; every path is the one ledger's. */
  mount(): LedgerFs {
    const disk = this.#disk;
    const wait = async (operation?: string): Promise<void> => {
      disk.capacity = this.full ? 0 : Number.POSITIVE_INFINITY;
      disk.failing.clear();
      if (this.failing) for (const name of ["datasync", "sync", "truncate"] as const) disk.failing.add(name);
      const ms = operation === undefined ? 0.05 : 0.2 + this.#random();
      await new Promise<void>((resolve) => this.#clock.schedule(ms, resolve));
    };
    disk.wait = wait;
    return {
      open: async (name, flags) => {
        if (flags === "r") return disk.open("/", flags);
        const handle = await disk.open(path(name), flags);
        if (!this.isLying) return handle;
        return { ...handle, datasync: () => wait("datasync") };
      },
      rename: (from, to) => disk.rename(path(from), path(to)),
      rm: (name) => disk.rm(path(name)),
    };
  }

  /** Power is lost: what was not synced is there in part, or not at all. */
  crash(): void {
    this.#disk = this.#disk.crash((max) => Math.floor(this.#random() * (max + 1)));
  }

  /** A bit is not what it was. False when there is nothing. */
  flip(): boolean {
    const bytes = Buffer.from(this.#disk.bytes(there));
    if (bytes.length === 0) return false;
    const at = Math.floor(this.#random() * bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(this.#random() * 8));
    this.#disk = FakeDisk.holding(there, bytes);
    return true;
  }

  /** Somebody makes a backup, or brings it back. */
  backUp(): void {
    if (this.#disk.names.has(there)) this.#backup = Buffer.from(this.#disk.bytes(there));
  }

  restore(): boolean {
    if (this.#backup === undefined) return false;
    this.#disk = FakeDisk.holding(there, this.#backup);
    return true;
  }

  /** The operator moves the ledger away. */
  wipe(): void {
    this.#disk = new FakeDisk();
  }

  /** To look at: reading it changes nothing here. */
  copy(): LedgerFs {
    const copy = this.#disk.names.has(there) ? FakeDisk.holding(there, this.#disk.bytes(there)) : new FakeDisk();
    return {
      open: (name, flags) => copy.open(flags === "r" ? "/" : path(name), flags),
      rename: (from, to) => copy.rename(path(from), path(to)),
      rm: () => Promise.resolve(),
    };
  }

  get size(): number {
    return this.#disk.bytes(there).length;
  }
}
