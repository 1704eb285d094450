/**
 * What minions may ask, as the workers pass it on; all of it again checked here, where it counts: the key is accepted now, the
 * load fits its schema, the quota allows it, nothing newer was seen, and the job is this minion's.
 */
import { randomBytes } from "../../crypto/primitives.ts";
import { MsaltError, messageOf } from "../../errors.ts";
import type { EventBus } from "../../event/bus.ts";
import type { Log } from "../../log/log.ts";
import type { JobStore } from "../../store/job-store.ts";
import { encode, resultScan } from "../../wire/codec.ts";
import { sha256, equalBytes } from "../../crypto/primitives.ts";
import type { MinionCall, ToFront } from "../../wire/front.ts";
import type { KeyId, MinionId } from "../../wire/ids.ts";
import { limits } from "../../wire/limits.ts";
import { type Command, type Load, type Replies, type Reply, isCommand, parseLoad } from "../../wire/loads.ts";
import { prescan } from "../../wire/prescan.ts";
import { tags } from "../../wire/tags.ts";
import { Assembly } from "./assembly.ts";
import type { Committer } from "./committer.ts";
import type { Jobs } from "./jobs.ts";
import type { LiveOutput } from "./live-output.ts";
import type { Peers } from "./peers.ts";
import type { Pillars } from "./pillars.ts";
import type { MinionLink, Presence } from "./presence.ts";

/** Another ledger under a key whose host was heard of so lately is another host, not the same one after a loss (HS-11). */
const twinMs = 60_000;
/**
 * All topics begin alike, and 8 bytes are for nobody to guess: when a subscriber goes, libzmq walks through the tries of all
 * subscriptions, byte by byte, and half of the bytes are half of the way.
 */
const topicHead = randomBytes(8);

export interface MinionCommandsOptions {
  readonly jobs: Jobs;
  readonly output: LiveOutput;
  readonly presence: Presence;
  readonly pillars: Pillars;
  readonly committer: Committer;
  readonly store: JobStore;
  readonly bus: EventBus;
  readonly log: Log;
  readonly now: () => number;
  readonly masterRecord: () => Uint8Array;
  /** The minion whose key this is, if it is accepted now. */
  readonly minionOf: (keyId: KeyId) => MinionId | undefined;
  readonly toPublisher: (message: ToFront) => void;
  readonly peers: Peers;
  /** False while the disk has no room for results, or for files. */
  readonly takesReturns: () => boolean;
  readonly takesFiles: () => boolean;
}

type Handler<C extends Command> = (load: Load<C>, link: MinionLink) => Promise<Reply<C>>;

export class MinionCommands {
  readonly #options: MinionCommandsOptions;
  readonly #assembly = new Assembly();
  readonly #handlers: { readonly [C in Command]: Handler<C> };
  #inFlight = 0;

