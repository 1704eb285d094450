/**
 * What the controller knows of each minion's link: its publish session, whether its subscription lives, when it was last heard.
 * A minion is connected while the publisher reports its subscription and it has given a sign of life within `silentMs`; TCP
 * tells at once of a minion that died, the silence of one that vanished (P8).
 */
import { Shared } from "../../lib/shared.ts";
import type { LinkState } from "../../job/batch.ts";
import type { MinionRow } from "../../store/job-store.ts";
import type { KeyId, MinionId } from "../../wire/ids.ts";
import { encode } from "../../wire/codec.ts";
import { limits } from "../../wire/limits.ts";
import type { Presence as PresenceView } from "../../wire/local.ts";
import type { Command } from "../../wire/loads.ts";
import { Quota } from "./quota.ts";

interface Session {
  readonly topic: Uint8Array;
  /** Not known of a session that was adopted from the publisher. */
  readonly publishKey?: Uint8Array;
}

export interface MinionLink {
  readonly id: MinionId;
  readonly keyId: KeyId;
  readonly quota: Quota;
  /** Jobs of its own on others that it waits for. */
  publishing: number;
  session: Session | undefined;
  subscribed: boolean;
  /** It has asked for its orders in this session. */
  synced: boolean;
  /** When its session began. */
  greeted: number | undefined;
  /** Since when it is in its present state; undefined when it was never seen. */
  since: number | undefined;
  lastSeen: number | undefined;
  bootId: string | undefined;
  /** The boot id whose start has been made an event. */
  announced: string | undefined;
  /** Boot ids that a newer `hello` replaced: what still comes under them is stale. */
  readonly retired: string[];
  readonly counters: Map<Command, number>;
  ledger: { readonly id: string; readonly count: number } | undefined;
  /** As it reported them last. */
  grains: Readonly<Record<string, unknown>> | undefined;
  /** What it keeps for others to read. */
  mine: Readonly<Record<string, unknown>> | undefined;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
/** A link that broke so lately is likely to come back. */
const brokenMs = 10_000;
/** How long after a start of the master its minions take to come back, at the most (back-off included). */
const returnMs = 15_000;
/** How long after its hello the subscription of a minion takes to come, at the most. */
const subscribeMs = 10_000;

/** Only of these is the newest kept and an older one refused; the others are idempotent by jid (DESIGN §5.2). */
const ordered: ReadonlySet<Command> = new Set<Command>(["hello", "grains", "heartbeat", "event"]);

export class Presence {
  readonly #links = new Map<MinionId, MinionLink>();
  readonly #byTopic = new Map<string, MinionLink>();
  readonly #now: () => number;
  readonly #onChange: (link: MinionLink, connected: boolean) => void;
  readonly #started: number;
  readonly #facts = new Shared((value) => Buffer.from(encode(value)).toString("latin1"));

  constructor(now: () => number, onChange: (link: MinionLink, connected: boolean) => void) {
    this.#now = now;
    this.#onChange = onChange;
    this.#started = now();
  }

  /** The link of an accepted minion; made when first asked for. Another key under the same id starts from nothing. */
  of(id: MinionId, keyId: KeyId, row?: MinionRow): MinionLink {
    const known = this.#links.get(id);
    if (known?.keyId === keyId) return known;
    if (known !== undefined) this.forget(id);
    const same = row?.keyId === keyId ? row : undefined;
    const link: MinionLink = {
      id,
      keyId,
      quota: new Quota(),
      publishing: 0,
      session: undefined,
      subscribed: false,
      synced: false,
      greeted: undefined,
      since: same?.lastSeen,
      lastSeen: same?.lastSeen,
      bootId: undefined,
      announced: undefined,
      retired: [],
      counters: new Map(),
      ledger: same?.ledgerId === undefined ? undefined : { id: hex(same.ledgerId), count: same.ledgerCount ?? 0 },
      grains: undefined,
      mine: undefined,
    };
    this.#links.set(id, link);
    return link;
  }

  /** What a minion reported of itself. */
  learn(link: MinionLink, grains: Readonly<Record<string, unknown>> | undefined): void {
    link.grains = grains && this.#facts.of(grains);
  }

  find(id: MinionId): MinionLink | undefined {
    return this.#links.get(id);
  }

  all(): Iterable<MinionLink> {
    return this.#links.values();
  }

  forget(id: MinionId): void {
    const link = this.#links.get(id);
    if (link?.session !== undefined) this.#byTopic.delete(hex(link.session.topic));
    if (link?.subscribed) this.#setSubscribed(link, false);
    this.#links.delete(id);
  }

