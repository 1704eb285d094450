import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Connection } from "../../../src/store/connection.ts";
import { openDatabase } from "../../../src/store/database.ts";
import { openSqliteStore } from "../../../src/store/sqlite.ts";
import { jobOf, minionsOf } from "./contract.ts";
import { onSmallDisk } from "../../support/small-disk.ts";

describe("openDatabase", () => {
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
    const numbers = Array.from({ length: 200 }, (_, i) => i + 1);
    await store.commit(numbers.map((n) => ({ kind: "job", job: jobOf(n, minionsOf(20), { tgt: "t".repeat(300) }) })));
    await store.close();
  };

  it("is for its owner alone, and so is the folder made for it", async () => {
    const inside = join(dir, "made", "jobs.sqlite");
    const store = await openSqliteStore(inside);
    await store.commit([{ kind: "job", job: jobOf(1) }]);
    for (const end of ["", "-wal"]) expect(statSync(`${inside}${end}`).mode & 0o777).toBe(0o600);
    expect(statSync(join(dir, "made")).mode & 0o777).toBe(0o700);
    await store.close();
    expect(readdirSync(join(dir, "made"))).toEqual(["jobs.sqlite"]);
  });

  it.each([
    ["is no database", () => writeFileSync(file, "this is not a database, is it? ".repeat(100))],
    ["was cut", () => truncateSync(file, Math.floor(statSync(file).size / 8192) * 4096 + 100)],
    ["was emptied", () => truncateSync(file, 0)],
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
      details: { hint: expect.stringContaining("away") },
    });
    expect(readFileSync(file).equals(before)).toBe(true);
    expect(readdirSync(dir)).toEqual(["jobs.sqlite"]);
  });

  it.each([
    ["a newer msalt", "PRAGMA user_version = 99", "newer msalt"],
    ["somebody else", "PRAGMA application_id = 7", "not a record of msalt"],
  ])("refuses a file of %s", async (_whose, sql, says) => {
    await filled();
    const connection = new Connection(file, openDatabase(file));
    connection.run(sql);
    connection.close();
    await expect(openSqliteStore(file)).rejects.toMatchObject({
      code: "ERR_STORE",
      message: expect.stringContaining(says),
    });
  });

  it("makes no new record beside a log that holds the old one", async () => {
    writeFileSync(`${file}-wal`, "all that was acknowledged since the last checkpoint");
    await expect(openSqliteStore(file)).rejects.toMatchObject({
      code: "ERR_STORE",
      message: expect.stringContaining(`${file}-wal`),
    });
    expect(readdirSync(dir)).toEqual(["jobs.sqlite-wal"]);
  });

  it("begins anew where its making was cut short", async () => {
    writeFileSync(`${file}.new`, "half a record");
    await (await openSqliteStore(file)).close();
    expect(readdirSync(dir)).toEqual(["jobs.sqlite"]);
  });

  it("belongs to one: a second owner is refused while the first goes on", async () => {
    const store = await openSqliteStore(file);
    await expect(openSqliteStore(file)).rejects.toMatchObject({
      code: "ERR_STORE",
      message: expect.stringContaining("in use by another process"),
    });
    await store.commit([{ kind: "job", job: jobOf(1) }]);
    await store.close();
  });

  it("syncs each commit", () => {
    const connection = new Connection(file, openDatabase(file));
    expect(connection.get("PRAGMA synchronous")).toMatchObject({ synchronous: 2 });
    expect(connection.get("PRAGMA journal_mode")).toMatchObject({ journal_mode: "wal" });
    connection.close();
  });

  it("says which path it cannot use", async () => {
    writeFileSync(file, "");
    const inside = join(file, "jobs.sqlite");
    await expect(openSqliteStore(inside)).rejects.toMatchObject({
      code: "ERR_STORE",
      message: expect.stringContaining(`cannot use ${inside}`),
    });
    await expect(openSqliteStore(dir)).rejects.toMatchObject({
      code: "ERR_STORE",
      message: expect.stringContaining(dir),
    });
  });

  it("SF-01: makes no half record where there is no room for one", (context) =>
    onSmallDisk(context, dir, async () => {
      spawnSync("dd", ["if=/dev/zero", `of=${join(dir, "ballast")}`, "bs=4096"]);
      await expect(openSqliteStore(file)).rejects.toMatchObject({
        code: "ERR_DISK_FULL",
        message: expect.stringContaining(file),
      });
      rmSync(join(dir, "ballast"));
      await (await openSqliteStore(file)).close();
    }));

  it("SF-01: names the record on a disk that cannot be written", async (context) => {
    await (await openSqliteStore(file)).close();
    const whole = readFileSync(file);
    await onSmallDisk(context, dir, async () => {
      writeFileSync(file, whole);
      expect(spawnSync("mount", ["-o", "remount,ro", dir]).status).toBe(0);
      await expect(openSqliteStore(file)).rejects.toMatchObject({
        code: "ERR_STORE",
        message: expect.stringContaining(`cannot use ${file}`),
      });
    });
  });
});
