/**
 * Every job's life (DESIGN §6). Open jobs are held in memory; each decision is made there by the pure state machine, written
 * in one group commit, and only then answered and announced (P1, P3). After a failed commit memory is read anew.
 */
import type { Signer } from "../../crypto/primitives.ts";
import { MsaltError } from "../../errors.ts";
import { advance, isTerminal, type TargetEvent } from "../../job/state.ts";
import type { Job, Target } from "../../job/types.ts";
import type { JobStore, Write } from "../../store/job-store.ts";
import { resolveTarget } from "../../target/target.ts";
import { encode } from "../../wire/codec.ts";
import type { ToFront } from "../../wire/front.ts";
import { type Jid, type KeyId, type MinionId, nextJid } from "../../wire/ids.ts";
import { limits } from "../../wire/limits.ts";
import type { Load, Replies } from "../../wire/loads.ts";
import type { JobView, LocalLoad, TargetView } from "../../wire/local.ts";
import { orderSignedBytes } from "../../wire/publication.ts";
import { tags } from "../../wire/tags.ts";
import { Announcer, type AnnouncerOptions } from "./announcer.ts";
import type { Committer } from "./committer.ts";
import { type OpenJob, openJob, step } from "./open-job.ts";
import type { Presence } from "./presence.ts";
import { checkArguments, jobOf } from "./submission.ts";

/** `job.start` of a run that began just before not-after may still be on its way. */
const startGraceMs = 5000;
/** A run whose minion has been away for so long is given up. */
const lostAfterMs = 3_600_000;
/** A run longer than 200 ms reports its start, so a silent one of this age may never have arrived. */
const lostPublicationMs = 3000;
/** Several heartbeats: a result may be on its way while the run is no longer named. */
const unheardMs = 60_000;
const signSlice = 64;

export interface JobsOptions extends AnnouncerOptions {
  readonly store: JobStore;
  readonly committer: Committer;
  readonly presence: Presence;
  readonly signer: Signer;
  readonly accepted: () => ReadonlyMap<MinionId, KeyId>;
  readonly toPublisher: (message: ToFront) => void;
}

export class Jobs {
  readonly #options: JobsOptions;
  readonly #open = new Map<Jid, OpenJob>();
  /** Jobs that a minion may still have to start. */
  readonly #outstanding = new Map<MinionId, Set<Jid>>();
  readonly #announcer: Announcer;
  /** Runs that their minion did not name in its heartbeats, and since when. */
  readonly #unheard = new Map<string, number>();
  /** The last order that a `sync` in several answers has handed out. */
  readonly #synced = new Map<MinionId, Jid>();
  #lastJid: Jid | undefined;

  constructor(options: JobsOptions) {
    this.#options = options;
    this.#announcer = new Announcer(options);
  }

