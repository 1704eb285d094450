/**
 * Random histories of one job: a controller with its record, a network that loses, doubles and reorders, and minions with their
 * ledgers, of which all may die at any time. The decisions are the product's (`src/job`); the rest is as small as it can be.
 */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { LinkState } from "../../../src/job/batch.ts";
import { OpenJob } from "../../../src/job/open-job.ts";
import { advance, isTerminal, notAfterOf, type TargetEvent } from "../../../src/job/state.ts";
import type { Job, JobOptions, Stop, Target, TargetState } from "../../../src/job/types.ts";
import type { Jid, MinionId } from "../../../src/wire/ids.ts";
import type { RunState } from "../../../src/wire/loads.ts";

/** One thing made wrong, to see that it is found. */
type Bug =
  | "START is not synced"
  | "the ledger is not asked"
  | "acknowledged before it is stored"
  | "a stop skips what was sent"
  | "one too many at once"
  | "the budget is not looked at"
  | "nothing expires"
  | "a batch is sent before it is written"
  | "the end is written twice";

interface Mini {
  up: boolean;
  linked: boolean;
  downSince: number;
  /** On disk. */
  ledger: "none" | "started" | "done";
  result: RunState | undefined;
  acked: boolean;
  running: boolean;
  executions: number;
}

type Order = { readonly kind: "run"; readonly notAfter: number } | { readonly kind: "kill" };

const ttlMs = 65_000;
const graceMs = 5000;
const awayMs = 10_000;
const lostAfterMs = 3_600_000;

/** Which row may follow which (DESIGN §6), said again without the code under test. */
const follows: Readonly<Record<TargetState, readonly TargetState[]>> = {
  waiting: ["waiting", "sent", "running", "succeeded", "failed", "timed_out", "killed", "lost", "skipped", "expired"],
  sent: ["running", "succeeded", "failed", "timed_out", "killed", "lost", "expired"],
  running: ["succeeded", "failed", "timed_out", "killed", "lost"],
  expired: ["succeeded", "failed", "timed_out", "killed", "lost"],
  lost: ["succeeded", "failed", "timed_out", "killed", "lost"],
  skipped: [],
  succeeded: [],
  failed: [],
  timed_out: [],
  killed: [],
};

class World {
  now = 1_000_000;
  readonly bug: Bug | undefined;
  readonly job: Job;
  readonly minis: Map<MinionId, Mini>;
  readonly network: { readonly to: MinionId; readonly order: Order }[] = [];
  readonly rows = new Map<MinionId, Target>();
  stored: Stop | undefined;
  ends = 0;
  memory: OpenJob | undefined;
  failNext = false;

  constructor(count: number, options: JobOptions, bug?: Bug) {
    this.bug = bug;
    const minions = Array.from({ length: count }, (_, n) => `m${n}` as MinionId);
    const rest = { user: "u", fun: "f", arg: [], tgt: "*", tgtType: "glob", missing: [] };
    this.job = { jid: "2".repeat(20) as Jid, ...rest, options, created: this.now, notAfter: this.now + ttlMs, minions };
    this.minis = new Map(
      minions.map((id, n) => [
        id,
        {
          up: true,
          linked: n % 4 !== 3,
          downSince: 0,
          ledger: "none",
          result: undefined,
          acked: false,
          running: false,
          executions: 0,
        },
      ]),
    );
    this.load();
    if (options.parallel === undefined) this.dispatch(minions);
    this.pump();
  }

  mini(id: MinionId): Mini {
    const mini = this.minis.get(id);
    if (mini === undefined) throw new Error(id);
    return mini;
  }

  linkOf(id: MinionId): LinkState {
    const { linked, up, downSince } = this.mini(id);
    if (linked && up) return "up";
    return downSince > this.now - awayMs ? "returning" : "away";
  }

  load(): void {
    if (this.ends > 0) {
      this.memory = undefined;
      return;
    }
    this.memory = new OpenJob(this.job, [...this.rows.values()], this.stored);
    // In a job that is no batch, nobody has written down who was sent it.
    if (this.job.options.parallel === undefined) {
      for (const id of this.job.minions) this.memory.apply(id, { is: "sent" });
    }
    if (this.memory.openCount === 0) this.settle([], this.now);
  }

