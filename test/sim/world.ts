/** A master, its processes and its minions, all in one thread: the product's own start functions over what stands in for the machine. */
import * as z from "zod";
import type { FromChild, Running } from "../../src/lib/child.ts";
import { sleep } from "../../src/lib/deadline.ts";
import { startController } from "../../src/master/controller/controller.ts";
import { startPublisher } from "../../src/master/publisher/publisher.ts";
import { startReqserver } from "../../src/master/reqserver/reqserver.ts";
import { startWorker } from "../../src/master/workers/worker.ts";
import { runMinion } from "../../src/minion/minion.ts";
import { type AnyFunction, Outcome, declare } from "../../src/modules/declare.ts";
import type { Log } from "../../src/log/log.ts";
import type { JobStore } from "../../src/store/job-store.ts";
import type { KeyRecord } from "../../src/wire/key-record.ts";
import { seeded } from "../support/seed.ts";
import { Clock, type Process } from "./clock.ts";
import { MinionDisk } from "./disk.ts";
import type { Enrolled, Fixtures } from "./fixtures.ts";
import { Network, hostOf } from "./network.ts";
import { type Host, setHost } from "./stand-ins.ts";
import { JobRecords } from "./store.ts";
import { Watch } from "./watch.ts";

const starts = { publisher: startPublisher, reqserver: startReqserver, worker: startWorker } as const;

interface Slot {
  readonly role: "controller" | keyof typeof starts;
  readonly name: string;
  epoch: string;
  process: Process | undefined;
  running: Running | undefined;
}

export interface SimMinion extends Enrolled {
  readonly disk: MinionDisk;
  process: Process | undefined;
  stop: AbortController;
}

export class World implements Host {
  readonly clock: Clock;
  /** What the world decides; another stream than that of the code under test. */
  readonly random: () => number;
  readonly network: Network;
  readonly records = new JobRecords();
  readonly watch: Watch;
  readonly fixtures: Fixtures;
  readonly minions: readonly SimMinion[];
  readonly slots: readonly Slot[];
  readonly trace: string[] = [];
  /** Whatever ends is to be started again. */
  isMended = false;
  /** Nothing is started again by itself. */
  masterDown = false;
  readonly usualCommit = (): { verdict: "written"; ms: number } => ({
    verdict: "written",
    ms: 0.2 + this.random() * 2,
  });
  readonly #giveBack: () => void;
  #count = 0;

  constructor(seed: number, fixtures: Fixtures, count: number) {
    this.clock = new Clock(seed);
    this.random = seeded(seed ^ 0x5eed);
    this.network = new Network(this.clock, this.random);
    this.watch = new Watch(this.clock, this.records);
    this.fixtures = fixtures;
    this.minions = fixtures.minions.slice(0, count).map((minion) => ({
      ...minion,
      disk: new MinionDisk(this.clock, this.random),
      process: undefined,
      stop: new AbortController(),
    }));
    fixtures.reset(this.minions);
    for (const { id, keyId } of this.minions) this.watch.idOf.set(keyId, id);
    this.slots = (["controller", "publisher", "reqserver", "worker", "worker"] as const).map((role, n) => ({
      role,
      name: `${role}${n}`,
      epoch: "",
      process: undefined,
      running: undefined,
    }));
    this.records.outcome = this.usualCommit;
    this.network.onSend = (...message) => this.watch.sent(...message);
    this.network.onArrive = (...message) => this.watch.arrived(...message);
    this.records.onWrite = (write, before) => {
      if (write.kind === "target") this.note(`${write.jid} ${write.target.id} ${write.target.state}`);
      this.watch.write(write, before);
    };
    this.records.onCommitted = (batch) =>
      this.watch.written(new Set(batch.flatMap((write) => (write.kind === "target" ? [write.jid] : []))));
    this.clock.onUncaught = (process, failure) => this.watch.fail(`${process.name} ended by ${String(failure)}`);
    onExecution = (id, jid) => {
      this.note(`${id} runs ${jid}`);
      this.watch.executed(id, jid);
    };
    this.#giveBack = this.clock.install();
    setHost(this);
  }

  dispose(): void {
    setHost(undefined);
    this.#giveBack();
  }

  readonly note = (text: string): void => {
    this.trace.push(`${(this.clock.now / 1000).toFixed(3)} ${text}`);
  };

  readonly pick = <T>(of: readonly T[]): T => {
    const one = of[Math.floor(this.random() * of.length)];
    if (one === undefined) throw new Error("nothing to pick from");
    return one;
  };

  readonly between = (least: number, most: number): number => least + this.random() * (most - least);

  spawn(name: string): Process {
    return { name: `${name}#${(this.#count += 1)}`, alive: true, frozen: undefined };
  }

  /** The process is gone between two instructions. */
  kill(process: Process): void {
    process.alive = false;
    this.network.end(process);
  }

  logOf(name: string): Log {
    const say =
      (level: string) =>
      (message: string, { reason }: Readonly<Record<string, unknown>> = {}): void =>
        this.note(`${name} ${level}: ${message}${typeof reason === "string" ? `: ${reason}` : ""}`);
    return { debug: () => undefined, info: say("info"), warn: say("warning"), error: say("error") };
  }

