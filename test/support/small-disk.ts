import { spawnSync } from "node:child_process";
import { rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "vitest";

/** `use` while a disk of so many MiB is mounted on `dir`. */
export async function onSmallDisk(
  context: TestContext,
  dir: string,
  use: () => Promise<void>,
  megabytes = 2,
): Promise<void> {
  const mount = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", dir]);
  if (mount.status !== 0) return context.skip("mounting a tmpfs is not permitted here");
  try {
    await use();
  } finally {
    spawnSync("umount", ["-l", dir]);
  }
}

/** Leaves so many bytes of the disk of `dir` free; gives what makes room again. */
export function fill(dir: string, leave = 0): () => void {
  const file = join(dir, "filler");
  const { bsize, bavail } = statfsSync(dir);
  try {
    writeFileSync(file, Buffer.alloc(Math.max(0, bavail * bsize - leave), 1));
  } catch (failure) {
    // Who uses the disk has just taken a page of what was free: it is as full as that.
    if ((failure as { code?: string }).code !== "ENOSPC") throw failure;
  }
  return () => rmSync(file);
}
