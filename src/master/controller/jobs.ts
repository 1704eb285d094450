/**
 * Every job's life (DESIGN §6). Open jobs are held in memory; each decision is made there by the pure parts in `job`, written
 * in one group commit, and only then answered, announced and sent out (P1, P3). After a failed commit memory is read anew.
 */
import { MsaltError, messageOf } from "../../errors.ts";
import { failpoint } from "../../lib/failpoint.ts";
import { didYouMean } from "../../lib/near.ts";
import { OpenJob, termSignal } from "../../job/open-job.ts";
import { advance, isTerminal, notAfterOf, type TargetEvent } from "../../job/state.ts";
import type { Job, Stop, Target } from "../../job/types.ts";
import { sleep } from "../../lib/deadline.ts";
import type { Log } from "../../log/log.ts";
import type { JobStore, Write } from "../../store/job-store.ts";
import type { Nodegroups } from "../../target/nodegroups.ts";
import { type Candidate, type Resolved, resolveTarget } from "../../target/target.ts";
import { encode } from "../../wire/codec.ts";
import { type Jid, type MinionId, nextJid } from "../../wire/ids.ts";
import { limits } from "../../wire/limits.ts";
import type { Load } from "../../wire/loads.ts";
import type { JobView, LocalLoad, LocalReplies, TargetView } from "../../wire/local.ts";
import { tags } from "../../wire/tags.ts";
import { Announcer, type AnnouncerOptions } from "./announcer.ts";
import type { Committer } from "./committer.ts";
import { Delivery, type DeliveryOptions } from "./delivery.ts";
import { OpenJobs } from "./open-jobs.ts";
import { checkArguments, jobOf, subsetOf } from "./submission.ts";

/** `job.start` of a run that began just before not-after may still be on its way. */
const startGraceMs = 5000;
/** A run whose minion has been away for so long is given up. */
const lostAfterMs = 3_600_000;
/** Several heartbeats: a result may be on its way while the run is no longer named. */
const unheardMs = 60_000;
/** What a minion was last seen is remembered to the minute: seen so shortly before a job, it may have got it. */
const seenSlackMs = 90_000;
const retryMs = 1000;

export interface JobsOptions extends AnnouncerOptions, Omit<DeliveryOptions, "openOf" | "isCurrent"> {
  readonly store: JobStore;
  readonly committer: Committer;
  readonly log: Log;
  readonly nodegroups: Nodegroups;
  /** Adds what a target may ask of the pillar. */
  readonly withPillar: (candidates: readonly Candidate[]) => readonly Candidate[];
}

type Returned = Extract<TargetEvent, { is: "returned" }>;
type GivenUp = Extract<TargetEvent, { reason: string }>;

/** Rows that have moved, and the stop that moved them, if one did. */
interface Change {
  readonly moved: readonly Target[];
  readonly at: number;
  readonly stop?: Stop;
  readonly announce?: () => void;
  /** Nobody waits for just this: it may be written together with others. */
  readonly soon?: true;
}

export class Jobs {
  readonly delivery: Delivery;
  readonly #options: JobsOptions;
  readonly #open = new OpenJobs();
  readonly #announcer: Announcer;
  /** Runs that their minion did not name in its heartbeats, and since when. */
  readonly #unheard = new Map<string, number>();
  /** Minions whose jobs are being given up because their key is gone: whoever has the name now gets none of them (P6). */
  readonly #leaving = new Set<MinionId>();
  /** Results for targets that have one, by job and minion: the last of those that wait for their turn. */
  readonly #again = new Map<string, Promise<boolean>>();
  readonly #planning = new Set<Jid>();
  #loading: Promise<void> | undefined;
  #lastJid: Jid | undefined;

  constructor(options: JobsOptions) {
    this.#options = options;
    this.#announcer = new Announcer(options);
    this.delivery = new Delivery({
      ...options,
      openOf: (id) => this.#openOf(id),
      isCurrent: (open) => this.#open.isCurrent(open),
    });
  }

  /** Makes memory equal the store: at start, and after a commit that failed. Whatever comes meanwhile waits. */
  load(): Promise<void> {
    this.#loading = this.#read().finally(() => (this.#loading = undefined));
    return this.#loading;
  }

