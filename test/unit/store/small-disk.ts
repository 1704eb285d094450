import { spawnSync } from "node:child_process";
import type { TestContext } from "vitest";

/** `use` while a disk of 2 MiB is mounted on `dir`. */
export async function onSmallDisk(context: TestContext, dir: string, use: () => Promise<void>): Promise<void> {
  const mount = spawnSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", dir]);
  if (mount.status !== 0) return context.skip("mounting a tmpfs is not permitted here");
  try {
    await use();
  } finally {
    spawnSync("umount", ["-l", dir]);
  }
}
