/**
 * The controller's side of `minion.sock`. A front process is believed only while its epoch is in the supervisor's list; a
 * key change is sent to all of them and counts as done when each has acknowledged it or is dead (DESIGN §5.3, W7).
 */
import { failpoint } from "../../lib/failpoint.ts";
import type { Log } from "../../log/log.ts";
import { type Channel, bindRouter } from "../../transport/channel.ts";
import { encode } from "../../wire/codec.ts";
import { type FromFront, type FrontRole, type KeyUpdate, type ToFront, parseFromFront } from "../../wire/front.ts";
import { limits } from "../../wire/limits.ts";
import { messageOf } from "../../errors.ts";
import { Gather } from "../../lib/gather.ts";

interface Front {
  readonly epoch: string;
  readonly role: FrontRole;
  /** It has said hello since this controller started. */
  known: boolean;
  /** Number of the message with all keys that it was sent. */
  whole: number | undefined;
}

type Answer = Extract<ToFront, { is: "replies" }>["replies"][number] & { readonly front: Front };
type Handled = Exclude<FromFront, { is: "hello" } | { is: "ack" }>;

export interface FrontsOptions {
  readonly socket: string;
  readonly log: Log;
  /** All keys that may talk now. */
  readonly allKeys: () => KeyUpdate["add"];
  /** What a publisher must know before the keys when it comes up. */
  readonly toldFirst: () => ToFront;
  readonly onPublisherGone: () => void;
  readonly onMessage: (message: Handled, reply: (message: ToFront) => void) => void;
  /** Ends a front process that does not answer. */
  readonly kill: (epoch: string) => void;
}

export class Fronts {
  readonly #options: FrontsOptions;
  readonly #channel: Channel;
  #fronts = new Map<string, Front>();
  /** What came from epochs that the supervisor has not named yet: after a restart fronts may be quicker than its list. */
  #early: (readonly Uint8Array[])[] = [];
  readonly #acks = new Map<number, { missing: Set<string>; done: () => void }>();
  readonly #replies = new Gather<Answer>(0, (answers) => this.#reply(answers));
  #wasNamed = (): void => undefined;
  readonly #named = new Promise<void>((resolve) => (this.#wasNamed = resolve));
  #count = 0;

  private constructor(options: FrontsOptions, channel: Channel) {
    this.#options = options;
    this.#channel = channel;
  }

  static async listen(options: FrontsOptions): Promise<Fronts> {
    let fronts: Fronts | undefined;
    const channel = await bindRouter(`ipc://${options.socket}`, {
      sendHighWaterMark: 10_000,
      receiveHighWaterMark: 10_000,
      onError: (failure) => options.log.warn("bad message from a front process", { failure: messageOf(failure) }),
      onMessage: (frames) => fronts?.receive(frames),
    });
    fronts = new Fronts(options, channel);
    return fronts;
  }

