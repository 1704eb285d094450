/** What can befall a simulated bus, and how it passes. `mend` ends all of it. */
import { Ledger } from "../../src/minion/ledger.ts";
import { decodeTrusted, encode } from "../../src/wire/codec.ts";
import type { ToFront } from "../../src/wire/front.ts";
import type { Process } from "./clock.ts";
import { Tool } from "./tool.ts";
import type { SimMinion, World } from "./world.ts";

export class Faults {
  readonly #world: World;
  /** Ends what is broken now. */
  readonly #repairs = new Set<() => void>();
  readonly #retired = new Set<Process>();
  #hasDeleted = false;
  #hasRetired = false;

  constructor(world: World) {
    this.#world = world;
  }

  /** One of all, chosen by the world's dice. */
  async next(): Promise<void> {
    const roll = this.#world.random() * 16;
    if (roll < 3) return this.#cut();
    if (roll < 5) return this.crash();
    if (roll < 6) return this.#stop();
    if (roll < 6.5) return this.#world.pick(this.#world.minions).disk.backUp();
    if (roll < 8.5) return this.#killOne();
    if (roll < 9) return this.#killAll();
    if (roll < 10) return this.#badRecord();
    if (roll < 11) return this.#badDisk();
    if (roll < 12.5) return this.#badNetwork();
    if (roll < 13) return this.#stepClock();
    if (roll < 14) return this.#freeze();
    if (roll < 14.5) return this.#retire();
    if (roll < 15.5) return this.#misdirect();
    return this.#deleteKey();
  }

  async mend(): Promise<void> {
    const world = this.#world;
    for (const repair of this.#repairs) repair();
    for (const process of this.#retired) world.kill(process);
    world.masterDown = false;
    world.isMended = true;
    for (const slot of world.slots) if (slot.process === undefined) world.startSlot(slot);
    for (const minion of world.minions) {
      world.network.mend(minion.id);
      await this.#start(minion);
    }
  }

  /** `begin` now, what it gives after `ms`. */
  #for(ms: number, what: string, repair: () => void): void {
    const world = this.#world;
    world.note(`${what} for ${Math.round(ms)} ms`);
    const once = (): void => {
      if (this.#repairs.delete(once)) repair();
    };
    this.#repairs.add(once);
    world.clock.schedule(ms, once, world.clock.world);
  }

  #cut(): void {
    const { network, random, minions, pick, between } = this.#world;
    const { id } = pick(minions);
    const silently = random() < 0.5;
    network.sever(id, silently);
    const ms = between(100, random() < 0.3 ? 60_000 : 8000);
    this.#for(ms, `cut ${id}${silently ? " silently" : ""}`, () => network.mend(id));
  }

  async crash(): Promise<void> {
    const world = this.#world;
    const minion = world.pick(world.minions);
    if (minion.process === undefined) return;
    world.crashMinion(minion);
    const roll = world.random();
    if (roll < 0.15) await this.#flip(minion);
    else if (roll < 0.25) await this.#goBack(minion);
    this.#for(world.between(50, 20_000), `${minion.id} is off`, () => void this.#start(minion));
  }

  /** A ledger that cannot be read does not start: its operator moves it away. */
  async #start(minion: SimMinion): Promise<void> {
    if (minion.process !== undefined) return;
    const world = this.#world;
    try {
      await (await Ledger.open("/ledger", { now: () => 0, fs: minion.disk.copy() })).close();
    } catch (failure) {
      world.note(`${minion.id} gets a new ledger: ${String(failure)}`);
      minion.disk.wipe();
    }
    world.startMinion(minion);
  }

