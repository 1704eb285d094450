import type { JobStore, Write } from "../../store/job-store.ts";

interface Entry {
  readonly writes: readonly Write[];
  readonly resolve: () => void;
  readonly reject: (failure: unknown) => void;
}

/**
 * Group commit: what arrives in one turn of the loop, or while a commit runs, becomes one transaction. A lone job commits in
 * the turn in which it came: a commit timer would cost seven times the latency. When a commit fails, nothing of it and
 * nothing queued behind it was written: what was decided on top of it would not be true.
 */
export class Committer {
  readonly #store: JobStore;
  readonly #onFailure: () => Promise<void>;
  #queue: Entry[] = [];
  #running: Promise<void> | undefined;

  /** @param onFailure makes memory equal the store again; new writes wait for it */
  constructor(store: JobStore, onFailure: () => Promise<void>) {
    this.#store = store;
    this.#onFailure = onFailure;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** Resolves when the writes are synced. @throws MsaltError `ERR_STORE` or `ERR_DISK_FULL`; nothing was written then. */
  commit(writes: readonly Write[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ writes, resolve, reject });
      this.#running ??= new Promise<void>((go) => setImmediate(go)).then(() => this.#drain());
    });
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue;
      this.#queue = [];
      try {
        await this.#store.commit(batch.flatMap(({ writes }) => writes));
        for (const { resolve } of batch) resolve();
      } catch (failure) {
        const lost = [...batch, ...this.#queue];
        this.#queue = [];
        await this.#onFailure();
        for (const { reject } of lost) reject(failure);
      }
    }
    this.#running = undefined;
  }
}