  /**
   * Accepts a job: it is durable when this resolves (P1).
   * @param admit refuses it by what it throws, knowing whom it would reach; what it gives is done before the job is written
   */
  async publish(
    load: LocalLoad<"publish">,
    admit?: (job: Job) => Promise<() => Promise<void>>,
  ): Promise<LocalReplies["publish"]> {
    checkArguments(load);
    await this.#loading;
    const { accepted, now, presence, committer } = this.#options;
    const keys = accepted();
    const { minions: all, missing } = this.resolve(load);
    const minions = load.subset === undefined ? all : subsetOf(all, load.subset, (id) => presence.isConnected(id));
    if (minions.length === 0 && missing.length === 0) {
      const hint = didYouMean(load.tgt, keys.keys());
      throw new MsaltError(
        "ERR_NO_MATCH",
        "No minions matched the target. No command was sent, no jid was assigned.",
        hint === undefined ? {} : { hint },
      );
    }
    const created = now();
    const jid = nextJid(created * 1000 + (Math.floor(performance.now() * 1000) % 1000), this.#lastJid);
    this.#lastJid = jid;
    const job = jobOf(load, { jid, created, minions, missing });
    const before = await admit?.(job);
    await this.#loading;
    const open = new OpenJob(job, []);
    const { rows, send } = this.#plan(open, created);
    const writes: Write[] = [{ kind: "job", job }, ...rowsOf(jid, rows)];
    if (minions.length === 0) writes.push({ kind: "end", jid, at: created });
    await committer.commit(writes, "now", before);
    this.#open.add(open);
    const { fun, arg, user, tgt, tgtType } = load;
    this.#announcer.fire(open, tags.jobNew(jid), { jid, tgt, tgt_type: tgtType, fun, arg, user, minions, missing });
    // Keys that went while the commit ran: their jobs go to nobody (P6).
    const gone = minions.filter((id) => accepted().get(id) !== keys.get(id));
    const reason = "the key of this minion was deleted or rejected";
    if (gone.length > 0) await this.#give(open, gone, { is: "expired", at: now(), reason });
    if (open.openCount === 0) this.#finish(open);
    else void this.delivery.publish(open, job.options.parallel === undefined ? minions : send);
    const { parallel } = job.options;
    return { jid, minions, missing, ...(parallel !== undefined && { parallel }) };
  }

  /** Who is meant, over the accepted keys or those `among` them, the grains that minions reported and their pillar. @throws MsaltError `ERR_TARGET_INVALID`. */
  resolve({ tgt, tgtType, delimiter }: LocalLoad<"target.resolve">, among?: readonly MinionId[]): Resolved {
    const { accepted, presence, nodegroups, withPillar, now } = this.#options;
    const candidates = (among ?? [...accepted().keys()]).map((id) => ({ id, grains: presence.find(id)?.grains }));
    return resolveTarget(tgt, tgtType, withPillar(candidates), { delimiter, nodegroups, now });
  }

  /**
   * Ends a job for good: what waits is skipped, what runs is told to end, now and whenever it comes back.
   * @throws MsaltError `ERR_UNKNOWN_JID`.
   */
  async kill({ jid, signal = termSignal, user, gently }: LocalLoad<"job.kill">): Promise<LocalReplies["job.kill"]> {
    await this.#loading;
    // All have ended, and that is being written now.
    if (this.#open.get(jid)?.openCount === 0) await this.#options.committer.commit([]);
    const open = this.#open.get(jid);
    if (open === undefined) {
      await this.record(jid);
      return { skipped: 0, told: [] };
    }
    const at = this.#options.now();
    const reason = `${gently === true ? "stopped" : "killed"} by ${user}`;
    const stop = { reason, ...open.stop, at, ...(gently !== true && { signal }) };
    const skipped = this.#open.halt(open, stop);
    await this.#settle(open, { moved: skipped, at, stop });
    if (gently === true) return { skipped: skipped.length, told: [] };
    const told = [...open.targets.values()].filter(({ state }) => state === "sent" || state === "running");
    return { skipped: skipped.length, told: told.map(({ id }) => id) };
  }

  /** This minion's subscription works: batches that passed it over may want it. */
  connected(id: MinionId): void {
    for (const open of this.#openOf(id)) this.#pump(open);
  }

  /**
   * A minion says that these runs go on: what was only sent is running now, and what it has not named for a while is lost, as
   * a function without effects is when its minion restarts. Its result would be kept as late.
   */
  async running(id: MinionId, jids: readonly Jid[]): Promise<void> {
    await this.#loading;
    const { now } = this.#options;
    const alive = new Set(jids);
    for (const open of this.#openOf(id)) {
      const state = open.targets.get(id)?.state;
      const { jid } = open.job;
      if (alive.has(jid) && (state === "sent" || state === "waiting")) await this.started(id, jid);
      if (state !== "running") continue;
      const name = `${jid}/${id}`;
      const since = this.#unheard.get(name) ?? now();
      this.#unheard.delete(name);
      if (alive.has(jid) || jids.length >= 1000) continue;
      if (since > now() - unheardMs) this.#unheard.set(name, since);
      else await this.#give(open, [id], { is: "lost", at: now(), reason: "the minion does not run it any more" });
    }
  }

  /** @returns false when the job is not this minion's. */
  async started(id: MinionId, jid: Jid): Promise<boolean> {
    await this.#ready(id);
    const open = this.#open.get(jid);
    if (open === undefined) return (await this.#ended(jid, id)) !== undefined;
    if (!open.targets.has(id)) return false;
    const target = this.#open.apply(open, id, { is: "started", at: this.#options.now() });
    if (target === undefined) return true;
    await this.#options.committer.commit(rowsOf(jid, [target]), "soon");
    const { fun, tgt, tgtType, user } = open.job;
    this.#announcer.fire(open, tags.jobStart(jid, id), { id, jid, fun, tgt, tgt_type: tgtType, user });
    return true;
  }

  /** Stores a whole result; resolves when it is durable. @returns false when the job is not this minion's or not known. */
  async returned(id: MinionId, load: Load<"job.return">, ret: Uint8Array): Promise<boolean> {
    await this.#ready(id);
    const { jid, retcode, success, state, out, kill } = load;
    const at = this.#options.now();
    const said = { ...(out !== undefined && { out }), ...(kill !== undefined && { kill }) };
    const event: Returned = { is: "returned", at, state, retcode, success, ...said, ret };
    const open = this.#open.get(jid);
    const target = open?.targets.get(id);
    if (open === undefined || (target !== undefined && isTerminal(target.state)))
      return this.#returnedAgain(id, jid, event);
    if (target === undefined) return false;
    const next = this.#open.apply(open, id, event);
    if (next === undefined) return true;
    await this.#settle(open, {
      moved: [next],
      at,
      announce: () => this.#announcer.returned(open, next, ret),
      soon: true,
    });
    return true;
  }

  /** True when this job, open or in the record, is for this minion too. */
  async reaches(jid: Jid, id: MinionId): Promise<boolean> {
    await this.#ready(id);
    return this.#open.get(jid)?.targets.has(id) ?? (await this.#ended(jid, id)) !== undefined;
  }

  /** What this minion had begun is lost: its ledger went back or is another one (W9). */
  async loseAll(id: MinionId, reason: string): Promise<void> {
    await this.#loading;
    const at = this.#options.now();
    for (const open of this.#openOf(id)) {
      const state = open.targets.get(id)?.state;
      if (state === "sent" || state === "running") await this.#give(open, [id], { is: "lost", at, reason });
    }
  }

  /**
   * Its key is gone: nothing open of this minion will be begun or answered, by whoever takes its name next (P6). Resolves also
   * when that could not be written yet; until it is, the name gets no orders.
   */
  async abandon(id: MinionId, reason: string): Promise<void> {
    this.#leaving.add(id);
    const jids = this.#open.jidsOf(id);
    const attempt = async (): Promise<void> => {
      await this.#loading;
      const at = this.#options.now();
      for (const open of this.#open.of(id, jids)) {
        const begun = open.targets.get(id)?.state !== "waiting";
        await this.#give(open, [id], { is: begun ? "lost" : "expired", at, reason });
      }
      this.#leaving.delete(id);
    };
    const again = async (failure: unknown): Promise<void> => {
      this.#options.log.error("cannot give up the jobs of a deleted key, trying again", {
        id,
        failure: messageOf(failure),
      });
      await sleep(retryMs, undefined);
      return attempt().catch(again);
    };
    await attempt().catch((failure: unknown) => void again(failure));
  }

