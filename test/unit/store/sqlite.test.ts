import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Write } from "../../../src/store/job-store.ts";
import { openSqliteStore } from "../../../src/store/sqlite.ts";
import type { KeyId, MinionId } from "../../../src/wire/ids.ts";
import { jidOf, jobOf, jobStoreContract, minionsOf } from "./contract.ts";
import { onSmallDisk } from "../../support/small-disk.ts";

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

  /** Everything the record says, as one text. */
  const contents = async (path: string): Promise<string> => {
    const store = await openSqliteStore(path);
    try {
      const said: unknown[] = [await store.lastJid(), await store.openJobs(), await store.minions()];
      for (const line of await store.jobs(undefined, 1000)) {
        const { jid } = line.job;
        const record = await store.job(jid);
        said.push(line, record, await store.targets(jid));
        for (const id of record?.job.minions ?? []) said.push(await store.conflicts(jid, id));
        said.push(await store.returns(jid, undefined, 1e9));
      }
      return JSON.stringify(said, (_, value: unknown) =>
        value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value,
      );
    } finally {
      await store.close();
    }
  };

  it("SF-04: never says anything else than before after a flipped bit or a cut", async () => {
    const store = await openSqliteStore(file);
    const minions = minionsOf(6);
    for (let n = 1; n <= 12; n += 1) {
      const jid = jidOf(n);
      await store.commit([
        { kind: "job", job: jobOf(n, minions) },
        ...minions.map((id, i): Write => {
          const ret = new Uint8Array(i === 3 ? 9000 : 60).fill(n);
          return { kind: "target", jid, target: { id, state: "failed", retcode: 1, success: false, ended: n, ret } };
        }),
        { kind: "conflict", jid, id: "m1" as MinionId, ret: Uint8Array.of(1), at: n },
        ...(n % 3 === 0 ? [] : [{ kind: "end", jid, at: n } as const]),
        ...(n % 4 === 0 ? [{ kind: "stop", jid, stop: { at: n, reason: "why" } } as const] : []),
        { kind: "minion", minion: { id: "m1" as MinionId, keyId: "a".repeat(32) as KeyId, lastSeen: n } },
      ]);
    }
    await store.close();
    const good = readFileSync(file);
    const said = await contents(file);
    const damages = [
      ...Array.from({ length: 150 }, (_, i) => Math.floor((i * good.length) / 150)).map((at) => {
        const bytes = Buffer.from(good);
        bytes[at] = (bytes[at] ?? 0) ^ (1 << (at & 7));
        return { what: `bit at ${at}`, bytes };
      }),
      ...Array.from({ length: 32 }, (_, i) => ({ what: `cut ${i}`, bytes: good.subarray(0, -1 - i * 131) })),
    ];
    let found = 0;
    for (const [index, { what, bytes }] of damages.entries()) {
      // A new name each time: a file that could not be opened stays locked until its statements are collected.
      const path = join(dir, `damaged-${index}`);
      writeFileSync(path, bytes);
      const answer = await contents(path).catch((failure: unknown) => failure);
      if (answer === said) continue;
      expect({ what, answer }).toMatchObject({ answer: { code: "ERR_STORE", message: expect.stringContaining(path) } });
      found += 1;
    }
    // The rest fell on bytes that nobody reads.
    expect(found).toBeGreaterThan(damages.length / 2);
  });

  it("reads states without results, so one damaged result spoils only its own page", async () => {
    const store = await openSqliteStore(file);
    const jid = jidOf(1);
    const ret = new Uint8Array(20_000).fill(0x6d);
    const done = { id: "m0" as MinionId, state: "succeeded", retcode: 0, ret } as const;
    await store.commit([
      { kind: "job", job: jobOf(1) },
      { kind: "job", job: jobOf(2) },
      { kind: "target", jid, target: done },
    ]);
    await store.close();
    const bytes = readFileSync(file);
    const at = bytes.indexOf(Buffer.alloc(4000, 0x6d)) + 2000;
    bytes[at] = 0x6e;
    writeFileSync(file, bytes);
    const opened = await openSqliteStore(file);
    const { ret: _, ...state } = done;
    expect(await opened.targets(jid)).toEqual([state]);
    const damaged = { code: "ERR_STORE", message: expect.stringContaining("the result of m0") };
    await expect(opened.return(jid, done.id)).rejects.toMatchObject(damaged);
    await expect(opened.returns(jid, undefined, 1e6)).rejects.toMatchObject(damaged);
    expect(await opened.returns(jidOf(2), undefined, 1e6)).toEqual({ targets: [], next: undefined });
    await opened.close();
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

  it("SF-01: says that the disk is full, keeps what it has, and goes on when there is room", (context) =>
    onSmallDisk(context, dir, async () => {
      const store = await openSqliteStore(file);
      await store.commit([{ kind: "job", job: jobOf(1) }]);
      writeFileSync(join(dir, "ballast"), Buffer.alloc(1_400_000));
      const ret = new Uint8Array(1_000_000);
      const big = { kind: "target", jid: jidOf(1), target: { id: "m0" as MinionId, state: "succeeded", ret } } as const;
      await expect(store.commit([big])).rejects.toMatchObject({
        code: "ERR_DISK_FULL",
        message: expect.stringContaining(file),
        details: { hint: expect.stringContaining("room") },
      });
      expect(await store.targets(jidOf(1))).toEqual([]);
      rmSync(join(dir, "ballast"));
      await store.commit([{ kind: "target", jid: jidOf(1), target: { id: "m0" as MinionId, state: "failed" } }]);
      expect(await store.targets(jidOf(1))).toEqual([{ id: "m0", state: "failed" }]);
      await store.close();
    }));

  it("SF-01: closes on a full disk, and the next start has everything", (context) =>
    onSmallDisk(context, dir, async () => {
      const store = await openSqliteStore(file);
      await store.commit([{ kind: "job", job: jobOf(1) }]);
      const ret = new Uint8Array(600_000).fill(3);
      const target = { id: "m0" as MinionId, state: "succeeded", ret } as const;
      await store.commit([{ kind: "target", jid: jidOf(1), target }]);
      spawnSync("dd", ["if=/dev/zero", `of=${join(dir, "ballast")}`, "bs=4096"]);
      await store.close();
      expect(existsSync(`${file}-wal`)).toBe(true);
      rmSync(join(dir, "ballast"));
      // A name of its own: what could not be folded in keeps its lock until its statements are collected.
      const copy = join(dir, "copy.sqlite");
      for (const end of ["", "-wal"]) copyFileSync(`${file}${end}`, `${copy}${end}`);
      const next = await openSqliteStore(copy);
      const found = await next.return(jidOf(1), target.id);
      expect(ret.every((byte, at) => byte === found?.ret?.[at])).toBe(true);
      await next.close();
    }));
});