  constructor(options: MinionCommandsOptions) {
    this.#options = options;
    this.#handlers = Object.freeze({
      hello: (load, link) => this.#hello(load, link),
      sync: async (_load, link) => {
        link.synced = true;
        return { ok: options.jobs.delivery.sync(link.id, link.keyId) };
      },
      "job.start": async ({ jid, count }, link) => {
        this.#counted(link, count);
        return (await options.jobs.started(link.id, jid)) ? { ok: { time: options.now() } } : notTargeted;
      },
      "job.return": (load, link) => this.#return(load, link),
      "job.output": async (load, { id }) => {
        const taken = options.output.take(id, load);
        return taken === undefined ? notTargeted : { ok: taken };
      },
      heartbeat: (load, link) => this.#heartbeat(load, link),
      grains: async ({ grains }, link) => {
        await options.committer.commit([{ kind: "grains", id: link.id, grains, at: options.now() }]);
        options.presence.learn(link, grains);
        return { ok: {} };
      },
      "mine.set": (load, link) => this.#mine(load, link),
      "peer.publish": async (load, link) => {
        const wait = link.quota.mayTarget(options.now());
        if (wait > 0) return overQuota(wait);
        if (link.publishing >= limits.peerPublishes) return busy("this minion waits for the answers of others already");
        link.publishing += 1;
        try {
          return await options.peers.publish(link.id, load, (ms) => link.quota.spend(options.now(), ms));
        } finally {
          link.publishing -= 1;
        }
      },
      "mine.get": async (load, { quota }) => {
        const wait = quota.mayTarget(options.now());
        if (wait > 0) return overQuota(wait);
        const began = performance.now();
        try {
          return this.#mineOf(load);
        } finally {
          quota.spend(options.now(), performance.now() - began);
        }
      },
      // Counted here; the worker puts in what it reads.
      "file.stat": async () => ({ ok: {} }),
      // Each looks through the whole folder.
      "file.list": async (_load, { quota }) => {
        const wait = quota.charge("file.list", limits.filePartBytes / 4, options.now());
        return wait > 0 ? overQuota(wait) : { ok: { files: [], more: false } };
      },
      "file.read": async (_load, { quota }) => {
        // Files may come four times as fast as anything else.
        const wait = quota.charge("file.read", limits.filePartBytes / 4, options.now());
        return wait > 0 ? overQuota(wait) : { ok: {} };
      },
      "file.push": async () => (options.takesFiles() ? { ok: {} } : busy("the master's disk is full; keep the file")),
      pillar: async (_load, link) => {
        const { encoded } = options.pillars.of(link);
        // So small a question must not fetch more than its sender may send.
        const wait = link.quota.charge("pillar", encoded.length, options.now());
        return wait > 0 ? overQuota(wait) : { ok: { pillar: encoded } };
      },
      event: async ({ tag, data }, { id }) => {
        const event = { tag, data: { id, tag, data, cmd: "_minion_event" } };
        options.bus.fire(event, new Date(options.now()).toISOString());
        return { ok: {} };
      },
    });
  }

  /** Answers one request; never rejects. */
  async handle(call: MinionCall): Promise<Reply<Command>> {
    const { minionOf, presence, log, now } = this.#options;
    const id = minionOf(call.keyId);
    if (id === undefined) return { error: "E_FORBIDDEN", message: "this key is not accepted" };
    if (!isCommand(call.cmd)) return { error: "E_COMMAND", message: "no such command" };
    const link = presence.of(id, call.keyId);
    const wait = link.quota.charge(call.cmd, call.size, now());
    if (wait > 0) return overQuota(wait);
    if (this.#inFlight >= limits.controllerQueue) return busy("the controller's queue is full");
    if (!presence.isNewest(link, call.cmd, call.bootId, call.counter)) {
      return { error: "E_STALE", message: "something newer has been seen" };
    }
    this.#inFlight += 1;
    try {
      // Before anything is noted: a host that is refused must not make the requests of the other one stale.
      if (call.cmd === "hello" && this.#isTwin(parseLoad("hello", call.load), link)) {
        return { error: "E_FORBIDDEN", message: "another host with this key is connected" };
      }
      presence.heard(link, call.cmd, call.bootId, call.counter);
      const reply = await this.#call(call.cmd, call.load, link);
      // Deleted while the commit ran: nothing more for this key (P6).
      return minionOf(call.keyId) === id ? reply : { error: "E_FORBIDDEN", message: "this key is not accepted" };
    } catch (failure) {
      if (failure instanceof MsaltError) {
        if (failure.code === "ERR_WIRE_INVALID") return { error: "E_SCHEMA", message: failure.message };
        if (failure.code === "ERR_DISK_FULL" || failure.code === "ERR_STORE") return busy(failure.message);
      }
      log.error("minion command failed", { cmd: call.cmd, id, failure: messageOf(failure) });
      return { error: "E_INTERNAL", message: "internal error" };
    } finally {
      this.#inFlight -= 1;
    }
  }

  #call<C extends Command>(cmd: C, load: unknown, link: MinionLink): Promise<Reply<C>> {
    return this.#handlers[cmd](parseLoad(cmd, load), link);
  }

  #isTwin({ ledger }: Load<"hello">, link: MinionLink): boolean {
    const { bus, now, log } = this.#options;
    const other = link.ledger !== undefined && link.ledger.id !== Buffer.from(ledger.id).toString("hex");
    if (!other || !link.subscribed || (link.lastSeen ?? 0) <= now() - twinMs) return false;
    log.warn("two hosts use one minion key", { id: link.id });
    bus.fire({ tag: tags.minionEvent(link.id, "duplicate"), data: { id: link.id } }, new Date(now()).toISOString());
    return true;
  }

  async #hello({ ledger, version }: Load<"hello">, link: MinionLink): Promise<Reply<"hello">> {
    const { presence, jobs, committer, bus, now, log } = this.#options;
    const id = Buffer.from(ledger.id).toString("hex");
    const before = link.ledger;
    const other = before !== undefined && before.id !== id;
    if (other || (before !== undefined && ledger.count < before.count)) {
      log.warn("a minion's ledger went back: its open jobs are lost", { id: link.id });
      await jobs.loseAll(link.id, "the minion's ledger was lost or replaced by an older one");
    }
    link.ledger = { id, count: ledger.count };
    const seen = { ledgerId: ledger.id, ledgerCount: ledger.count, lastSeen: now() };
    await committer.commit([{ kind: "minion", minion: { id: link.id, keyId: link.keyId, ...seen } }]);
    if (this.#options.minionOf(link.keyId) !== link.id)
      return { error: "E_FORBIDDEN", message: "this key is not accepted" };
    const session = { topic: Buffer.concat([topicHead, randomBytes(8)]), publishKey: randomBytes(32) };
    presence.startSession(link, session);
    this.#options.toPublisher({ is: "sessions", sessions: [{ keyId: link.keyId, ...session }] });
    // A reconnection is no start.
    const started = link.announced !== link.bootId;
    link.announced = link.bootId;
    const text = `Minion ${link.id} started`;
    if (started)
      bus.fire(
        { tag: tags.minionStart(link.id), data: { id: link.id, data: text, version } },
        new Date(now()).toISOString(),
      );
    const reply: Replies["hello"] = {
      ...session,
      time: now(),
      outstanding: jobs.delivery.outstanding(link.id),
      masterRecord: this.#options.masterRecord(),
    };
    return { ok: reply };
  }

  #mineOf({ tgt, tgt_type: tgtType, names }: Load<"mine.get">): Reply<"mine.get"> {
    const data: Record<string, Record<string, unknown>> = {};
    let bytes = 0;
    for (const id of this.#options.jobs.resolve({ tgt, tgtType }).minions) {
      const { mine = {} } = this.#options.presence.find(id) ?? {};
      const found = names.filter((name) => Object.hasOwn(mine, name)).map((name) => [name, mine[name]] as const);
      if (found.length === 0) continue;
      data[id] = Object.fromEntries(found);
      bytes += encode(data[id]).length + id.length;
      if (bytes > limits.answerBytes) {
        return { error: "E_SIZE", message: "these minions keep more than 1 MiB under that name" };
      }
    }
    return { ok: { data } };
  }

  async #mine({ clear, remove, set }: Load<"mine.set">, link: MinionLink): Promise<Reply<"mine.set">> {
    const kept = Object.entries(clear ? {} : (link.mine ?? {})).filter(([name]) => !remove.includes(name));
    const mine = Object.fromEntries([...kept, ...Object.entries(set)]);
    if (encode(mine).length > limits.mineBytes) {
      return { error: "E_SIZE", message: `a minion keeps at most ${limits.mineBytes} bytes in the mine` };
    }
    await this.#options.committer.commit([{ kind: "mine", id: link.id, mine }]);
    link.mine = mine;
    return { ok: {} };
  }

  async #return(load: Load<"job.return">, link: MinionLink): Promise<Reply<"job.return">> {
    if (!this.#options.takesReturns()) return busy("the master's disk is full; keep the result");
    const isPart = load.data.length < load.total;
    if (isPart && !this.#assembly.knows(link.id, load) && !(await this.#options.jobs.reaches(load.jid, link.id))) {
      return notTargeted;
    }
    const whole = this.#assembly.take(link.id, load, this.#options.now());
    if (whole === "busy") return busy("too many large results at once");
    if (typeof whole === "number") return { ok: { have: whole, stored: false } };
    if (isPart) {
      if (!equalBytes(sha256(whole), load.sha256)) return { ok: { have: 0, stored: false } };
      prescan(whole, resultScan);
    }
    const known = await this.#options.jobs.returned(link.id, load, whole);
    // Of parts that came twice, and some of them late.
    this.#assembly.drop(load.jid, link.id);
    return known ? { ok: { have: load.total, stored: true } } : notTargeted;
  }

  async #heartbeat({ running, topic, count }: Load<"heartbeat">, link: MinionLink): Promise<Reply<"heartbeat">> {
    const { jobs, now } = this.#options;
    this.#counted(link, count);
    await jobs.running(link.id, running);
    const known = link.subscribed && link.session !== undefined && equalBytes(link.session.topic, topic);
    return { ok: { time: now(), known, outstanding: jobs.delivery.outstanding(link.id) } };
  }

  /** A later hello with fewer records means that the ledger went back (W9). */
  #counted(link: MinionLink, count: number): void {
    if (link.ledger !== undefined) link.ledger = { ...link.ledger, count: Math.max(count, link.ledger.count) };
  }
}

const notTargeted = { error: "E_NOT_TARGETED", message: "no such job for this minion in the record" } as const;

function overQuota(retryMs: number): Extract<Reply<Command>, { error: string }> {
  return { error: "E_RATE", message: "over this minion's quota", retryMs };
}

/** Jittered, so that those who are sent away do not all come back at once. */
function busy(message: string): Extract<Reply<Command>, { error: string }> {
  return { error: "E_BUSY", message, retryMs: 200 + Math.floor(Math.random() * 1800) };
}
