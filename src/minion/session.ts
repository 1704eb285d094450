/**
 * Keeps a minion connected (DESIGN §7): hello → subscribe → ready → sync → heartbeats, and from the start again whenever the
 * subscription broke, a heartbeat went unanswered or the master knows no session. The record on the master is the truth: what
 * a lost publication would have said comes with the next `sync`.
 */
import type { OpenedPublication } from "../crypto/publication.ts";
import { MsaltError, messageOf } from "../errors.ts";
import { delay } from "../lib/backoff.ts";
import { sleep } from "../lib/deadline.ts";
import type { Log } from "../log/log.ts";
import type { Jid } from "../wire/ids.ts";
import { limits } from "../wire/limits.ts";
import { protocolVersion, type Replies } from "../wire/loads.ts";
import type { MasterClock } from "./clock.ts";
import type { Ledger } from "./ledger.ts";
import { Link, type LinkOptions, Refused } from "./link.ts";

const helloMs = 5000;
/** So many connections in a row may break before the master has answered. */
const brokenRounds = 1;
const missedMs = 1000;
const readyMs = 500;
const readyTries = 10;

export interface SessionOptions {
  readonly version: string;
  readonly ledger: Ledger;
  readonly clock: MasterClock;
  readonly log: Log;
  readonly grains: () => Readonly<Record<string, unknown>>;
  readonly running: () => Jid[];
  /** About how long a connection to a master that we know may take before all begins again. */
  readonly connectMs: number;
  /** About how long a link is used before it is made anew. */
  readonly remakeMs: number;
  readonly onOrder: (order: Uint8Array, signature: Uint8Array) => void;
  readonly onMasterRecord: (record: Uint8Array) => void;
  /** The link that works now; undefined when there is none. */
  readonly onLink: (link: Link | undefined) => void;
  /** This minion's part of the pillar, still encoded. */
  readonly onPillar: (pillar: Uint8Array) => void;
  readonly onReady: () => void;
}

/** One link from its first hello to its end. */
export class Session {
  readonly #options: SessionOptions;
  #link: Link | undefined;
  #ready: (() => void) | undefined;
  #sequence = 0;
  #introduced = false;
  /** The master has answered in this round. */
  #greeted = false;
  /** Why the present round is over; a new hello follows. */
  #again: AbortController = new AbortController();

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /**
   * Runs until the link is dead: then the caller makes a new one.
   * @throws Refused when the master says no to a hello, MsaltError `ERR_TIMEOUT` when it is silent.
   */
  async run(how: Omit<LinkOptions, "onPublication" | "onLink" | "onError">, signal: AbortSignal): Promise<void> {
    const { log, onLink, remakeMs } = this.#options;
    const link = await Link.open({
      ...how,
      onPublication: (publication) => this.#onPublication(publication),
      onLink: (state) => {
        if (state === "down") this.#again.abort();
      },
      onError: (failure) => log.debug("a frame was not understood", { failure: messageOf(failure) }),
    });
    this.#link = link;
    const close = (): void => link.close();
    signal.addEventListener("abort", close, { once: true });
    const old = new AbortController();
    const remake = setTimeout(() => old.abort(), spread(remakeMs));
    try {
      let failures = 0;
      // A master that restarts breaks every connection at once: spread the return of its minions.
      const pause = (): Promise<boolean> =>
        sleep(delay(failures + 2, { minMs: 100, maxMs: 5000 }, Math.random), signal);
      while (!signal.aborted && !old.signal.aborted) {
        this.#again = new AbortController();
        const round = AbortSignal.any([signal, old.signal, this.#again.signal]);
        try {
          await this.#round(link, round);
          failures = 0;
        } catch (failure) {
          if (!round.aborted) throw failure;
          failures = this.#greeted ? 1 : failures + 1;
          // A peer that breaks every connection may have other keys now, or not know ours any more: the caller asks.
          if (failures > brokenRounds)
            throw new MsaltError("ERR_TIMEOUT", "the master breaks every connection", {}, { cause: failure });
        }
        await pause();
      }
    } finally {
      clearTimeout(remake);
      signal.removeEventListener("abort", close);
      onLink(undefined);
      link.close();
      this.#link = undefined;
    }
  }

  async #round(link: Link, signal: AbortSignal): Promise<void> {
    const { ledger, clock, connectMs, onLink, onReady, onMasterRecord, version } = this.#options;
    const own = { id: Buffer.from(ledger.id), count: ledger.count };
    this.#greeted = false;
    // A master that has never answered may not know our key: then we ask for it rather than wait.
    const patience = this.#introduced ? spread(connectMs) : helloMs;
    const hello = await patiently(
      () =>
        link.ask({ cmd: "hello", protocol: protocolVersion, version, ledger: own }, helloMs, {
          connectMs: patience,
          signal,
        }),
      signal,
    );
    this.#greeted = true;
    clock.set(hello.time);
    onMasterRecord(hello.masterRecord);
    await this.#subscribe(link, hello, signal);
    onLink(link);
    // The first jobs find the pillar in its place; later ones have the one before.
    const first = !this.#introduced;
    if (first) await this.#introduce(link, signal);
    await this.#sync(link, signal);
    onReady();
    if (!first) await this.#introduce(link, signal);
    await this.#heartbeats(link, signal);
  }

  /** Says what this minion is, and asks for the pillar that follows from it. */
  async #introduce(link: Link, signal: AbortSignal): Promise<void> {
    const { grains, log, onPillar } = this.#options;
    const unless = (failure: unknown, what: string): void => {
      if (!(failure instanceof Refused) || ["E_FORBIDDEN", "E_STALE"].includes(failure.code)) throw failure;
      log.error(what, { code: failure.code, reason: failure.message });
    };
    await patiently(() => link.ask({ cmd: "grains", grains: grains() }, helloMs), signal).catch((failure: unknown) =>
      unless(failure, "the master does not take this minion's grains"),
    );
    await patiently(() => link.ask({ cmd: "pillar" }, helloMs), signal).then(
      ({ pillar }) => onPillar(pillar),
      (failure: unknown) => unless(failure, "the master does not give this minion its pillar"),
    );
    this.#introduced = true;
  }

