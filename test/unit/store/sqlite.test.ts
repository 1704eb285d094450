import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openSqliteStore } from "../../../src/store/sqlite.ts";
import type { MinionId } from "../../../src/wire/ids.ts";
import { jidOf, jobOf, jobStoreContract, minionsOf } from "./contract.ts";

jobStoreContract("sqlite", async () => {
  const dir = mkdtempSync(join(tmpdir(), "msalt-store-"));
  const file = join(dir, "sub", "jobs.sqlite");
  let store = await openSqliteStore(file);
  return {
    store,
    reopen: async () => {
      await store.close();
      store = await openSqliteStore(file);
      return store;
    },
    dispose: async () => {
      await store.close();
      rmSync(dir, { recursive: true });
    },
  };
});

describe("the sqlite file", () => {
  let dir: string;
  let file: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "msalt-store-"));
    file = join(dir, "jobs.sqlite");
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  /** A closed record with 200 jobs. */
  const filled = async (): Promise<void> => {
    const store = await openSqliteStore(file);
    for (let n = 1; n <= 200; n += 1)
      await store.commit([{ kind: "job", job: jobOf(n, minionsOf(20), { tgt: "t".repeat(300) }) }]);
    await store.close();
  };

  it("is for its owner alone", async () => {
    await (await openSqliteStore(file)).close();
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it.each([
    ["is no database", () => writeFileSync(file, "this is not a database, is it? ".repeat(100))],
    ["was cut", () => truncateSync(file, Math.floor(statSync(file).size / 8192) * 4096 + 100)],
    [
      "has a damaged page",
      () => {
        const bytes = readFileSync(file);
        bytes.fill(0xa5, 3 * 4096, 6 * 4096);
        writeFileSync(file, bytes);
      },
    ],
  ])("SF-04: refuses a file that %s, and leaves it alone", async (_case, damage) => {
    await filled();
    damage();
    const before = readFileSync(file);
    await expect(openSqliteStore(file)).rejects.toMatchObject({
      code: "ERR_STORE",
      message: expect.stringContaining(file),
    });
    expect(readFileSync(file).equals(before)).toBe(true);
  });

  it("P1: has what it acknowledged before a kill -9", async () => {
    const bundle = join(dir, "child.mjs");
    const source = join(import.meta.dirname, "../../../src/store/sqlite.ts");
    const esbuild = join(import.meta.dirname, "../../../node_modules/.bin/esbuild");
    const require = "import { createRequire as c } from 'node:module'; const require = c(import.meta.url);";
    execFileSync(esbuild, [
      source,
      "--bundle",
      "--platform=node",
      "--format=esm",
      `--outfile=${bundle}`,
      "--log-level=error",
      "--external:@photostructure/sqlite",
      `--banner:js=${require}`,
    ]);
    const script = `
      import { openSqliteStore } from ${JSON.stringify(bundle)};
      const store = await openSqliteStore(${JSON.stringify(file)});
      await store.commit([{ kind: "job", job: ${JSON.stringify(jobOf(1))} }]);
      process.kill(process.pid, "SIGKILL");
    `;
    const { signal, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      encoding: "utf8",
      env: { ...process.env, NODE_PATH: join(import.meta.dirname, "../../../node_modules") },
    });
    expect({ signal, stderr }).toEqual({ signal: "SIGKILL", stderr: "" });
    const store = await openSqliteStore(file);
    expect((await store.job(jidOf(1)))?.job.minions).toEqual(minionsOf(3));
    await store.close();
  });

  it("SF-01: says that the disk is full, keeps what it has, and goes on when there is room", async (context) => {
    const mount = spawnSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", dir]);
    if (mount.status !== 0) return context.skip("mounting a tmpfs is not permitted here");
    try {
      const store = await openSqliteStore(file);
      await store.commit([{ kind: "job", job: jobOf(1) }]);
      writeFileSync(join(dir, "ballast"), Buffer.alloc(1_400_000));
      const ret = new Uint8Array(1_000_000);
      const big = { kind: "target", jid: jidOf(1), target: { id: "m0" as MinionId, state: "succeeded", ret } } as const;
      await expect(store.commit([big])).rejects.toMatchObject({
        code: "ERR_DISK_FULL",
        message: expect.stringContaining(file),
      });
      expect(await store.targets(jidOf(1))).toEqual([]);
      rmSync(join(dir, "ballast"));
      await store.commit([{ kind: "target", jid: jidOf(1), target: { id: "m0" as MinionId, state: "failed" } }]);
      expect(await store.targets(jidOf(1))).toEqual([{ id: "m0", state: "failed" }]);
      await store.close();
    } finally {
      spawnSync("umount", ["-l", dir]);
    }
  });
});