  /** Makes memory equal the store: at start, and after a commit that failed. */
  async load(): Promise<void> {
    const { store } = this.#options;
    this.#open.clear();
    this.#outstanding.clear();
    const last = await store.lastJid();
    if (this.#lastJid === undefined || (last !== undefined && last > this.#lastJid)) this.#lastJid = last;
    for (const { job } of await store.openJobs()) this.#add(job, await store.targets(job.jid));
  }

  /** Accepts a job: it is durable when this resolves (P1). */
  async publish(load: LocalLoad<"publish">): Promise<{ jid: Jid; minions: MinionId[]; missing: string[] }> {
    const { accepted, now, committer } = this.#options;
    checkArguments(load);
    const { minions, missing } = resolveTarget(load.tgt, load.tgtType, [...accepted().keys()]);
    if (minions.length === 0 && missing.length === 0) {
      throw new MsaltError("ERR_NO_MATCH", "No minions matched the target. No command was sent, no jid was assigned.");
    }
    const created = now();
    const jid = nextJid(now() * 1000 + (Math.floor(performance.now() * 1000) % 1000), this.#lastJid);
    this.#lastJid = jid;
    const { fun, arg, user, tgt, tgtType } = load;
    const job = jobOf(load, { jid, created, minions, missing });
    const writes: Write[] = [{ kind: "job", job }];
    if (minions.length === 0) writes.push({ kind: "end", jid, at: created });
    await committer.commit(writes);
    const open = this.#add(job, []);
    this.#announcer.fire(open, tags.jobNew(jid), { jid, tgt, tgt_type: tgtType, fun, arg, user, minions, missing });
    if (minions.length === 0) this.#open.delete(jid);
    else void this.#dispatch(open, minions);
    return { jid, minions, missing };
  }

  /** The outstanding orders of one minion, oldest first, each with the signature for it alone. */
  sync(id: MinionId, keyId: KeyId): Replies["sync"] {
    const jobs: Replies["sync"]["jobs"] = [];
    let bytes = 0;
    let more = false;
    const after = this.#synced.get(id);
    let last: Jid | undefined;
    for (const open of this.#outstandingOf(id)) {
      if (after !== undefined && open.job.jid <= after) continue;
      if (jobs.length >= limits.syncJobs || (jobs.length > 0 && bytes + open.order.length > limits.syncBytes)) {
        more = true;
        break;
      }
      bytes += open.order.length;
      last = open.job.jid;
      jobs.push({ body: open.order, signature: this.#sign(open, keyId) });
      this.#step(open, id, { is: "sent" });
    }
    if (more && last !== undefined) this.#synced.set(id, last);
    else this.#synced.delete(id);
    return { jobs, more, time: this.#options.now() };
  }

  /** Publishes again what a minion may still have to start; its ledger knows what it has. */
  resend(id: MinionId): void {
    for (const open of this.#outstandingOf(id)) void this.#dispatch(open, [id]);
  }

  /** What a minion should ask for: never sent to it, or sent a while ago without any sign of a start (PUB may lose). */
  outstanding(id: MinionId): number {
    const old = this.#options.now() - lostPublicationMs;
    return [...this.#outstandingOf(id)].filter(
      ({ job, targets }) => targets.get(id)?.state === "waiting" || job.created < old,
    ).length;
  }

  /**
   * A minion says that these runs go on: what was only sent is running now, and what it has not named for a while is lost, as
   * a function without effects is when its minion restarts. Its result would be kept as late.
   */
  async running(id: MinionId, jids: readonly Jid[]): Promise<void> {
    const { now } = this.#options;
    const alive = new Set(jids);
    for (const open of this.#open.values()) {
      if (open.targets.get(id)?.state !== "running") continue;
      const name = `${open.job.jid}/${id}`;
      const since = this.#unheard.get(name) ?? now();
      this.#unheard.delete(name);
      if (alive.has(open.job.jid) || jids.length >= 1000) continue;
      if (since > now() - unheardMs) this.#unheard.set(name, since);
      else await this.#give(open, [id], { is: "lost", at: now(), reason: "the minion does not run it any more" });
    }
    for (const jid of jids) {
      const open = this.#open.get(jid);
      if (open?.targets.get(id)?.state === "sent" || open?.targets.get(id)?.state === "waiting")
        await this.started(id, jid);
    }
  }

  /** @returns false when the job is not this minion's. */
  async started(id: MinionId, jid: Jid): Promise<boolean> {
    const open = this.#open.get(jid);
    if (open === undefined) return (await this.#ended(jid, id)) !== undefined;
    if (!open.targets.has(id)) return false;
    const target = this.#step(open, id, { is: "started", at: this.#options.now() });
    if (target === undefined) return true;
    await this.#options.committer.commit([{ kind: "target", jid, target }]);
    const { fun, tgt, tgtType, user } = open.job;
    this.#announcer.fire(open, tags.jobStart(jid, id), { id, jid, fun, tgt, tgt_type: tgtType, user });
    return true;
  }

  /** Stores a whole result; resolves when it is durable. @returns false when the job is not this minion's or not known. */
  async returned(id: MinionId, load: Load<"job.return">, ret: Uint8Array): Promise<boolean> {
    const { jid, retcode, success, state, out } = load;
    const event: TargetEvent = {
      is: "returned",
      at: this.#options.now(),
      state,
      retcode,
      success,
      ...(out !== undefined && { out }),
      ret,
    };
    const open = this.#open.get(jid);
    const target = open?.targets.get(id);
    if (open === undefined || (target !== undefined && isTerminal(target.state)))
      return this.#returnedAgain(id, jid, event);
    if (target === undefined) return false;
    const next = this.#step(open, id, event);
    if (next === undefined) return true;
    const writes: Write[] = [{ kind: "target", jid, target: next }];
    if (open.openCount === 0) writes.push({ kind: "end", jid, at: event.at });
    await this.#options.committer.commit(writes);
    this.#announcer.returned(open, load.fun, next, ret);
    this.#finish(open);
    return true;
  }

  /** What this minion had begun is lost: its ledger went back or is another one (W9). */
  async loseAll(id: MinionId, reason: string): Promise<void> {
    const at = this.#options.now();
    for (const open of this.#open.values()) {
      const state = open.targets.get(id)?.state;
      if (state === "sent" || state === "running") await this.#give(open, [id], { is: "lost", at, reason });
    }
  }

  /** Its key is gone: nothing open of this minion will be begun or answered, by whoever takes its name next (P6). */
  async abandon(id: MinionId, reason: string): Promise<void> {
    await this.loseAll(id, reason);
    const at = this.#options.now();
    for (const open of this.#open.values()) {
      if (open.targets.get(id)?.state === "waiting") await this.#give(open, [id], { is: "expired", at, reason });
    }
  }

  /** Gives up what can no longer begin, and runs whose minion has been away too long (P4). */
  async tick(): Promise<void> {
    const { now, presence } = this.#options;
    for (const open of this.#open.values()) {
      const late: MinionId[] = [];
      const gone: MinionId[] = [];
      const over = now() > open.job.notAfter + startGraceMs;
      for (const { id, state } of open.targets.values()) {
        if (over && (state === "waiting" || state === "sent")) late.push(id);
        if (state !== "running" || presence.isConnected(id)) continue;
        if ((presence.find(id)?.since ?? open.job.created) < now() - lostAfterMs) gone.push(id);
      }
      const reason = "not started in time: the minion was not connected or never answered";
      if (late.length > 0) await this.#give(open, late, { is: "expired", at: now(), reason });
      if (gone.length > 0)
        await this.#give(open, gone, { is: "lost", at: now(), reason: "the minion did not come back" });
    }
  }

  /** @throws MsaltError `ERR_UNKNOWN_JID`. */
  async record(jid: Jid): Promise<JobView & { targets: TargetView[] }> {
    const open = this.#open.get(jid);
    if (open !== undefined) return this.#viewOpen(open);
    const { store, busId, presence } = this.#options;
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
      targets: record.job.minions.map((id) => ({
        ...(targets.get(id) ?? { id, state: "waiting" }),
        link: presence.view(id),
      })),
    };
  }

  active(): (JobView & { targets: TargetView[] })[] {
    return [...this.#open.values()].map((open) => this.#viewOpen(open));
  }

  #viewOpen(open: OpenJob): JobView & { targets: TargetView[] } {
    const { presence, busId } = this.#options;
    const targets = [...open.targets.values()].map((target) => ({ ...target, link: presence.view(target.id) }));
    return { job: open.job, sequence: open.sequence, bus: busId, targets };
  }

  #add(job: Job, rows: readonly Target[]): OpenJob {
    const open = openJob(job, rows);
    this.#open.set(job.jid, open);
    for (const { id, state } of open.targets.values()) this.#setOutstanding(id, job.jid, state);
    return open;
  }

  /** Signs and publishes in slices, so that a large target does not hold the loop. */
  async #dispatch(open: OpenJob, ids: readonly MinionId[]): Promise<void> {
    const { accepted, presence, toPublisher } = this.#options;
    const keys = accepted();
    const live = ids.filter((id) => presence.isConnected(id));
    for (let at = 0; at < live.length; at += signSlice) {
      if (at > 0) await new Promise((resolve) => setImmediate(resolve));
      const targets = live.slice(at, at + signSlice).flatMap((id) => {
        const keyId = keys.get(id);
        return keyId === undefined ? [] : [{ id, keyId, signature: this.#sign(open, keyId) }];
      });
      toPublisher({
        is: "publish",
        jid: open.job.jid,
        order: open.order,
        targets: targets.map(({ keyId, signature }) => ({ keyId, signature })),
      });
      for (const { id } of targets) this.#step(open, id, { is: "sent" });
    }
  }

  #sign(open: OpenJob, keyId: KeyId): Uint8Array {
    return this.#options.signer.sign(orderSignedBytes(open.order, Buffer.from(keyId, "hex")));
  }

  /** Moves one target in memory; undefined when the event changes nothing. The caller writes what it gets. */
  #step(open: OpenJob, id: MinionId, event: TargetEvent): Target | undefined {
    const next = step(open, id, event);
    if (next !== undefined) this.#setOutstanding(id, open.job.jid, next.state);
    return next;
  }

  async #give(open: OpenJob, ids: readonly MinionId[], event: TargetEvent & { at: number }): Promise<void> {
    const { jid } = open.job;
    const moved = ids.flatMap((id) => this.#step(open, id, event) ?? []);
    const writes: Write[] = moved.map((target) => ({ kind: "target", jid, target }));
    if (open.openCount === 0) writes.push({ kind: "end", jid, at: event.at });
    await this.#options.committer.commit(writes);
    for (const target of moved) {
      // `no_return` is Salt's outputter for what a minion did not say itself.
      const text = `Minion did not return. [${target.reason ?? target.state}]`;
      this.#announcer.returned(open, open.job.fun, { ...target, out: "no_return" }, encode(text));
    }
    this.#finish(open);
  }

  /** A result for a target that is terminal already: the same again, one that comes late, or a conflict. */
  async #returnedAgain(id: MinionId, jid: Jid, event: Extract<TargetEvent, { is: "returned" }>): Promise<boolean> {
    const { store, committer, bus, now } = this.#options;
    // What is being written now counts as stored; if that fails this fails too, and the minion asks again.
    await committer.commit([]);
    const stored = await this.#ended(jid, id);
    if (stored === undefined) return false;
    const full = (await store.return(jid, id)) ?? stored;
    const next = advance(full, event);
    if (next === undefined) return true;
    const writes: Write[] = [{ kind: "target", jid, target: next }];
    if ((next.conflicts ?? 0) > (full.conflicts ?? 0) && (next.conflicts ?? 0) <= limits.conflictsKept) {
      writes.push({ kind: "conflict", jid, id, ret: event.ret, at: event.at });
    }
    await committer.commit(writes);
    const { ret: _, ...kept } = next;
    this.#open.get(jid)?.targets.set(id, kept);
    if (next.late === true && full.late !== true) {
      const data = { jid, id, retcode: event.retcode, success: event.success, late: true };
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
    if (open.openCount > 0 || !this.#open.has(open.job.jid)) return;
    this.#announcer.fire(open, tags.jobEnd(open.job.jid), { jid: open.job.jid });
    this.#open.delete(open.job.jid);
  }

  *#outstandingOf(id: MinionId): Iterable<OpenJob> {
    for (const jid of this.#outstanding.get(id) ?? []) {
      const open = this.#open.get(jid);
      if (open !== undefined && open.job.notAfter > this.#options.now()) yield open;
    }
  }

  #setOutstanding(id: MinionId, jid: Jid, state: Target["state"]): void {
    const jids = this.#outstanding.get(id) ?? new Set<Jid>();
    if (state === "waiting" || state === "sent") jids.add(jid);
    else jids.delete(jid);
    if (jids.size > 0) this.#outstanding.set(id, jids);
    else this.#outstanding.delete(id);
  }
}