  /** Resolves when the publisher has said that the subscription works. */
  async #subscribe(link: Link, hello: Replies["hello"], signal: AbortSignal): Promise<void> {
    const answered = new Promise<boolean>((resolve) => {
      this.#ready = () => resolve(true);
    });
    this.#sequence = 0;
    for (let attempt = 0; attempt < readyTries && !signal.aborted; attempt += 1) {
      link.subscribe(hello);
      if (await Promise.race([answered, sleep(readyMs, signal).then(() => false)])) return;
    }
    throw new MsaltError("ERR_TIMEOUT", "the publisher does not answer the subscription");
  }

  async #sync(link: Link, signal?: AbortSignal): Promise<void> {
    for (;;) {
      const { jobs, more, time } = await patiently(() => link.ask({ cmd: "sync" }, helloMs), signal);
      this.#options.clock.set(time);
      for (const { body, signature } of jobs) this.#options.onOrder(body, signature);
      if (!more || signal?.aborted === true) return;
    }
  }

  async #heartbeats(link: Link, signal: AbortSignal): Promise<void> {
    for (let misses = 0; ;) {
      // After a heartbeat without an answer the next comes soon: it decides whether the link is dead.
      await sleep((misses > 0 ? missedMs : limits.heartbeatMs) * (0.8 + Math.random() * 0.4), signal);
      if (signal.aborted) return;
      try {
        const running = this.#options.running().slice(0, 1000);
        const reply = await patiently(
          () => link.ask({ cmd: "heartbeat", running, topic: link.topic, count: this.#options.ledger.count }, helloMs),
          signal,
        );
        misses = 0;
        this.#options.clock.set(reply.time);
        const { ledger, log } = this.#options;
        await ledger
          .tick()
          .catch((failure: unknown) => log.warn("cannot write the ledger", { failure: messageOf(failure) }));
        if (!reply.known) return;
        if (reply.outstanding > 0) await this.#sync(link, signal);
      } catch (failure) {
        // Something newer was seen, perhaps of another process with this key: a hello decides.
        if (failure instanceof Refused && failure.code === "E_STALE") return;
        misses += 1;
        if (failure instanceof Refused || misses >= 2) throw failure;
      }
    }
  }

  #onPublication(publication: OpenedPublication): void {
    const { sequence } = publication;
    if (publication.kind === "ready") {
      this.#sequence = sequence;
      this.#ready?.();
      return;
    }
    const gap = sequence > this.#sequence + 1;
    this.#sequence = Math.max(sequence, this.#sequence);
    this.#options.onOrder(publication.order, publication.signature);
    const link = this.#link;
    if (gap && link !== undefined) {
      void this.#sync(link).catch((failure: unknown) =>
        this.#options.log.debug("sync failed", { failure: messageOf(failure) }),
      );
    }
  }
}

/** So that minions that do a thing at the same time do not do the next one at the same time too. */
const spread = (ms: number): number => Math.round(ms * (0.75 + Math.random() / 2));

/** Asks until the master takes it: one that is busy says when to come again, and that is no reason to drop the link. */
export async function patiently<T>(ask: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (failure) {
      const wait = failure instanceof Refused ? failure.retryMs : undefined;
      if (wait === undefined || !(await sleep(wait * (1 + Math.random()), signal))) throw failure;
    }
  }
}
