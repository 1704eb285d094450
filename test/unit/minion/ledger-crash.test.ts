import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { build } from "esbuild";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Ledger } from "../../../src/minion/ledger.ts";
import { decodeTrusted } from "../../../src/wire/codec.ts";
import { FakeDisk } from "../../support/fake-disk.ts";
import { flat, folder, Hands, hourMs, jidOf, resultOf } from "./ledger-kit.ts";

const path = "/data/ledger";
const lifeMs = 600_000;

type Op =
  | { readonly op: "start" | "ack"; readonly job: number }
  | { readonly op: "end"; readonly job: number; readonly bytes: number }
  | { readonly op: "tick" };

interface Step {
  /** Asked together, so that they share frames. */
  readonly ops: readonly Op[];
  readonly passedMs: number;
  /** The power goes before so many more operations of the disk are done. */
  readonly haltAfter?: number;
  /** How the power cut leaves what was not synced. */
  readonly seed: number;
}

/** What was asked for, and what of it the ledger has confirmed. */
interface Job {
  start: "no" | "asked" | "sure";
  end: "no" | "asked" | "sure";
  acked: boolean;
  lost: boolean;
  bytes: number;
  notAfter: number;
}

const valueOf = (job: number, bytes: number): string => `${job}${"x".repeat(bytes)}`;

function picker(seed: number): (max: number) => number {
  let state = seed;
  return (max) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state >>> 8) % (max + 1);
  };
}

/** A minion's ledger with its clock and disk, and beside it a model of what it owes. */
class World {
  readonly clock = new Hands();
  disk = new FakeDisk();
  ledger: Ledger | undefined;
  jobs = new Map<number, Job>();
  ended: number[] = [];
  count = 0;
  highestTime = 0;

  async step({ ops, passedMs, haltAfter, seed }: Step): Promise<void> {
    this.clock.at += passedMs;
    const ledger = this.ledger ?? (await this.open());
    if (haltAfter !== undefined) this.disk.haltAfter(haltAfter);
    const all = Promise.all(ops.map((op) => this.ask(ledger, op)));
    const halted = this.disk.halted.then(() => "halted" as const);
    const how = await Promise.race([all, halted]);
    this.count = ledger.count;
    this.highestTime = ledger.highestTime;
    if (how === "halted") {
      const pick = picker(seed);
      this.disk = this.disk.crash(pick);
      // The start after the power cut may meet with the next one.
      this.disk.haltAfter(pick(12));
      if ((await Promise.race([this.open(), this.disk.halted])) === undefined) {
        this.disk = this.disk.crash(pick);
        await this.open();
      }
      this.disk.haltAfter(Number.POSITIVE_INFINITY);
      await this.check(await this.open());
    } else {
      this.disk.haltAfter(Number.POSITIVE_INFINITY);
    }
  }

  async open(): Promise<Ledger> {
    this.ledger = await Ledger.open(path, { now: this.clock.now, fs: this.disk });
    return this.ledger;
  }

  job(number: number): Job {
    const known = this.jobs.get(number);
    if (known !== undefined) return known;
    const job: Job = {
      start: "no",
      end: "no",
      acked: false,
      lost: false,
      bytes: 0,
      notAfter: this.clock.at + lifeMs,
    };
    this.jobs.set(number, job);
    return job;
  }

  async ask(ledger: Ledger, op: Op): Promise<void> {
    if (op.op === "tick") return ledger.tick();
    const jid = jidOf(op.job);
    const seen = ledger.seen(jid);
    const job = this.job(op.job);
    if (this.mayBeForgotten(job)) return;
    switch (op.op) {
      case "start":
        if (seen !== "no") {
          await expect(ledger.start({ jid, fun: "cmd.run", notAfter: job.notAfter })).rejects.toThrow("must not start");
          return;
        }
        job.start = "asked";
        await ledger.start({ jid, fun: "cmd.run", notAfter: job.notAfter });
        job.start = "sure";
        return;
      case "end":
        if (job.start !== "sure" || job.end !== "no") return;
        job.end = "asked";
        job.bytes = op.bytes;
        await ledger.end(resultOf(op.job, valueOf(op.job, op.bytes)));
        job.end = "sure";
        this.ended.push(op.job);
        return;
      case "ack":
        if (job.end !== "sure") return;
        await ledger.ack(jid);
        job.acked = true;
        return;
    }
  }

  /** No such order comes again: its not-after is long past. */
  mayBeForgotten(job: Job): boolean {
    return job.acked && this.clock.at > job.notAfter + hourMs;
  }