  /** Everything or nothing; after nothing memory is read anew. */
  commit(rows: readonly Target[], more: { stop?: Stop | undefined; end?: boolean } = {}): boolean {
    if (this.failNext) {
      this.failNext = false;
      this.load();
      return false;
    }
    for (const row of rows) {
      const before = this.rows.get(row.id)?.state ?? "waiting";
      if (before !== row.state || row.conflicts !== undefined) {
        expect(follows[before], `I4: ${before} -> ${row.state}`).toContain(row.state);
      }
      const { ret: _, ...kept } = row;
      this.rows.set(row.id, kept);
    }
    if (more.stop !== undefined) this.stored = more.stop;
    if (more.end === true) this.ends += 1;
    if (this.bug === "the end is written twice" && more.end === true) this.ends += 1;
    expect(this.ends, "a job ends once").toBeLessThanOrEqual(1);
    return true;
  }

  settle(moved: readonly Target[], at: number, stop?: Stop): boolean {
    const open = this.memory;
    if (open === undefined) return false;
    const spent = this.bug === "the budget is not looked at" ? undefined : open.spent(at);
    const skipped = spent === undefined ? [] : this.halt(open, spent);
    const end = open.openCount === 0;
    if (!this.commit([...moved, ...skipped], { stop: stop ?? spent, end })) return false;
    if ((stop ?? spent) !== undefined) this.dispatch(this.job.minions);
    if (end) this.memory = undefined;
    else this.pump();
    return true;
  }

  halt(open: OpenJob, stop: Stop): Target[] {
    const skipped = open.halt(stop);
    if (this.bug !== "a stop skips what was sent") return skipped;
    const sent = [...open.targets.values()].filter(({ state }) => state === "sent");
    const more = sent.map((target): Target => ({ ...target, state: "skipped", ended: stop.at }));
    for (const row of more) {
      this.rows.delete(row.id);
      open.put(row);
    }
    return [...skipped, ...more];
  }

  /** What a target is to do now, if anything. */
  orderFor(id: MinionId): Order | undefined {
    const open = this.memory;
    const target = open?.targets.get(id);
    if (open === undefined || target === undefined) return undefined;
    const { state } = target;
    if (open.stop !== undefined) {
      const kills = open.stop.signal !== undefined && (state === "sent" || state === "running");
      return kills ? { kind: "kill" } : undefined;
    }
    if (state !== "sent" && (state !== "waiting" || this.job.options.parallel !== undefined)) return undefined;
    const notAfter = notAfterOf(this.job, target) ?? 0;
    return notAfter > this.now ? { kind: "run", notAfter } : undefined;
  }

  dispatch(ids: readonly MinionId[]): void {
    for (const id of ids) {
      const order = this.linkOf(id) === "up" ? this.orderFor(id) : undefined;
      if (order === undefined) continue;
      this.network.push({ to: id, order });
      this.memory?.apply(id, { is: "sent" });
    }
  }

  pump(): void {
    const open = this.memory;
    const { parallel, batchWaitMs = 0 } = this.job.options;
    if (open === undefined || parallel === undefined) return;
    const wide = new OpenJob(
      { ...this.job, options: { ...this.job.options, parallel: parallel + 1 } },
      [...open.targets.values()],
      open.stop,
    );
    const planner = this.bug === "one too many at once" ? wide : open;
    const { send, passed } = planner.plan(this.now, (id) => this.linkOf(id));
    if (send.length > 0) {
      const taken = [...open.targets.values()].filter(({ id, state, ended = 0, unreachable }) => {
        if (state === "running") return true;
        if (state === "sent") return this.linkOf(id) !== "away";
        return isTerminal(state) && state !== "skipped" && unreachable !== true && ended + batchWaitMs > this.now;
      }).length;
      expect(taken + send.length, "no more than parallel at once").toBeLessThanOrEqual(parallel);
      expect(open.stop, "nobody begins after a stop").toBeUndefined();
    }
    const rows = [
      ...passed.flatMap((id) => open.apply(id, { is: "turn", at: this.now }) ?? []),
      ...send.flatMap((id) => open.apply(id, { is: "sent", turn: this.now }) ?? []),
    ];
    if (this.bug === "a batch is sent before it is written") this.dispatch(send);
    if (rows.length > 0 && this.commit(rows)) this.dispatch(send);
  }

  step(id: MinionId, event: TargetEvent & { at: number }): boolean {
    const row = this.memory?.apply(id, event);
    return row === undefined || this.settle([row], event.at);
  }

  deliver({ to, order }: { to: MinionId; order: Order }): void {
    const mini = this.mini(to);
    if (!mini.up || !mini.linked) return;
    if (order.kind === "kill") {
      if (mini.running) this.finish(mini, "killed");
      else if (mini.ledger === "none") Object.assign(mini, { ledger: "done", result: "killed" });
      return;
    }
    if (this.now >= order.notAfter) return;
    if (mini.ledger !== "none" && (this.bug !== "the ledger is not asked" || mini.running)) return;
    Object.assign(mini, { ledger: this.bug === "START is not synced" ? "none" : "started", running: true });
    mini.executions += 1;
    const known = this.job.options.parallel === undefined || (this.rows.get(to)?.state ?? "waiting") !== "waiting";
    expect(known, "in a batch what was sent is on record").toBe(true);
  }

