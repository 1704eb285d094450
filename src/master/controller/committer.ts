import { failpoint } from "../../lib/failpoint.ts";
import type { JobStore, Write } from "../../store/job-store.ts";

interface Entry {
  readonly writes: readonly Write[];
  readonly before: (() => Promise<void>) | undefined;
  readonly resolve: () => void;
  readonly reject: (failure: unknown) => void;
}

/** What can wait a little is written so long after the commit before it, together with what has come meanwhile. */
const gatherMs = 3;

/**
 * Group commit: what arrives in one turn of the loop, or while a commit runs, becomes one transaction. Somebody waits for a
 * job to be accepted, so it commits in the turn in which it came: a timer would cost seven times the latency. Answers of
 * minions come in crowds, and wait for each other where one has just been written. When a commit fails, nothing of it and
 * nothing queued behind it was written: what was decided on top of it would not be true.
 */
export class Committer {
  readonly #store: JobStore;
  readonly #onFailure: () => Promise<void>;
  #queue: Entry[] = [];
  #timer: NodeJS.Timeout | undefined;
  #turn: NodeJS.Immediate | undefined;
  #running: Promise<void> | undefined;
  #last = Number.NEGATIVE_INFINITY;

  /** @param onFailure makes memory equal the store again; new writes wait for it */
  constructor(store: JobStore, onFailure: () => Promise<void>) {
    this.#store = store;
    this.#onFailure = onFailure;
  }

  /**
   * Resolves when the writes are synced. `soon` lets them wait for others for a few milliseconds.
   * @param before has to be done first, together with that of others; when it fails, these writes are left out
   * @throws MsaltError `ERR_STORE` or `ERR_DISK_FULL`, or what `before` fails with; nothing was written then.
   */
  commit(writes: readonly Write[], when: "now" | "soon" = "now", before?: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ writes, before, resolve, reject });
      const wait = when === "now" ? 0 : this.#last + gatherMs - performance.now();
      if (this.#running !== undefined || this.#turn !== undefined) return;
      if (wait > 0) this.#timer ??= setTimeout(() => this.#begin(), wait);
      else this.#turn = setImmediate(() => this.#begin());
    });
  }

  /** Resolves when what was given to `commit` until now is synced: true, or could not be: false. */
  async written(): Promise<boolean> {
    if (this.#queue.length === 0 && this.#running === undefined) return true;
    return this.commit([], "soon").then(
      () => true,
      () => false,
    );
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#queue.length > 0 || this.#running !== undefined) {
      if (this.#running === undefined) this.#begin();
      await this.#running;
    }
  }

  #begin(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#turn);
    this.#timer = undefined;
    this.#turn = undefined;
    this.#running ??= this.#drain();
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const all = this.#queue;
      this.#queue = [];
      const batch = await prepared(all);
      try {
        failpoint("commit.before");
        await this.#store.commit(batch.flatMap(({ writes }) => writes));
        failpoint("commit.after");
        for (const { resolve } of batch) resolve();
      } catch (failure) {
        const lost = [...batch, ...this.#queue];
        this.#queue = [];
        await this.#onFailure();
        for (const { reject } of lost) reject(failure);
      }
      this.#last = performance.now();
    }
    this.#running = undefined;
  }
}

/** Those of which nothing had to be done before, or that has been done. */
async function prepared(entries: readonly Entry[]): Promise<readonly Entry[]> {
  if (entries.every(({ before }) => before === undefined)) return entries;
  const outcomes = await Promise.allSettled(entries.map(({ before = async () => undefined }) => before()));
  return entries.filter(({ reject }, at) => {
    const outcome = outcomes[at];
    if (outcome?.status === "rejected") reject(outcome.reason);
    return outcome?.status === "fulfilled";
  });
}