  /** Yesterday's ledger: noticed by its number of records, if that is below the one that the master has written down (W9). */
  async #goBack(minion: SimMinion): Promise<void> {
    const { records, note } = this.#world;
    const { id, disk } = minion;
    if (!disk.restore()) return;
    note(`the ledger of ${id} goes back`);
    const opened = await Ledger.open("/ledger", { now: () => 0, fs: disk.copy() });
    await opened.close();
    if (opened.count < (records.minions.get(id)?.ledgerCount ?? 0)) return;
    this.#excuse(minion);
  }

  #excuse({ id }: SimMinion): void {
    const { watch } = this.#world;
    for (const name of watch.executions.keys()) if (name.endsWith(`/${id}`)) watch.excused.add(name);
  }

  async #flip(minion: SimMinion): Promise<void> {
    const { id, disk } = minion;
    const { note } = this.#world;
    if (!disk.flip()) return;
    note(`a bit of the ledger of ${id} flips`);
    const opened = await Ledger.open("/ledger", { now: () => 0, fs: disk.copy() }).catch(() => undefined);
    await opened?.close();
    // In the last frame it looks like a write that a crash cut off, and what stood there is gone.
    if (opened === undefined || opened.warnings.length === 0) return;
    this.#excuse(minion);
  }

  #stop(): void {
    const world = this.#world;
    const minion = world.pick(world.minions);
    if (minion.process === undefined) return;
    world.clock.schedule(0, () => minion.stop.abort(), minion.process);
    this.#for(world.between(6000, 20_000), `stop ${minion.id}`, () => void this.#start(minion));
  }

  #killOne(): void {
    this.#world.killSlot(this.#world.pick(this.#world.slots));
  }

  #killAll(): void {
    const world = this.#world;
    world.masterDown = true;
    for (const slot of world.slots) world.killSlot(slot);
    this.#for(world.between(200, 15_000), "the master is off", () => {
      world.masterDown = false;
      world.startMaster();
    });
  }

  #badRecord(): void {
    const { records, random } = this.#world;
    const [fails, slow] = [random() < 0.6, random() < 0.5];
    const { outcome } = records;
    records.outcome = () => {
      const usual = outcome();
      if (fails && random() < 0.5) return { verdict: random() < 0.5 ? "fails" : "is full", ms: usual.ms };
      return slow ? { ...usual, ms: usual.ms + random() * 400 } : usual;
    };
    this.#for(this.#world.between(100, 5000), "the record is bad", () => (records.outcome = this.#world.usualCommit));
  }

  #badDisk(): void {
    const world = this.#world;
    const { id, disk } = world.pick(world.minions);
    const what = world.pick(["full", "failing"] as const);
    disk[what] = true;
    this.#for(world.between(500, 20_000), `the disk of ${id} is ${what}`, () => (disk[what] = false));
  }

  #badNetwork(): void {
    const { network, random, pick, between } = this.#world;
    const share = pick([0.02, 0.1, 0.4]);
    const slowMs = pick([0, 100, 2000]);
    network.disturb = () => {
      const roll = random() / share;
      return roll < 1 ? (roll < 0.4 ? "lose" : roll < 0.7 ? "double" : "overtake") : "pass";
    };
    network.slowness = () => random() * random() * slowMs;
    this.#for(between(500, 20_000), "the network is bad", () => {
      network.disturb = () => "pass";
      network.slowness = () => 0;
    });
  }

  #stepClock(): void {
    const { clock, pick } = this.#world;
    clock.wallOffset += pick([-3_600_000, -60_000, -2000, 2000, 60_000, 31_536_000_000]);
    this.#world.note(`the master's clock is off by ${clock.wallOffset} ms`);
  }

  /** It stands still; too long, and its supervisor ends it. */
  #freeze(): void {
    const world = this.#world;
    const slot = world.pick(world.slots);
    const { process } = slot;
    if (process === undefined) return;
    world.clock.freeze(process);
    this.#for(world.between(50, 12_000), `${process.name} stands still`, () => world.clock.thaw(process));
    const silent = (): void => {
      if (process.frozen !== undefined && slot.process === process) world.killSlot(slot);
    };
    world.clock.schedule(10_000, silent, world.clock.world);
  }

  /** Its supervisor takes a worker for dead that goes on for a while. */
  #retire(): void {
    const world = this.#world;
    const slot = world.pick(world.slots.filter(({ role }) => role === "worker"));
    const { process } = slot;
    // It does not hear of deleted keys any more, and may still say no to one.
    if (process === undefined || this.#hasDeleted) return;
    this.#hasRetired = true;
    this.#retired.add(process);
    world.note(`${process.name} is retired`);
    world.retire(slot);
    world.clock.schedule(world.between(500, 3000), () => world.kill(process), world.clock.world);
  }

  /** The publisher hands an order, as it was signed, to somebody for whom it is not. */
  #misdirect(): void {
    const { network, pick, minions } = this.#world;
    const wrong = pick(minions);
    network.tamper = (connection, toClient, frames) => {
      const [frame] = frames;
      if (!toClient || frame === undefined || !connection.server.endpoint.endsWith("minion.sock")) return frames;
      const message = decodeTrusted(frame) as ToFront;
      const [first] = message.is === "publish" ? message.targets : [];
      if (message.is !== "publish" || first === undefined) return frames;
      this.#world.note(`${message.jid} is misdirected to ${wrong.id}`);
      const targets = [
        ...message.targets.filter(({ keyId }) => keyId !== wrong.keyId),
        { ...first, keyId: wrong.keyId },
      ];
      return [encode({ ...message, targets })];
    };
    this.#for(5000, "the publisher misdirects", () => (network.tamper = (_connection, _toClient, frames) => frames));
  }

  #deleteKey(): void {
    const world = this.#world;
    if (this.#hasRetired || world.minions.length < 3) return;
    this.#hasDeleted = true;
    const { id, keyId, fingerprint } = world.pick(world.minions);
    const tool = new Tool(world);
    tool.deleteKey(id, fingerprint, () => world.watch.deleted.add(keyId));
    world.note(`delete the key of ${id}`);
  }
}
