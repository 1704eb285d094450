import { messageOf } from "../../errors.ts";
import type { Log } from "../../log/log.ts";
import type { JobStore } from "../../store/job-store.ts";
import { nextJid } from "../../wire/ids.ts";

const everyMs = 60_000;
const slice = 200;

/** Drops jobs older than `keepMs` in the background, a slice at a time so that nothing waits for it. 0 keeps everything. */
export function startRetention(options: { store: JobStore; keepMs: number; log: Log; now: () => number }): () => void {
  const { store, keepMs, log, now } = options;
  const purge = async (): Promise<void> => {
    const before = nextJid((now() - keepMs) * 1000, undefined);
    while ((await store.purge(before, slice)) === slice) await new Promise((resolve) => setImmediate(resolve));
  };
  const timer = setInterval(() => {
    void purge().catch((failure: unknown) => log.warn("cannot drop old jobs", { failure: messageOf(failure) }));
  }, everyMs);
  if (keepMs === 0) clearInterval(timer);
  return () => clearInterval(timer);
}