  /** False when something newer of this class has been seen already: answer `E_STALE` (W7). */
  isNewest(link: MinionLink, cmd: Command, bootId: Uint8Array, counter: number): boolean {
    if (!ordered.has(cmd)) return true;
    const boot = hex(bootId);
    if (boot === link.bootId) return counter > (link.counters.get(cmd) ?? -1);
    // A controller that has just started believes whoever speaks first; later only a hello may change the boot id.
    return (cmd === "hello" || link.bootId === undefined) && !link.retired.includes(boot);
  }

  /** A request that is the newest of its class, and is not refused for what it is. */
  heard(link: MinionLink, cmd: Command, bootId: Uint8Array, counter: number): void {
    link.lastSeen = this.#now();
    if (!ordered.has(cmd)) return;
    const boot = hex(bootId);
    if (boot !== link.bootId) {
      if (link.bootId !== undefined) link.retired.push(link.bootId);
      if (link.retired.length > 16) link.retired.shift();
      link.bootId = boot;
      link.counters.clear();
    }
    link.counters.set(cmd, counter);
  }

  /** A new publish session; the old topic is dead from now on. */
  startSession(link: MinionLink, session: Required<Session>): void {
    if (link.session !== undefined) this.#byTopic.delete(hex(link.session.topic));
    link.session = session;
    link.synced = false;
    this.#byTopic.set(hex(session.topic), link);
    this.#setSubscribed(link, false);
    link.greeted = this.#now();
  }

  /** What a publisher that has just come up must know: the sessions begun while there was none. */
  *sessions(): Iterable<Required<Session> & { readonly keyId: KeyId }> {
    for (const { keyId, session } of this.#links.values()) {
      if (session?.publishKey !== undefined) yield { keyId, topic: session.topic, publishKey: session.publishKey };
    }
  }

  /** The publisher saw the subscription of a topic come or go. */
  setLink(topic: Uint8Array, up: boolean): void {
    const link = this.#byTopic.get(hex(topic));
    if (link !== undefined) this.#setSubscribed(link, up);
  }

  /** A link that has stood since before this controller started; true when it was not known. */
  adopt(link: MinionLink, topic: Uint8Array): boolean {
    if (link.session !== undefined) return false;
    link.session = { topic };
    this.#byTopic.set(hex(topic), link);
    this.#setSubscribed(link, true);
    return true;
  }

  /** The publisher is gone: no subscription stands, and no session of it is used again (W6). */
  publisherLost(): void {
    for (const link of this.#links.values()) {
      link.session = undefined;
      this.#setSubscribed(link, false);
    }
    this.#byTopic.clear();
  }

  /** What is to be remembered of every minion that was ever seen. */
  rows(): MinionRow[] {
    return [...this.#links.values()].flatMap(({ id, keyId, lastSeen, ledger }) =>
      lastSeen === undefined
        ? []
        : [
            {
              id,
              keyId,
              lastSeen,
              ...(ledger !== undefined && { ledgerId: Buffer.from(ledger.id, "hex"), ledgerCount: ledger.count }),
            },
          ],
    );
  }

  /** Drops links that have been silent too long. */
  tick(): void {
    for (const link of this.#links.values()) {
      if (link.subscribed && (link.lastSeen ?? 0) < this.#now() - limits.silentMs) this.#setSubscribed(link, false);
    }
  }

  isConnected(id: MinionId): boolean {
    return this.#links.get(id)?.subscribed ?? false;
  }

  /** Whether a batch may count on this minion now. */
  linkState(id: MinionId): LinkState {
    const link = this.#links.get(id);
    if (link?.subscribed === true) return "up";
    return this.#isReturning(link) || (link?.since ?? 0) > this.#now() - brokenMs ? "returning" : "away";
  }

  view(id: MinionId): PresenceView {
    const link = this.#links.get(id);
    const returning = this.#isReturning(link);
    return {
      id,
      connected: link?.subscribed ?? false,
      ...(returning && { returning }),
      ...(link?.since !== undefined && { since: link.since }),
      ...(link?.lastSeen !== undefined && { lastSeen: link.lastSeen }),
    };
  }

  #isReturning(link: MinionLink | undefined): boolean {
    if (link === undefined || link.subscribed) return false;
    // It has said hello, and its subscription has not come since: that takes a while on a busy machine.
    if (link.session !== undefined) {
      return (link.since ?? 0) <= (link.greeted ?? -1) && this.#now() < (link.greeted ?? 0) + subscribeMs;
    }
    return link.lastSeen !== undefined && this.#now() < this.#started + returnMs;
  }

  #setSubscribed(link: MinionLink, up: boolean): void {
    if (link.subscribed === up) return;
    link.subscribed = up;
    link.since = this.#now();
    if (up) link.lastSeen = this.#now();
    this.#onChange(link, up);
  }
}
