import { spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { PipePool } from "../../../src/minion/pipes.ts";

it("the folders of pipes that a killed process has left behind are removed, those of living ones are not", async () => {
  const { pid: dead } = spawnSync("true");
  const left = join(tmpdir(), `msalt-pipe-${dead}-abcdef`);
  mkdirSync(left, { mode: 0o700 });
  writeFileSync(join(left, "0"), "");
  const living = mkdtempSync(join(tmpdir(), `msalt-pipe-${process.ppid}-`));
  const pool = new PipePool();
  try {
    const { read, write } = await pool.take();
    closeSync(read);
    closeSync(write);
    expect([existsSync(left), existsSync(living)]).toEqual([false, true]);
  } finally {
    pool.close();
    rmSync(living, { recursive: true });
  }
});