  finish(mini: Mini, state: RunState): void {
    if (mini.running && mini.ledger !== "done") Object.assign(mini, { ledger: "done", result: state });
    mini.running = false;
  }

  /** A result goes to the master; it is acknowledged when it is stored, if the answer arrives. */
  send(id: MinionId, answerArrives: boolean): void {
    const mini = this.mini(id);
    if (mini.result === undefined || mini.acked || !mini.up || !mini.linked) return;
    const event: TargetEvent = {
      is: "returned",
      at: this.now,
      state: mini.result,
      retcode: mini.result === "succeeded" ? 0 : 1,
      success: mini.result === "succeeded",
      ret: new Uint8Array(0),
    };
    const target = this.memory?.targets.get(id);
    const open = target !== undefined && !isTerminal(target.state);
    const stored = open ? this.step(id, event) : this.again(id, event);
    if ((stored || this.bug === "acknowledged before it is stored") && answerArrives) mini.acked = true;
  }

  again(id: MinionId, event: Extract<TargetEvent, { is: "returned" }>): boolean {
    const stored = this.rows.get(id) ?? { id, state: "waiting" as const };
    const next = advance(stored, event);
    if (next === undefined) return true;
    if (!this.commit([next])) return false;
    this.memory?.put(next);
    return true;
  }

  tick(): void {
    for (const target of this.memory?.targets.values() ?? []) {
      const { id, state } = target;
      const over = this.now > (notAfterOf(this.job, target) ?? Infinity) + graceMs;
      const gone = this.linkOf(id) === "away" && this.mini(id).downSince < this.now - lostAfterMs;
      if (over && (state === "waiting" || state === "sent") && this.bug !== "nothing expires")
        this.step(id, { is: "expired", at: this.now, reason: "late" });
      else if (state === "running" && gone) this.step(id, { is: "lost", at: this.now, reason: "gone" });
    }
    this.pump();
  }

  heartbeat(id: MinionId): void {
    const mini = this.mini(id);
    if (!mini.up || !mini.linked) return;
    if (mini.running) this.step(id, { is: "started", at: this.now });
  }

  setLink(id: MinionId, up: boolean): void {
    const mini = this.mini(id);
    if (mini.linked === up) return;
    mini.linked = up;
    if (!up) mini.downSince = this.now;
    else this.sync(id);
  }

  sync(id: MinionId): void {
    const mini = this.mini(id);
    if (!mini.up || !mini.linked) return;
    this.pump();
    const order = this.orderFor(id);
    if (order === undefined) return;
    this.memory?.apply(id, { is: "sent" });
    this.deliver({ to: id, order });
  }

  crashMinion(id: MinionId): void {
    Object.assign(this.mini(id), { up: false, running: false, downSince: this.now });
  }

  startMinion(id: MinionId): void {
    const mini = this.mini(id);
    if (mini.up) return;
    mini.up = true;
    if (mini.ledger === "started") Object.assign(mini, { ledger: "done", result: "lost" });
    this.sync(id);
  }

  kill(): void {
    const open = this.memory;
    if (open === undefined) return;
    const stop: Stop = { reason: "killed", ...open.stop, at: this.now, signal: 15 };
    this.settle(this.halt(open, stop), this.now, stop);
  }

  /** I1 and I3 hold at any time. */
  check(): void {
    for (const [id, mini] of this.minis) {
      const row = this.rows.get(id);
      expect(mini.executions, "I1").toBeLessThanOrEqual(1);
      if (row?.state === "skipped") expect(mini.executions, "I1: skipped").toBe(0);
      if (mini.acked) expect({ id, state: row?.state }, "I3").toEqual({ id, state: mini.result });
    }
    const { failCount, failRate = 0 } = this.job.options;
    if (failCount !== undefined && failCount >= 0 && this.ends === 0 && this.stored === undefined) {
      const bad = [...this.rows.values()].filter(
        ({ state, late }) => late !== true && ["failed", "timed_out", "killed", "lost", "expired"].includes(state),
      );
      const allowed = Math.max(failCount, Math.floor((Math.round(failRate * 100) * this.job.minions.length) / 100));
      expect(bad.length, "the budget").toBeLessThanOrEqual(allowed);
    }
  }