  /** Gives up what can no longer begin, and runs whose minion has been away too long (P4). */
  async tick(): Promise<void> {
    await this.#loading;
    const { now, presence } = this.#options;
    const reason = "not started in time: the minion was not connected or never answered";
    for (const open of this.#open.all()) {
      const late: MinionId[] = [];
      const gone: MinionId[] = [];
      for (const target of open.targets.values()) {
        const { id, state } = target;
        const over = now() > (notAfterOf(open.job, target) ?? Infinity) + startGraceMs;
        if (over && (state === "waiting" || state === "sent")) late.push(id);
        if (state !== "running" || presence.isConnected(id)) continue;
        if ((presence.find(id)?.since ?? open.job.created) < now() - lostAfterMs) gone.push(id);
      }
      if (late.length > 0) await this.#give(open, late, { is: "expired", at: now(), reason });
      if (gone.length > 0)
        await this.#give(open, gone, { is: "lost", at: now(), reason: "the minion did not come back" });
      this.#pump(open);
    }
  }

  async #ready(id: MinionId): Promise<void> {
    await this.#loading;
    if (this.#leaving.has(id))
      throw new MsaltError("ERR_STORE", "jobs of an earlier key of this minion are being given up");
  }

  find(jid: Jid): OpenJob | undefined {
    return this.#open.get(jid);
  }

