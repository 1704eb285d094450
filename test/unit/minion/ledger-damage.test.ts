import { readFile, writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { Ledger } from "../../../src/minion/ledger.ts";
import { FakeDisk } from "../../support/fake-disk.ts";
import { flat, Hands, hourMs, jidOf, ledgerFile, resultOf } from "./ledger-kit.ts";

const path = "/data/ledger";
const numbers = [1, 2, 3, 4, 5, 6];
const headBytes = 56;
const clock = new Hands();

const open = (disk: FakeDisk): Promise<Ledger> => Ledger.open(path, { now: clock.now, fs: disk });

/** Everything that a ledger says about the jobs of these tests. */
async function says(ledger: Ledger): Promise<Readonly<Record<string, unknown>>> {
  const results = await Promise.all(numbers.map((number) => ledger.result(jidOf(number))));
  return {
    seen: numbers.map((number) => ledger.seen(jidOf(number))),
    results: results.map((result) => flat(result)),
    outbox: ledger.outbox(),
    count: ledger.count,
    id: ledger.id,
  };
}

/** One ledger, and after each of its commits: the size of the file, and what a start from just that file finds. */
async function history(): Promise<{ bytes: Buffer; commits: { size: number; found: unknown }[] }> {
  const disk = new FakeDisk();
  const ledger = await open(disk);
  const order = (number: number): { jid: ReturnType<typeof jidOf>; fun: string; notAfter: number } => ({
    jid: jidOf(number),
    fun: "cmd.run",
    notAfter: clock.at + hourMs,
  });
  const commits: { size: number; found: unknown }[] = [];
  for (const commit of [
    () => Promise.resolve(),
    () => Promise.all([ledger.start(order(1)), ledger.start(order(2))]),
    () => ledger.end(resultOf(1)),
    () => ledger.end(resultOf(5), clock.at + hourMs),
    () => ledger.end(resultOf(3)),
    () => Promise.all([ledger.ack(jidOf(1)), ledger.start(order(4))]),
    () => Promise.all([ledger.end(resultOf(4)), ledger.end(resultOf(2))]),
    () => ledger.start(order(6)),
  ]) {
    await commit();
    const bytes = disk.bytes(path);
    commits.push({ size: bytes.length, found: await says(await open(FakeDisk.holding(path, bytes))) });
  }
  return { bytes: disk.bytes(path), commits };
}

describe("a ledger that was cut", () => {
  it("P2, P3: cut at any byte, it says what its last whole commit said, or it is refused", async () => {
    const { bytes, commits } = await history();
    expect(commits.map(({ size }) => size)).toEqual(commits.map(({ size }) => size).toSorted((a, b) => a - b));
    for (let at = 0; at < bytes.length; at += 1) {
      const disk = FakeDisk.holding(path, bytes.subarray(0, at));
      if (at < headBytes) {
        await expect(open(disk), `cut at ${at}`).rejects.toMatchObject({ code: "ERR_LEDGER_CORRUPT" });
        continue;
      }
      const last = commits.findLast(({ size }) => size <= at);
      const ledger = await open(disk);
      expect(await says(ledger), `cut at ${at}`).toEqual(last?.found);
      expect(ledger.warnings).toHaveLength(last?.size === at ? 0 : 1);
      expect(ledger.warnings.every((warning) => warning.includes(path))).toBe(true);
    }
  });

  it("SF-06: has the same id and a lower count when it is yesterday's", async () => {
    const disk = new FakeDisk();
    const ledger = await open(disk);
    await ledger.end(resultOf(1));
    const yesterday = FakeDisk.holding(path, disk.bytes(path));
    await ledger.end(resultOf(2));
    const restored = await open(yesterday);
    expect(restored.id).toEqual(ledger.id);
    expect(restored.count).toBe(ledger.count - 1);
  });
});

describe("a ledger with a flipped byte", () => {
  it("P2, P3: says nothing wrong, and forgets nothing but an unproven last commit", async () => {
    const { bytes, commits } = await history();
    const beforeLast = commits.at(-2);
    for (let at = 0; at < bytes.length; at += 1) {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
      const disk = FakeDisk.holding(path, flipped);
      if (at < (beforeLast?.size ?? 0)) {
        await expect(open(disk), `flipped at ${at}`).rejects.toMatchObject({
          code: "ERR_LEDGER_CORRUPT",
          message: expect.stringMatching(/^the ledger \/data\/ledger is damaged at byte \d+: /),
          details: { file: path, hint: expect.stringContaining("move the file away") },
        });
        expect(disk.bytes(path).equals(flipped)).toBe(true);
        continue;
      }
      const ledger = await open(disk);
      expect(await says(ledger), `flipped at ${at}`).toEqual(beforeLast?.found);
      expect(ledger.warnings).toHaveLength(1);
    }
  });

  it("is found when it happens while the minion runs", async () => {
    const disk = new FakeDisk();
    const ledger = await open(disk);
    await ledger.end(resultOf(1));
    const bytes = disk.bytes(path);
    bytes[bytes.length - 1] = 0;
    await expect(ledger.result(jidOf(1))).rejects.toMatchObject({ code: "ERR_LEDGER_CORRUPT" });
  });
});

describe("a file that is no ledger", () => {
  it.each([
    ["is empty", Buffer.alloc(0), "it is empty"],
    ["ends inside its head", Buffer.from("MSLEDGR\u0001abc", "latin1"), "ends inside its head"],
    ["is something else", Buffer.alloc(4096, "log line\n"), "does not begin as a ledger"],
    ["is all zeros", Buffer.alloc(4096), "does not begin as a ledger"],
  ])("LF-06: is refused when it %s, and stays as it was", async (_case, bytes, why) => {
    const file = await ledgerFile();
    await writeFile(file.path, bytes);
    await expect(file.open()).rejects.toMatchObject({
      code: "ERR_LEDGER_CORRUPT",
      message: expect.stringContaining(why),
    });
    expect((await readFile(file.path)).equals(bytes)).toBe(true);
  });
});

describe("a tail that no ledger wrote", () => {
  const tail = async (make: (bytes: Buffer) => Uint8Array): Promise<Ledger> => {
    const { bytes } = await history();
    return open(FakeDisk.holding(path, Buffer.concat([bytes, make(bytes)])));
  };

  it.each([
    ["zeros", () => Buffer.alloc(700)],
    ["noise", () => Buffer.alloc(700, 0xf7)],
    ["a copy of its own frames", (bytes: Buffer) => bytes.subarray(headBytes)],
  ])("is cut off with a warning: %s", async (_case, make) => {
    const { bytes } = await history();
    const whole = await open(FakeDisk.holding(path, bytes));
    const ledger = await tail(make);
    expect(await says(ledger)).toEqual({ ...(await says(whole)), id: ledger.id });
    expect(ledger.warnings).toHaveLength(1);
  });

  it("is refused when it is longer than any one write", async () => {
    await expect(tail(() => Buffer.alloc(12 * 1_048_576))).rejects.toMatchObject({ code: "ERR_LEDGER_CORRUPT" });
  });

  it("leaves nothing of itself behind shorter records that come after", async () => {
    const disk = FakeDisk.holding(path, Buffer.concat([(await history()).bytes, Buffer.alloc(5000, 0xf7)]));
    const ledger = await open(disk);
    await ledger.end(resultOf(9), clock.at);
    expect((await open(disk)).warnings).toEqual([]);
  });

  it("is torn also when the result in it is a copy of a ledger", async () => {
    const { bytes } = await history();
    const disk = new FakeDisk();
    const ledger = await open(disk);
    const kept = disk.bytes(path).length;
    await ledger.end({ ...resultOf(1), ret: Buffer.concat([bytes, bytes]) });
    const torn = await open(FakeDisk.holding(path, disk.bytes(path).subarray(0, -1)));
    expect(torn.warnings[0]).toContain(`from byte ${kept} on`);
    expect(torn.seen(jidOf(1))).toBe("no");
  });
});