  heal(): void {
    this.failNext = false;
    this.load();
    for (const id of this.job.minions) {
      this.startMinion(id);
      this.setLink(id, true);
    }
    for (let round = 0; round < 6 * this.job.minions.length + 30 && this.memory !== undefined; round += 1) {
      for (const message of this.network.splice(0)) this.deliver(message);
      for (const [id, mini] of this.minis) {
        this.sync(id);
        this.finish(mini, "succeeded");
        this.send(id, true);
      }
      this.now += 30_000;
      this.tick();
      this.check();
    }
    for (const id of this.job.minions) {
      const state = this.rows.get(id)?.state ?? "waiting";
      expect(isTerminal(state), `I5: ${id} is ${state}`).toBe(true);
      if (this.mini(id).result !== undefined) this.send(id, true);
    }
    expect(this.ends, "it has ended").toBe(1);
    for (const [id, mini] of this.minis) {
      if (mini.result !== undefined) expect(mini.acked, `I3: the result of ${id} is stored`).toBe(true);
    }
    this.check();
  }
}

const acts = [
  "deliver",
  "deliver",
  "double",
  "drop",
  "finish",
  "finish",
  "fail",
  "time out",
  "heartbeat",
  "send",
  "send",
  "send unheard",
  "cut",
  "link",
  "crash",
  "start",
  "pass",
  "long",
  "tick",
  "restart",
  "commit fails",
  "kill",
] as const;
interface Act {
  readonly what: (typeof acts)[number];
  readonly which: number;
}

function act(world: World, { what, which }: Act): void {
  const id = world.job.minions[which % world.job.minions.length] as MinionId;
  const mini = world.mini(id);
  const at = which % Math.max(1, world.network.length);
  switch (what) {
    case "deliver":
      for (const message of world.network.splice(at, 1)) world.deliver(message);
      return;
    case "double":
      for (const message of world.network.slice(at, at + 1)) world.deliver(message);
      return;
    case "drop":
      world.network.splice(at, 1);
      return;
    case "finish":
      return world.finish(mini, "succeeded");
    case "fail":
      return world.finish(mini, "failed");
    case "time out":
      return world.finish(mini, "timed_out");
    case "heartbeat":
      return world.heartbeat(id);
    case "send":
      return world.send(id, true);
    case "send unheard":
      return world.send(id, false);
    case "cut":
      return world.setLink(id, false);
    case "link":
      return world.setLink(id, true);
    case "crash":
      return world.crashMinion(id);
    case "start":
      return world.startMinion(id);
    case "pass":
      world.now += 1 + (which % 12_000);
      return;
    case "long":
      world.now += which % 7 === 0 ? 3_700_000 : 40_000;
      return;
    case "tick":
      return world.tick();
    case "restart":
      return world.load();
    case "commit fails":
      world.failNext = true;
      return;
    case "kill":
      if (which % 3 === 0) world.kill();
  }
}

const optionsOf: fc.Arbitrary<JobOptions> = fc
  .record({
    parallel: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
    batchWaitMs: fc.option(fc.constantFrom(1000, 20_000), { nil: undefined }),
    failCount: fc.option(fc.integer({ min: -1, max: 2 }), { nil: undefined }),
    failRate: fc.constantFrom(0, 0.1, 0.5),
    failKill: fc.boolean(),
  })
  .map(({ parallel, batchWaitMs, failCount, failRate, failKill }) => ({
    ...(parallel !== undefined && { parallel }),
    ...(batchWaitMs !== undefined && { batchWaitMs }),
    ...(failCount !== undefined && { failCount, failRate, ...(failKill && { failKill }) }),
  }));

const history = (bug?: Bug): fc.IProperty<[number, JobOptions, Act[]]> =>
  fc.property(
    fc.integer({ min: 1, max: 7 }),
    optionsOf,
    fc.array(fc.record({ what: fc.constantFrom(...acts), which: fc.nat({ max: 100_000 }) }), { maxLength: 60 }),
    (count, options, steps) => {
      const world = new World(count, options, bug);
      for (const each of steps) {
        act(world, each);
        world.check();
      }
      world.heal();
    },
  );

describe("a job", () => {
  it("I1-I5: keeps its promises in 10,000 random histories", { timeout: 120_000 }, () => {
    fc.assert(history(), { numRuns: 10_000 });
  });

  it.each<Bug>([
    "START is not synced",
    "the ledger is not asked",
    "acknowledged before it is stored",
    "a stop skips what was sent",
    "one too many at once",
    "the budget is not looked at",
    "nothing expires",
    "a batch is sent before it is written",
    "the end is written twice",
  ])("is found out when %s", { timeout: 120_000 }, (bug) => {
    expect(fc.check(history(bug), { numRuns: 60_000, endOnFailure: true }).failed).toBe(true);
  });
});