  /**
   * How a job stands. What is only decided is not shown: it may still fail to be written (P8), and `job.returns` knows what is written.
   * @throws MsaltError `ERR_UNKNOWN_JID`.
   */
  async record(jid: Jid): Promise<JobView & { targets: TargetView[] }> {
    await this.#loading;
    for (let open = this.#open.get(jid); open !== undefined; open = this.#open.get(jid)) {
      const view = this.#view(open);
      // One that has ended meanwhile is read from the store, which has its end.
      if ((await this.#options.committer.written()) && this.#open.get(jid) === open) return view;
    }
    return this.#stored(jid);
  }

  async #stored(jid: Jid): Promise<JobView & { targets: TargetView[] }> {
    const { store, busId, presence, now } = this.#options;
    const record = await store.job(jid);
    if (record === undefined) {
      throw new MsaltError("ERR_UNKNOWN_JID", `no job ${jid} in the record`, {
        hint: "jobs are kept for keep_jobs_seconds; msalt-run jobs.list_jobs shows those that are there",
      });
    }
    const targets = new Map((await store.targets(jid)).map((target) => [target.id, target]));
    return {
      ...record,
      sequence: 0,
      bus: busId,
      time: now(),
      targets: record.job.minions.map((id) => ({
        ...(targets.get(id) ?? { id, state: "waiting" }),
        link: presence.view(id),
      })),
    };
  }

  active(): (JobView & { targets: TargetView[] })[] {
    return [...this.#open.all()].map((open) => this.#view(open));
  }

  #view({ job, stop, sequence, ...open }: OpenJob): JobView & { targets: TargetView[] } {
    const { presence, busId, now } = this.#options;
    const targets = [...open.targets.values()].map((target) => ({ ...target, link: presence.view(target.id) }));
    return { job, sequence, bus: busId, time: now(), targets, ...(stop !== undefined && { stop }) };
  }

  async #read(): Promise<void> {
    const { store, presence } = this.#options;
    const before = new Map([...this.#open.all()].map((open) => [open.job.jid, open]));
    this.#open.clear();
    this.#unheard.clear();
    const last = await store.lastJid();
    if (this.#lastJid === undefined || (last !== undefined && last > this.#lastJid)) this.#lastJid = last;
    for (const { job, stop } of await store.openJobs()) {
      const open = new OpenJob(job, await store.targets(job.jid), stop);
      open.sequence = before.get(job.jid)?.sequence ?? 0;
      this.#open.add(open);
      // That an order was sent is written down in batches only.
      for (const { id } of job.options.parallel === undefined ? open.targets.values() : []) {
        if ((presence.find(id)?.lastSeen ?? 0) > job.created - seenSlackMs) open.apply(id, { is: "sent" });
      }
      // Not in this turn: a commit that failed waits for this.
      setImmediate(() => {
        if (open.openCount > 0) return this.#pump(open);
        this.#settle(open, { moved: [], at: this.#options.now() }).catch((failure: unknown) => this.#warn(failure));
      });
    }
  }

  #openOf(id: MinionId): Iterable<OpenJob> {
    return this.#leaving.has(id) ? [] : this.#open.of(id);
  }

  /**
   * Writes what has moved, and what follows from it, in one commit; then announces it (`announce` first) and carries on: a
   * new stop, the end, or the next of a batch.
   */
  async #settle(open: OpenJob, { moved, at, announce, soon, ...change }: Change): Promise<void> {
    const { jid } = open.job;
    const spent = open.spent(at);
    const skipped = spent === undefined ? [] : this.#open.halt(open, spent);
    const stop = change.stop ?? spent;
    const writes = rowsOf(jid, [...moved, ...skipped]);
    if (stop !== undefined) writes.push({ kind: "stop", jid, stop });
    // What others have decided meanwhile is not written yet.
    const ends = open.openCount === 0;
    if (ends) writes.push({ kind: "end", jid, at });
    await this.#options.committer.commit(writes, soon === true ? "soon" : "now");
    announce?.();
    if (stop !== undefined) {
      this.#announcer.fire(open, tags.jobStop(jid), { jid, reason: stop.reason });
      void this.delivery.publish(open, [...open.targets.keys()]);
    }
    if (ends) this.#finish(open);
    else this.#pump(open);
  }

  async #give(open: OpenJob, ids: readonly MinionId[], event: GivenUp): Promise<void> {
    const moved = ids.flatMap((id) => this.#open.apply(open, id, event) ?? []);
    const announce = (): void => {
      for (const target of moved) {
        // `no_return` is Salt's outputter for what a minion did not say itself.
        const text = `Minion did not return. [${target.reason ?? target.state}]`;
        this.#announcer.returned(open, { ...target, out: "no_return" }, encode(text));
      }
    };
    await this.#settle(open, { moved, at: event.at, announce });
  }

  /** Sends a batch's next targets on their way, once for all that happens in this turn of the loop. */
  #pump(open: OpenJob): void {
    const { jid, options } = open.job;
    if (options.parallel === undefined || this.#planning.has(jid)) return;
    this.#planning.add(jid);
    setImmediate(() => {
      this.#planning.delete(jid);
      if (!this.#open.isCurrent(open)) return;
      const { rows, send } = this.#plan(open, this.#options.now());
      if (rows.length === 0) return;
      this.delivery.hold(open, send);
      this.#options.committer.commit(rowsOf(jid, rows)).then(
        () => {
          this.delivery.release(open, send);
          return this.delivery.publish(open, send);
        },
        (failure: unknown) => this.#warn(failure),
      );
    });
  }

  #plan(open: OpenJob, at: number): { rows: Target[]; send: readonly MinionId[] } {
    const { send, passed, wakeAt } = open.plan(at, (id) => this.#options.presence.linkState(id));
    if (wakeAt !== undefined) setTimeout(() => this.#pump(open), Math.max(1, wakeAt - at)).unref();
    const rows = [
      ...passed.flatMap((id) => open.apply(id, { is: "turn", at }) ?? []),
      ...send.flatMap((id) => open.apply(id, { is: "sent", turn: at }) ?? []),
    ];
    return { rows, send };
  }

  /** A result for a target that is terminal already: the same again, one that comes late, or a conflict. */
  async #returnedAgain(id: MinionId, jid: Jid, event: Returned): Promise<boolean> {
    const name = `${jid}/${id}`;
    // In turn: each is judged by what those before it have left in the record.
    const taken = (this.#again.get(name) ?? Promise.resolve())
      .catch(() => undefined)
      .then(() => this.#takeAgain(id, jid, event));
    this.#again.set(name, taken);
    try {
      return await taken;
    } finally {
      if (this.#again.get(name) === taken) this.#again.delete(name);
    }
  }

  async #takeAgain(id: MinionId, jid: Jid, event: Returned): Promise<boolean> {
    const { committer, bus, now } = this.#options;
    // What is being written now counts as stored; if that fails this fails too, and the minion asks again.
    await committer.commit([]);
    const stored = await this.#ended(jid, id);
    if (stored === undefined) return false;
    const next = advance(stored, event);
    if (next === undefined) return true;
    const writes = rowsOf(jid, [next]);
    if ((next.conflicts ?? 0) > (stored.conflicts ?? 0) && (next.conflicts ?? 0) <= limits.conflictsKept) {
      writes.push({ kind: "conflict", jid, id, ret: event.ret, at: event.at });
    }
    await committer.commit(writes);
    this.#open.get(jid)?.put(next);
    if (next.late === true && stored.late !== true) {
      const { retcode, success, state } = event;
      const data = { jid, id, retcode, success, state, late: true };
      bus.fire({ tag: tags.jobRet(jid, id), data, raw: event.ret }, new Date(now()).toISOString());
    }
    return true;
  }

  async #ended(jid: Jid, id: MinionId): Promise<Target | undefined> {
    const record = await this.#options.store.job(jid);
    if (record === undefined || !record.job.minions.includes(id)) return undefined;
    return (await this.#options.store.return(jid, id)) ?? { id, state: "waiting" };
  }

  #finish(open: OpenJob): void {
    if (!this.#open.isCurrent(open)) return;
    failpoint("job.end");
    this.#announcer.fire(open, tags.jobEnd(open.job.jid), { jid: open.job.jid });
    this.#open.delete(open.job.jid);
  }

  #warn(failure: unknown): void {
    this.#options.log.warn("cannot write to the record, trying again", { failure: messageOf(failure) });
  }
}

function rowsOf(jid: Jid, targets: readonly Target[]): Write[] {
  return targets.map((target) => ({ kind: "target", jid, target }));
}
