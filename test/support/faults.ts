/** Kills and stops processes of a bus at random, so long as it is told to go on. Each kind comes once before any comes again. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Bus } from "./bus.ts";
import { type Proc, commandOf } from "./proc.ts";
import type { Marks } from "./marks.ts";
import { treeOf } from "./measure.ts";
import type { Random } from "./random.ts";
import { startSwarm } from "./swarm.ts";

const roles = ["controller", "publisher", "reqserver", "worker"] as const;

export interface FaultsOptions {
  readonly bus: Bus;
  readonly marks: Marks;
  readonly random: Random;
  readonly emulated: number;
  /** Longest time for which a process is stopped. */
  readonly stopMs: number;
  readonly everyMs: readonly [number, number];
}

export class Faults {
  /** When each minion was killed, by its id; `web` stands for all that are emulated. Milliseconds since 1970. */
  readonly killed = new Map<string, number[]>();
  readonly counts = new Map<string, number>();
  readonly #options: FaultsOptions;
  /** What stands still, and wakes again. */
  readonly #stopped = new Map<number, Promise<void>>();
  #swarm: Proc;

  constructor(options: FaultsOptions, swarm: Proc) {
    this.#options = options;
    this.#swarm = swarm;
  }

  /** Runs until `signal` aborts; then everything lives and goes on. */
  async run(signal: AbortSignal): Promise<void> {
    const { random, everyMs } = this.#options;
    const kinds: readonly (readonly [string, () => Promise<void> | void])[] = [
      ...roles.map((role) => [`kill ${role}`, () => this.#kill(this.#oneOf(role))] as const),
      ...roles.map((role) => [`stop ${role}`, () => this.#stop(this.#oneOf(role))] as const),
      ["kill master", () => this.#killMaster()],
      ["stop supervisor", () => this.#stop(this.#options.bus.master?.pid)],
      ["kill minion", () => this.#killMinion()],
      ["stop minion", () => this.#stop(this.#minion()[1].pid)],
      ["kill swarm", () => this.#killSwarm()],
      ["stop swarm", () => this.#stop(random.pick(treeOf(this.#swarm.pid).slice(1)))],
    ];
    for (let deck = random.shuffled(kinds); !signal.aborted; deck = random.shuffled(kinds)) {
      for (const [name, act] of deck) {
        if (signal.aborted) break;
        this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
        await act();
        await sleep(random.between(...everyMs), undefined, { signal }).catch(() => undefined);
      }
    }
    await Promise.all(this.#stopped.values());
  }

  async close(): Promise<void> {
    await this.#swarm.stop();
  }

  #oneOf(role: (typeof roles)[number]): number | undefined {
    return this.#options.random.pick(this.#options.bus.pidsOf(role));
  }

  #minion(): [string, Proc] {
    const { bus, random } = this.#options;
    const found = random.pick([...bus.minions]);
    if (found === undefined) throw new Error("there are no minions");
    return found;
  }

  #kill(pid: number | undefined): void {
    signalTo(pid, "SIGKILL");
  }

  #stop(pid: number | undefined): void {
    if (pid === undefined || this.#stopped.has(pid)) return;
    const name = commandOf(pid);
    signalTo(pid, "SIGSTOP");
    const { random, stopMs } = this.#options;
    const woken = sleep(random.between(1000, stopMs)).then(() => {
      this.#stopped.delete(pid);
      // Another process may have this number by now.
      if (commandOf(pid) === name) signalTo(pid, "SIGCONT");
    });
    this.#stopped.set(pid, woken);
  }

  async #killMaster(): Promise<void> {
    const { bus, random } = this.#options;
    this.#kill(bus.master?.pid);
    await bus.master?.exit;
    await sleep(random.between(0, 2000));
    await bus.restartMaster();
  }

  async #killMinion(): Promise<void> {
    const { bus, marks, random } = this.#options;
    const [id, minion] = this.#minion();
    this.#kill(minion.pid);
    await minion.exit;
    this.#wasKilled(id);
    await sleep(random.between(0, 2000));
    marks.knows(id, await bus.startMinion(id, false));
  }

  async #killSwarm(): Promise<void> {
    const { bus, emulated } = this.#options;
    for (const pid of treeOf(this.#swarm.pid)) this.#kill(pid);
    await this.#swarm.exit;
    this.#wasKilled("web");
    this.#swarm = await startSwarm(bus, emulated);
  }

  #wasKilled(id: string): void {
    this.killed.set(id, [...(this.killed.get(id) ?? []), Date.now()]);
  }
}

function signalTo(pid: number | undefined, signal: NodeJS.Signals): void {
  // 0 and less would be whole groups.
  if (pid === undefined || pid <= 0) return;
  try {
    process.kill(pid, signal);
  } catch {
    // It has just ended.
  }
}
