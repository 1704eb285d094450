/** What processes use, read from /proc. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { childrenOf, commandOf } from "./proc.ts";

export interface Sample {
  /** Milliseconds since the first sample. */
  readonly at: number;
  /** KiB. */
  readonly rss: number;
  readonly descriptors: number;
}

/** Takes samples of a set of processes, by what each one is. */
export class Measure {
  readonly #samples = new Map<string, Sample[]>();
  readonly #started = performance.now();

  take(pids: readonly number[]): void {
    for (const pid of pids) {
      try {
        const descriptors = readdirSync(`/proc/${pid}/fd`).length;
        const rss = rssKib(pid);
        const name = `${programOf(pid)} ${pid}`;
        const samples = this.#samples.get(name) ?? [];
        this.#samples.set(name, samples);
        samples.push({ at: performance.now() - this.#started, rss, descriptors });
      } catch {
        // It has just ended.
      }
    }
  }

  /** Growth of each process's memory after `warmUpMs`, in KiB per 10 minutes, and its descriptors, least and most. */
  growth(warmUpMs: number): { name: string; kibPer10Min: number; rssKib: number; descriptors: [number, number] }[] {
    return [...this.#samples].flatMap(([name, all]) => {
      const samples = all.filter(({ at }) => at >= warmUpMs);
      const last = samples.at(-1);
      if (last === undefined || samples.length < 3) return [];
      const counts = samples.map(({ descriptors }) => descriptors);
      return [
        {
          name,
          kibPer10Min: Math.round(slope(held(samples)) * 600_000),
          rssKib: last.rss,
          descriptors: [Math.min(...counts), Math.max(...counts)],
        },
      ];
    });
  }
}

/** What is left after a collection of garbage: the least of each eighth of the time. */
function held(samples: readonly Sample[]): Sample[] {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined) return [];
  const part = (last.at - first.at) / 8;
  const parts = Array.from({ length: 8 }, (_, n) =>
    samples.filter(({ at }) => Math.floor((at - first.at) / part) === n),
  );
  return parts.flatMap((each) => each.toSorted((a, b) => a.rss - b.rss).slice(0, 1));
}

/** KiB per millisecond: the median of the slopes between all pairs (Theil–Sen). */
function slope(samples: readonly Sample[]): number {
  const slopes = samples.flatMap((a, n) => samples.slice(n + 1).map((b) => (b.rss - a.rss) / (b.at - a.at)));
  return slopes.toSorted((a, b) => a - b)[slopes.length >> 1] ?? 0;
}

/** A process and all that it started; nothing when it is gone. */
export function treeOf(pid: number): number[] {
  return existsSync(`/proc/${pid}`) ? [pid, ...childrenOf(pid).flatMap(treeOf)] : [];
}

const programOf = (pid: number): string => /([\w-]+)\.js/.exec(commandOf(pid))?.[1] ?? "process";

const rssKib = (pid: number): number => {
  try {
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
};

/** The most memory that processes have had since it began to look. */
export class Peaks implements AsyncDisposable {
  readonly #seen = new Map<number, { readonly name: string; readonly first: number; most: number }>();
  readonly #pids: () => readonly number[];
  readonly #timer: NodeJS.Timeout;

  constructor(pids: () => readonly number[]) {
    this.#pids = pids;
    this.#look();
    this.#timer = setInterval(() => this.#look(), 50);
  }

  #look(): void {
    for (const pid of this.#pids()) {
      const kib = rssKib(pid);
      const name = programOf(pid);
      const seen = this.#seen.get(pid) ?? { name, first: kib, most: kib };
      this.#seen.set(pid, seen);
      seen.most = Math.max(seen.most, kib);
    }
  }

  all(): { name: string; kib: number }[] {
    return [...this.#seen.values()].map(({ name, most }) => ({ name, kib: most }));
  }

  /** Above what each had when it was first seen. */
  growth(): { name: string; kib: number }[] {
    return [...this.#seen.values()].map(({ name, first, most }) => ({ name, kib: most - first }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
  }
}
