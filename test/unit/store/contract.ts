import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Job, Target } from "../../../src/job/types.ts";
import type { JobStore, Write } from "../../../src/store/job-store.ts";
import type { Jid, KeyId, MinionId } from "../../../src/wire/ids.ts";

export const jidOf = (n: number): Jid => `2${String(n).padStart(19, "0")}` as Jid;
export const minionsOf = (count: number): MinionId[] => Array.from({ length: count }, (_, i) => `m${i}` as MinionId);
export const jobOf = (n: number, minions = minionsOf(3), more: Partial<Job> = {}): Job => ({
  jid: jidOf(n),
  user: "root",
  fun: "cmd.run",
  arg: ["uptime"],
  tgt: "*",
  tgtType: "glob",
  options: { waitMs: 5000 },
  created: n,
  notAfter: n + 1000,
  minions,
  missing: [],
  ...more,
});
const result = (id: MinionId, ret: Uint8Array): Target => ({
  id,
  state: "succeeded",
  ended: 5,
  retcode: 0,
  success: true,
  ret,
});

/** What every JobStore must do; `reopen` closes the one there is and opens the same record again. */
export function jobStoreContract(
  name: string,
  open: () => Promise<{ store: JobStore; reopen: () => Promise<JobStore>; dispose: () => Promise<void> }>,
): void {
  describe(`${name} as a JobStore`, () => {
    let kit: Awaited<ReturnType<typeof open>>;
    let store: JobStore;
    beforeEach(async () => {
      kit = await open();
      store = kit.store;
    });
    afterEach(() => kit.dispose());

    it("gives back a job as it was written, also after it was closed", async () => {
      const job = jobOf(1, minionsOf(3), {
        words: ["uptime"],
        missing: ["x"],
        options: { timeoutMs: 7, metadata: { why: "é" } },
      });
      await store.commit([{ kind: "job", job }]);
      expect(await store.job(job.jid)).toEqual({ job });
      store = await kit.reopen();
      expect(await store.job(job.jid)).toEqual({ job });
      expect(await store.openJobs()).toEqual([{ job }]);
      expect(await store.targets(job.jid)).toEqual([]);
    });

    it("keeps one row per target, the last one written, results apart from states", async () => {
      const job = jobOf(1);
      const [a, b] = job.minions as [MinionId, MinionId];
      await store.commit([
        { kind: "job", job },
        { kind: "target", jid: job.jid, target: { id: a, state: "running", started: 1 } },
      ]);
      await store.commit([
        { kind: "target", jid: job.jid, target: result(a, Uint8Array.of(1)) },
        { kind: "target", jid: job.jid, target: { id: b, state: "expired", ended: 9, reason: "away" } },
      ]);
      const { ret: _, ...state } = result(a, Uint8Array.of(1));
      expect(await store.targets(job.jid)).toEqual([state, { id: b, state: "expired", ended: 9, reason: "away" }]);
      expect(await store.return(job.jid, a)).toEqual(result(a, Uint8Array.of(1)));
      expect(await store.return(job.jid, job.minions[2] as MinionId)).toBeUndefined();
    });

    it("gives results in pages that hold everything once", async () => {
      const job = jobOf(1, minionsOf(50));
      const ret = new Uint8Array(1000).fill(7);
      await store.commit([
        { kind: "job", job },
        ...job.minions.map((id): Write => ({ kind: "target", jid: job.jid, target: result(id, ret) })),
      ]);
      const seen: MinionId[] = [];
      let pages = 0;
      let after: number | undefined;
      do {
        const page = await store.returns(job.jid, after, 10_000);
        expect(page.targets.length).toBeLessThanOrEqual(10);
        seen.push(...page.targets.map(({ id }) => id));
        after = page.next;
        pages += 1;
      } while (after !== undefined);
      expect(seen).toEqual(job.minions);
      expect(pages).toBe(5);
      expect((await store.returns(job.jid, undefined, 1)).targets).toHaveLength(1);
    });

    it("ends jobs, lists them newest first, and purges only ended ones", async () => {
      await store.commit([1, 2, 3, 4].map((n) => ({ kind: "job", job: jobOf(n) })));
      await store.commit([1, 2, 3].map((n) => ({ kind: "end", jid: jidOf(n), at: n })));
      await store.commit([{ kind: "stop", jid: jidOf(2), stop: { at: 1, reason: "why", signal: 15 } }]);
      expect((await store.openJobs()).map(({ job }) => job.jid)).toEqual([jidOf(4)]);
      expect((await store.jobs(undefined, 2)).map(({ job }) => job.jid)).toEqual([jidOf(4), jidOf(3)]);
      expect((await store.jobs(jidOf(3), 9)).map(({ ended, stop, targets }) => [ended, stop, targets])).toEqual([
        [2, { at: 1, reason: "why", signal: 15 }, jobOf(2).minions.length],
        [1, undefined, jobOf(1).minions.length],
      ]);
      expect((await store.job(jidOf(2)))?.stop).toEqual({ at: 1, reason: "why", signal: 15 });
      expect(await store.purge(jidOf(9), 2)).toBe(2);
      expect(await store.purge(jidOf(9), 2)).toBe(1);
      expect(await store.purge(jidOf(9), 2)).toBe(0);
      expect(await store.job(jidOf(1))).toBeUndefined();
      expect(await store.job(jidOf(4))).toBeDefined();
      expect(await store.lastJid()).toBe(jidOf(4));
    });

    it("remembers the last jid when its job is gone", async () => {
      expect(await store.lastJid()).toBeUndefined();
      await store.commit([
        { kind: "job", job: jobOf(1) },
        { kind: "end", jid: jidOf(1), at: 1 },
      ]);
      await store.purge(jidOf(9), 9);
      store = await kit.reopen();
      expect(await store.lastJid()).toBe(jidOf(1));
    });

    it("writes all of a batch or nothing, and goes on afterwards", async () => {
      await store.commit([{ kind: "job", job: jobOf(1) }]);
      const bad: Write = { kind: "target", jid: jidOf(1), target: { id: "stranger" as MinionId, state: "failed" } };
      await expect(store.commit([{ kind: "job", job: jobOf(2, minionsOf(9)) }, bad])).rejects.toMatchObject({
        code: "ERR_STORE",
      });
      await expect(store.commit([{ kind: "job", job: jobOf(1) }])).rejects.toMatchObject({ code: "ERR_STORE" });
      expect(await store.job(jidOf(2))).toBeUndefined();
      await store.commit([{ kind: "job", job: jobOf(3, minionsOf(9)) }]);
      expect((await store.job(jidOf(3)))?.job.minions).toEqual(minionsOf(9));
    });

    it("keeps conflicting results beside the first, as they came", async () => {
      const job = jobOf(1);
      const [a, b] = job.minions as [MinionId, MinionId];
      const target = { ...result(a, Uint8Array.of(1)), conflicts: 2 };
      await store.commit([
        { kind: "job", job },
        { kind: "target", jid: job.jid, target },
        { kind: "conflict", jid: job.jid, id: a, ret: Uint8Array.of(3), at: 6 },
        { kind: "conflict", jid: job.jid, id: a, ret: Uint8Array.of(2), at: 7 },
      ]);
      expect(await store.return(job.jid, a)).toEqual(target);
      expect(await store.conflicts(job.jid, a)).toEqual([
        { at: 6, ret: Uint8Array.of(3) },
        { at: 7, ret: Uint8Array.of(2) },
      ]);
      expect(await store.conflicts(job.jid, b)).toEqual([]);
      expect(await store.conflicts(jidOf(2), a)).toEqual([]);
    });

    it("keeps a result when its target is written again without it", async () => {
      const job = jobOf(1);
      const [a] = job.minions as [MinionId];
      const { ret, ...state } = result(a, Uint8Array.of(1));
      await store.commit([
        { kind: "job", job },
        { kind: "target", jid: job.jid, target: { ...state, ret: ret ?? Uint8Array.of() } },
      ]);
      await store.commit([{ kind: "target", jid: job.jid, target: { ...state, conflicts: 1 } }]);
      expect(await store.return(job.jid, a)).toEqual({ ...state, conflicts: 1, ret });
    });

    it("remembers the highest jid, in whatever order jobs come", async () => {
      await store.commit([
        { kind: "job", job: jobOf(7) },
        { kind: "job", job: jobOf(3) },
      ]);
      expect(await store.lastJid()).toBe(jidOf(7));
      expect((await store.openJobs()).map(({ job }) => job.jid)).toEqual([jidOf(3), jidOf(7)]);
    });

    it("SF-08: purges a job whole, serves others meanwhile, and gives nothing of it to the next one", async () => {
      const many = minionsOf(5000);
      const ret = new Uint8Array(10_000).fill(9);
      const old = jobOf(1, many);
      await store.commit([
        { kind: "job", job: old },
        ...many.map((id): Write => ({ kind: "target", jid: old.jid, target: result(id, ret) })),
        { kind: "conflict", jid: old.jid, id: many[0] as MinionId, ret, at: 1 },
        { kind: "end", jid: old.jid, at: 2 },
      ]);
      let turns = 0;
      const turn = (): void => {
        turns += 1;
        counting = setImmediate(turn);
      };
      let counting = setImmediate(turn);
      const purged = store.purge(jidOf(2), 10).finally(() => clearImmediate(counting));
      expect(await store.job(old.jid)).toBeUndefined();
      expect(await store.targets(old.jid)).toEqual([]);
      const next = jobOf(5, many);
      const [first, second] = many as [MinionId, MinionId];
      await store.commit([{ kind: "job", job: next }]);
      expect(await store.targets(next.jid)).toEqual([]);
      await store.commit([{ kind: "target", jid: next.jid, target: result(first, Uint8Array.of(1)) }]);
      expect(await purged).toBe(1);
      expect(turns).toBeGreaterThan(5);
      expect((await store.returns(next.jid, undefined, 1e9)).targets).toEqual([result(first, Uint8Array.of(1))]);
      expect(await store.return(next.jid, second)).toBeUndefined();
      expect(await store.conflicts(next.jid, first)).toEqual([]);
      await expect(
        store.commit([{ kind: "target", jid: old.jid, target: { id: many[0] as MinionId, state: "failed" } }]),
      ).rejects.toMatchObject({ code: "ERR_STORE" });
    });

    it("says that it is closed", async () => {
      await store.close();
      await expect(store.openJobs()).rejects.toMatchObject({ code: "ERR_STORE" });
      await expect(store.commit([{ kind: "job", job: jobOf(1) }])).rejects.toMatchObject({ code: "ERR_STORE" });
      store = await kit.reopen();
      expect(await store.openJobs()).toEqual([]);
    });

    it("knows minions and their grains until they are forgotten", async () => {
      const id = "m1" as MinionId;
      const minion = {
        id,
        keyId: "a".repeat(32) as KeyId,
        ledgerId: new Uint8Array(16).fill(3),
        ledgerCount: 4,
        lastSeen: 5,
      };
      await store.commit([
        { kind: "minion", minion },
        { kind: "grains", id, grains: { os: "Debian", n: [1, { a: null }] }, at: 6 },
      ]);
      store = await kit.reopen();
      expect(await store.minions()).toEqual([minion]);
      expect(await store.grains(id)).toEqual({ os: "Debian", n: [1, { a: null }] });
      await store.commit([{ kind: "forget", id }]);
      expect(await store.minions()).toEqual([]);
      expect(await store.grains(id)).toBeUndefined();
    });

    it("SF-05: round trips quotes, NUL, a megabyte and all planes", async () => {
      const nasty = `'; DROP TABLE jobs; --\0"\\%_\u{10FFFF}é${"x".repeat(1_048_576)}`;
      const job = jobOf(1, minionsOf(1), { user: nasty, arg: [nasty], tgt: nasty });
      const ret = new Uint8Array(8 * 1_048_576).map((_, i) => i & 255);
      await store.commit([
        { kind: "job", job },
        { kind: "target", jid: job.jid, target: result("m0" as MinionId, ret) },
      ]);
      store = await kit.reopen();
      expect((await store.job(job.jid))?.job).toEqual(job);
      expect(Buffer.from((await store.return(job.jid, "m0" as MinionId))?.ret ?? []).equals(Buffer.from(ret))).toBe(
        true,
      );
    });
  });
}