  /** Holds a ledger that was just opened against the model, which then takes over what was open. */
  async check(ledger: Ledger): Promise<void> {
    expect(ledger.count).toBeGreaterThanOrEqual(this.count);
    expect(ledger.highestTime).toBeGreaterThanOrEqual(this.highestTime);
    const outbox = ledger.outbox();
    for (const [number, job] of this.jobs) {
      const jid = jidOf(number);
      const seen = ledger.seen(jid);
      const result = await ledger.result(jid);
      const lost = result?.state === "lost";
      if (seen === "no" && this.mayBeForgotten(job)) continue;
      if (job.lost) {
        expect({ seen, lost }).toEqual({ seen: "done", lost: true });
      } else if (job.end === "sure" || (job.end === "asked" && !lost)) {
        expect(seen).toBe("done");
        expect(flat(result)).toEqual(flat(resultOf(number, valueOf(number, job.bytes))));
      } else if (job.start === "sure") {
        expect({ seen, lost }).toEqual({ seen: "done", lost: true });
      } else if (job.start === "asked") {
        expect([false, true]).toContain(lost);
        expect(seen).toBe(lost ? "done" : "no");
      } else {
        expect(seen).toBe("no");
      }
      if (seen === "done" && !job.acked) expect(outbox).toContain(jid);
      if (lost) expect(decodeTrusted(result.ret)).toContain("restarted while the job ran");
      if (seen === "no") Object.assign(job, { start: "no", end: "no" });
      if (seen === "done") Object.assign(job, { start: "sure", end: "sure", lost });
    }
    const inOutbox = new Set<string>(outbox);
    const before = this.ended.map(jidOf).filter((jid) => inOutbox.has(jid));
    const known = new Set<string>(before);
    expect(outbox.filter((jid) => known.has(jid))).toEqual(before);
    this.ended = this.ended.filter((number) => inOutbox.has(jidOf(number)));
  }
}

const job = fc.nat({ max: 12 });
const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ op: fc.constant("start" as const), job }) },
  {
    weight: 4,
    arbitrary: fc.record({ op: fc.constant("end" as const), job, bytes: fc.constantFrom(10, 3000, 400_000) }),
  },
  { weight: 3, arbitrary: fc.record({ op: fc.constant("ack" as const), job }) },
  { weight: 1, arbitrary: fc.constant({ op: "tick" as const }) },
);
const step: fc.Arbitrary<Step> = fc.record(
  {
    ops: fc.array(op, { minLength: 1, maxLength: 6 }),
    passedMs: fc.constantFrom(1, 1000, 70_000, 2 * hourMs),
    haltAfter: fc.nat({ max: 12 }),
    seed: fc.nat(),
  },
  { requiredKeys: ["ops", "passedMs", "seed"] },
);

describe("power cuts", () => {
  it("P2, P3: what was confirmed survives any of them, whatever else was going on", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
        const world = new World();
        for (const each of steps) await world.step(each);
        world.disk = world.disk.crash(picker(steps.length));
        await world.check(await world.open());
      }),
      { numRuns: 150 },
    );
  });

  it("SF-03: at each operation of the disk, compaction and its rename included", async () => {
    const script: Omit<Step, "seed">[] = [
      { ops: [0, 1, 2].map((job) => ({ op: "start", job })), passedMs: 1 },
      { ops: [0, 1, 2].map((job) => ({ op: "end", job, bytes: job === 0 ? 10 : 600_000 })), passedMs: 1 },
      { ops: [1, 2].map((job) => ({ op: "ack", job })), passedMs: 1 },
      { ops: [{ op: "tick" }, { op: "start", job: 7 }], passedMs: 2 * hourMs },
      { ops: [{ op: "start", job: 8 }], passedMs: 1 },
      { ops: [{ op: "end", job: 8, bytes: 10 }], passedMs: 1 },
    ];
    let compactions = 0;
    for (const [place, cut] of script.entries()) {
      for (let haltAfter = 0, reached = true; reached; haltAfter += 1) {
        for (let seed = 1; seed <= 6; seed += 1) {
          const world = new World();
          for (const each of script.slice(0, place)) await world.step({ ...each, seed });
          const running = world.disk;
          await world.step({ ...cut, seed, haltAfter });
          reached = world.disk !== running;
          world.disk = world.disk.crash(picker(seed));
          await world.check(await world.open());
          if (place > 3 && world.disk.bytes(path).length < 100_000) compactions += 1;
        }
      }
    }
    expect(compactions).toBeGreaterThan(0);
  });
});

