/** Hands orders to minions: at once through the publisher, and with each `sync` whatever a minion may have missed. */
import type { OpenJob } from "../../job/open-job.ts";
import type { ToFront } from "../../wire/front.ts";
import type { Jid, KeyId, MinionId } from "../../wire/ids.ts";
import { limits } from "../../wire/limits.ts";
import type { Replies } from "../../wire/loads.ts";
import type { Orders } from "./orders.ts";
import type { Presence } from "./presence.ts";

/** A run longer than 200 ms reports its start, so a silent one of this age may never have arrived. */
const lostPublicationMs = 3000;
const signSlice = 64;

export interface DeliveryOptions {
  readonly orders: Orders;
  readonly presence: Presence;
  readonly accepted: () => ReadonlyMap<MinionId, KeyId>;
  readonly toPublisher: (message: ToFront) => void;
  readonly now: () => number;
  /** Jobs in which this minion has something left to do or to say, oldest first. */
  readonly openOf: (id: MinionId) => Iterable<OpenJob>;
  /** False when this is not how the job stands any more. */
  readonly isCurrent: (open: OpenJob) => boolean;
}

export class Delivery {
  readonly #options: DeliveryOptions;
  /** Whose turn in a batch is being written: until it is, nothing is handed to them (DESIGN §6). */
  readonly #held = new WeakMap<OpenJob, Set<MinionId>>();
  /** The last job whose order a `sync` in several answers has handed out. */
  readonly #synced = new Map<MinionId, Jid>();

  constructor(options: DeliveryOptions) {
    this.#options = options;
  }

  /** The outstanding orders of one minion, oldest first, each with the signature for it alone. */
  sync(id: MinionId, keyId: KeyId): Replies["sync"] {
    const { orders, now } = this.#options;
    const jobs: Replies["sync"]["jobs"] = [];
    let bytes = 0;
    let more = false;
    const after = this.#synced.get(id);
    let last: Jid | undefined;
    for (const { open, order } of this.#ordersOf(id)) {
      if (after !== undefined && open.job.jid <= after) continue;
      if (jobs.length >= limits.syncJobs || (jobs.length > 0 && bytes + order.length > limits.syncBytes)) {
        more = true;
        break;
      }
      bytes += order.length;
      last = open.job.jid;
      jobs.push({ body: order, signature: orders.sign(order, keyId) });
      open.apply(id, { is: "sent" });
    }
    if (more && last !== undefined) this.#synced.set(id, last);
    else this.#synced.delete(id);
    return { jobs, more, time: now() };
  }

  /** The turn of these targets has come, and is not written yet. */
  hold(open: OpenJob, ids: readonly MinionId[]): void {
    this.#held.set(open, new Set([...(this.#held.get(open) ?? []), ...ids]));
  }

  release(open: OpenJob, ids: readonly MinionId[]): void {
    for (const id of ids) this.#held.get(open)?.delete(id);
  }

  /** What a minion should ask for: never sent to it, sent a while ago without any sign of a start (PUB may lose), or a kill. */
  outstanding(id: MinionId): number {
    const old = this.#options.now() - lostPublicationMs;
    return [...this.#ordersOf(id)].filter(({ open: { job, targets, stop } }) => {
      const target = targets.get(id);
      return stop !== undefined || target?.state === "waiting" || (target?.turn ?? job.created) < old;
    }).length;
  }

  /** Publishes again what a minion may have missed; its ledger knows what it has. */
  resend(id: MinionId): void {
    for (const { open } of this.#ordersOf(id)) void this.publish(open, [id]);
  }

  /** Publishes what these targets are to do now, in slices, so that a large target does not hold the loop. */
  async publish(open: OpenJob, ids: readonly MinionId[]): Promise<void> {
    const { orders, now, isCurrent } = this.#options;
    await this.send(open.job.jid, ids, (id) => {
      const target = open.targets.get(id);
      const order = target === undefined || !isCurrent(open) ? undefined : orders.of(open, target, now());
      if (order !== undefined) open.apply(id, { is: "sent" });
      return order;
    });
  }

  /** Publishes to those that are connected what `orderOf` gives for them. */
  async send(jid: Jid, ids: readonly MinionId[], orderOf: (id: MinionId) => Uint8Array | undefined): Promise<void> {
    const { orders, accepted, presence, toPublisher } = this.#options;
    for (let at = 0; at < ids.length; at += signSlice) {
      if (at > 0) await new Promise((resolve) => setImmediate(resolve));
      const keys = accepted();
      const byOrder = new Map<Uint8Array, { keyId: KeyId; signature: Uint8Array }[]>();
      for (const id of ids.slice(at, at + signSlice)) {
        const keyId = keys.get(id);
        const order = keyId === undefined || !presence.isConnected(id) ? undefined : orderOf(id);
        if (keyId === undefined || order === undefined) continue;
        const targets = byOrder.get(order) ?? [];
        byOrder.set(order, targets);
        targets.push({ keyId, signature: orders.sign(order, keyId) });
      }
      for (const [order, targets] of byOrder) toPublisher({ is: "publish", jid, order, targets });
    }
  }

  *#ordersOf(id: MinionId): Iterable<{ open: OpenJob; order: Uint8Array }> {
    const { orders, openOf, now } = this.#options;
    for (const open of openOf(id)) {
      if (this.#held.get(open)?.has(id) === true) continue;
      const target = open.targets.get(id);
      const order = target === undefined ? undefined : orders.of(open, target, now());
      if (order !== undefined) yield { open, order };
    }
  }
}