  // The master.

  startMaster(): void {
    for (const slot of this.slots) this.startSlot(slot);
  }

  startSlot(slot: Slot): void {
    if (slot.process !== undefined) return;
    const process = this.spawn(slot.name);
    slot.process = process;
    slot.epoch = String(this.#count).padStart(32, "0");
    slot.running = undefined;
    const { role, epoch } = slot;
    const { config } = this.fixtures;
    this.tellFronts();
    this.clock.schedule(
      0,
      () => {
        const log = this.logOf(process.name);
        const started = role === "controller" ? startController(config, log) : starts[role](config, epoch, log);
        started.then(
          (running) => {
            slot.running = running;
            if (role === "controller") this.tellFronts();
          },
          (failure: unknown) => this.watch.fail(`${process.name} does not start: ${String(failure)}`),
        );
      },
      process,
    );
  }

  killSlot(slot: Slot): void {
    const { process } = slot;
    if (process === undefined) return;
    this.note(`kill ${process.name}`);
    this.kill(process);
    slot.process = undefined;
    if (slot.role === "controller") this.watch.restarted();
    this.retire(slot);
  }

  /** The supervisor takes it for dead: told on, and another one started. */
  retire(slot: Slot): void {
    slot.process = undefined;
    this.tellFronts();
    if (this.masterDown) return;
    const again = (): void => {
      if (slot.process === undefined && !this.masterDown) this.startSlot(slot);
    };
    this.clock.schedule(this.between(20, 600), again, this.clock.world);
  }

  tellFronts(): void {
    const fronts = this.slots
      .filter(({ role, process }) => role !== "controller" && process !== undefined)
      .map(({ epoch, role }) => ({ epoch, role }));
    const [controller] = this.slots;
    const { process, running } = controller ?? {};
    if (process === undefined || running?.onFronts === undefined) return;
    const { onFronts } = running;
    const tell = (): void => {
      this.watch.living = new Set(fronts.map(({ epoch }) => epoch));
      onFronts(fronts);
    };
    this.clock.schedule(0.1, tell, process);
  }

  told(process: Process, message: FromChild): void {
    if (!("kill" in message)) return;
    const slot = this.slots.find(({ epoch }) => epoch === message.kill);
    this.note(`${process.name} wants ${slot?.name ?? "somebody"} gone`);
    if (slot !== undefined) this.clock.schedule(1, () => this.killSlot(slot), this.clock.world);
  }

  async openStore(): Promise<JobStore> {
    return this.records.open(this.clock);
  }

  // The minions.

  startMinion(minion: SimMinion): void {
    if (minion.process !== undefined) return;
    const process = this.spawn(minion.id);
    minion.process = process;
    minion.stop = new AbortController();
    const log = this.logOf(process.name);
    const ended = (how: string): void => {
      this.note(`${process.name} ended: ${how}`);
      if (minion.process !== process) return;
      this.kill(process);
      minion.process = undefined;
      if (this.isMended) this.clock.schedule(1000, () => this.startMinion(minion), this.clock.world);
    };
    const options = {
      config: { ...minion.config, dataDir: `${this.fixtures.root}/${process.name}` },
      log,
      version: "0",
      onStarted: () => this.note(`${process.name} started`),
      onReady: () => this.note(`${process.name} ready`),
      emulation: { functions, grains: { os: "simulated" }, ledgerFs: minion.disk.mount() },
    };
    const run = (): void =>
      void runMinion(options, minion.stop.signal).then(
        () => ended("in order"),
        (failure: unknown) => ended(String(failure)),
      );
    this.clock.schedule(0, run, process);
  }

  /** Power is lost. */
  crashMinion(minion: SimMinion): void {
    if (minion.process === undefined) return;
    this.note(`crash ${minion.process.name}`);
    this.kill(minion.process);
    minion.process = undefined;
    minion.disk.crash();
  }

  async enrol(): Promise<KeyRecord | undefined> {
    const { current } = this.clock;
    await sleep(50 + this.random() * 500, undefined);
    const minion = this.minions.find(({ id }) => id === hostOf(current));
    const isAccepted = minion !== undefined && !this.watch.deleted.has(minion.keyId);
    if (isAccepted && !this.network.cut.has(minion.id)) return this.fixtures.master;
    await sleep(1000 + this.random() * 4000, undefined);
    return undefined;
  }
}

const params = z.strictObject({ ms: z.number(), retcode: z.number() });
let onExecution: Watch["executed"] = () => undefined;
/** One with effects and one without; both take their time and end as they are told. */
const functions: ReadonlyMap<string, AnyFunction> = new Map(
  (["some", "none"] as const).map((effects) => {
    const name = effects === "some" ? "sim.act" : "sim.look";
    const made = declare({
      name,
      summary: "Take its time.",
      params,
      effects,
      run: async ({ ms, retcode }, host) => {
        if (effects === "some") onExecution(host.id, host.job.jid);
        const whole = await sleep(ms, host.signal);
        return new Outcome(whole ? `${host.id} has done it` : "ended", whole ? retcode : 1);
      },
    });
    return [name, made];
  }),
);