describe("kill -9", () => {
  it("P3: before the sync, then a power cut: what the start between them showed is on disk", async () => {
    const { now } = new Hands();
    const disk = new FakeDisk();
    const ledger = await Ledger.open(path, { now, fs: disk });
    disk.haltAfter(1);
    void ledger.end(resultOf(1));
    await disk.halted;
    disk.haltAfter(Number.POSITIVE_INFINITY);
    expect((await Ledger.open(path, { now, fs: disk })).outbox()).toEqual([jidOf(1)]);
    const after = await Ledger.open(path, { now, fs: disk.crash(() => 0) });
    expect(after.outbox()).toEqual([jidOf(1)]);
  });

  const script = `
    import { Ledger } from "./src/minion/ledger.ts";
    import { encode } from "./src/wire/codec.ts";
    const [, , path, from] = process.argv;
    const ledger = await Ledger.open(path, { now: () => Date.now() });
    const say = (line) => process.stdout.write(line + "\\n");
    let next = Number(from);
    const work = async () => {
      for (;;) {
        const number = (next += 1);
        const jid = "20260101" + String(number).padStart(12, "0");
        await ledger.start({ jid, fun: "cmd.run", notAfter: Date.now() + 600_000 });
        say("S " + number);
        const ret = encode("result " + number);
        await ledger.end({ jid, fun: "cmd.run", state: "succeeded", retcode: 0, success: true, ret });
        say("E " + number);
        if (number % 3 === 0) await ledger.ack(jid);
      }
    };
    await Promise.all([work(), work(), work()]);
  `;

  it("PF-06: of a minion that works leaves every START and every result it confirmed", async () => {
    const place = await folder();
    const program = join(place, "child.mjs");
    await build({
      stdin: { contents: script, resolveDir: join(import.meta.dirname, "../../.."), loader: "ts" },
      outfile: program,
      bundle: true,
      platform: "node",
      format: "esm",
      logLevel: "error",
      banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
    });
    const file = join(place, "ledger");
    let from = 0;
    for (const lines of [1, 40, 173]) {
      const child = spawn(process.execPath, [program, file, String(from)], {
        cwd: process.cwd(),
        stdio: ["ignore", "pipe", "inherit"],
      });
      let text = "";
      child.stdout.on("data", (chunk: Buffer) => {
        text += chunk.toString();
        if (text.split("\n").length > lines) child.kill("SIGKILL");
      });
      await once(child, "close");
      const said = text.split("\n").slice(0, -1);
      expect(said.length).toBeGreaterThanOrEqual(lines);
      const ledger = await Ledger.open(file, { now: Date.now });
      for (const line of said) {
        const number = Number(line.slice(2));
        const result = await ledger.result(jidOf(number));
        expect(ledger.seen(jidOf(number))).toBe("done");
        if (line.startsWith("E")) expect(result).toEqual(resultOf(number));
        from = Math.max(from, number + 10);
      }
      await ledger.close();
    }
  });
});

describe("a full disk", () => {
  it("P2, P3: keeps what it has, rejects the rest, and works again when there is room", async (context) => {
    const place = await folder();
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=128k", "msalt-test", place]);
    if (mounted.status !== 0) return context.skip("mounting a tmpfs is not permitted here");
    try {
      const open = (): Promise<Ledger> => Ledger.open(join(place, "ledger"), { now: Date.now });
      const ledger = await open();
      const notAfter = Date.now() + hourMs;
      await ledger.start({ jid: jidOf(0), fun: "cmd.run", notAfter });
      let full = 1;
      const fill = async (): Promise<void> => {
        for (; full < 1000; full += 1) await ledger.end(resultOf(full, "x".repeat(10_000)));
      };
      await expect(fill()).rejects.toMatchObject({ code: "ERR_DISK_FULL" });
      await expect(ledger.end(resultOf(0, "y".repeat(10_000)))).rejects.toMatchObject({ code: "ERR_DISK_FULL" });
      expect(full).toBeGreaterThan(5);
      expect(spawnSync("mount", ["-o", "remount,size=1m", place]).status).toBe(0);
      await ledger.end(resultOf(0, "y".repeat(10_000)));
      await ledger.close();
      const again = await open();
      expect(again.warnings).toEqual([]);
      expect(flat(await again.result(jidOf(0)))).toEqual(flat(resultOf(0, "y".repeat(10_000))));
      expect(again.outbox()).toHaveLength(full);
      expect(again.seen(jidOf(full))).toBe("no");
      await again.close();
    } finally {
      spawnSync("umount", [place]);
    }
  });
});
