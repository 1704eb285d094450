/** The disk below the job store. */
import { closeSync, fsyncSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Milliseconds to append so many bytes to a file and sync it, `times` one after the other; the mean. */
export function appendMs(bytes: number, times: number): number {
  const path = join(tmpdir(), `msalt-bench-disk-${process.pid}`);
  const block = Buffer.alloc(bytes, "x");
  const file = openSync(path, "w");
  try {
    const started = performance.now();
    for (let n = 0; n < times; n += 1) {
      writeSync(file, block);
      fsyncSync(file);
    }
    return (performance.now() - started) / times;
  } finally {
    closeSync(file);
    rmSync(path);
  }
}