  /** The front processes that live now; all others have ended and are not believed any more. */
  setLiving(living: readonly { readonly epoch: string; readonly role: string }[]): void {
    this.#wasNamed();
    const next = new Map<string, Front>();
    for (const { epoch, role } of living) {
      next.set(epoch, this.#fronts.get(epoch) ?? { epoch, role: role as FrontRole, known: false, whole: undefined });
    }
    const gone = [...this.#fronts.values()].some(({ role, epoch }) => role === "publisher" && !next.has(epoch));
    this.#fronts = next;
    if (gone) this.#options.onPublisherGone();
    for (const [n, { missing }] of this.#acks) {
      for (const epoch of missing) if (!next.has(epoch)) this.#acked(n, epoch);
    }
    const early = this.#early;
    this.#early = [];
    for (const frames of early) if (next.has(epochOf(frames))) this.receive(frames);
  }

  receive(frames: readonly Uint8Array[]): void {
    const [routingId, frame] = frames;
    if (routingId === undefined || frame === undefined) return;
    const front = this.#fronts.get(epochOf(frames));
    if (front === undefined) {
      if (this.#early.length < maxEarly) this.#early.push(frames);
      return;
    }
    const message = parseFromFront(frame);
    if (message.is === "ack") {
      // The whole list holds every change before it.
      const held = message.n === front.whole ? [...this.#acks.keys()].filter((n) => n < message.n) : [];
      for (const n of [...held, message.n]) this.#acked(n, front.epoch);
      return;
    }
    if (message.is === "hello") {
      front.known = true;
      front.whole = this.#count += 1;
      // Before the keys, which are all that it waits for.
      if (front.role === "publisher") this.#send(front, this.#options.toldFirst());
      this.#send(front, { is: "keys", n: front.whole, full: true, add: this.#options.allKeys(), remove: [] });
      return;
    }
    if (!mayRole[message.is].includes(front.role)) return;
    failpoint("calls.accept");
    this.#options.onMessage(message, (reply) => {
      if (reply.is === "replies") reply.replies.forEach((each) => this.#replies.add({ front, ...each }));
      else this.#send(front, reply);
    });
  }

  /** One message for each worker, however many of its minions are answered in this turn of the loop. */
  #reply(answers: readonly Answer[]): void {
    const byFront = new Map<Front, Omit<Answer, "front">[]>();
    for (const { front, ...answer } of answers) {
      const replies = byFront.get(front) ?? [];
      byFront.set(front, replies);
      replies.push(answer);
    }
    failpoint("replies.send");
    for (const [front, replies] of byFront) this.#send(front, { is: "replies", replies });
  }

  /** Tells every front process of changed keys; resolves when all that live have applied them. */
  async updateKeys(change: Pick<KeyUpdate, "add" | "remove">): Promise<void> {
    const known = [...this.#fronts.values()].filter((front) => front.known);
    return this.#spread(change, known, change.remove.length > 0);
  }

  /**
   * Resolves when no front process that lives has older keys than these, also those that have not come back to a controller that
   * has just started. One that is silent is killed.
   */
  async settled(): Promise<void> {
    await this.#named;
    return this.#spread({ add: [], remove: [] }, [...this.#fronts.values()], true);
  }

  async #spread(change: Pick<KeyUpdate, "add" | "remove">, fronts: readonly Front[], orKill: boolean): Promise<void> {
    const n = (this.#count += 1);
    if (fronts.length === 0) return;
    failpoint("keys.send");
    await new Promise<void>((done) => {
      const missing = new Set(fronts.map(({ epoch }) => epoch));
      this.#acks.set(n, { missing, done });
      for (const front of fronts) if (front.known) this.#send(front, { is: "keys", n, full: false, ...change });
      setTimeout(() => {
        // One that has not heard of a new key yet does no harm, and may be busy with a crowd that connects.
        if (!orKill) for (const epoch of missing) this.#acked(n, epoch);
        // Killed, it acknowledges nothing but believes nothing either: it counts as having answered.
        for (const epoch of missing) {
          this.#options.kill(epoch);
          const { role } = this.#fronts.get(epoch) ?? {};
          this.#fronts.delete(epoch);
          if (role === "publisher") this.#options.onPublisherGone();
          this.#acked(n, epoch);
        }
      }, limits.revokeAckMs).unref();
    });
  }

  toPublisher(message: ToFront): void {
    failpoint("order.send");
    for (const front of this.#fronts.values())
      if (front.role === "publisher" && front.known) this.#send(front, message);
  }

  close(): void {
    this.#channel.close();
  }

  #send(front: Front, message: ToFront): void {
    void this.#channel.send([Buffer.from(front.epoch, "latin1"), encode(message)]);
  }

  #acked(n: number, epoch: string): void {
    const entry = this.#acks.get(n);
    if (entry === undefined || !entry.missing.delete(epoch) || entry.missing.size > 0) return;
    this.#acks.delete(n);
    entry.done();
  }
}

const maxEarly = 1000;

function epochOf([routingId]: readonly Uint8Array[]): string {
  return Buffer.from(routingId ?? []).toString("latin1");
}

const mayRole: Readonly<Record<Handled["is"], readonly FrontRole[]>> = {
  calls: ["worker"],
  enrol: ["reqserver"],
  link: ["publisher"],
};
