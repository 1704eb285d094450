/**
 * The supervisor (DESIGN §3): starts controller, workers, then publisher and reqserver, restarts one that dies, kills
 * one that is silent or over its memory cap, and stops all in reverse. It holds no key and opens no socket.
 */
import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import type { MasterConfig } from "../config/master.ts";
import { MsaltError } from "../errors.ts";
import { type ChildSettings, type FromChild, type ToChild, childSettingsVariable, errorOfFatal } from "../lib/child.ts";
import { failpoint } from "../lib/failpoint.ts";
import { busyHeap, smallHeap, workingHeap } from "../lib/small-heap.ts";
import type { Log } from "../log/log.ts";
import { limits } from "../wire/limits.ts";

type Role = "controller" | "publisher" | "reqserver" | "worker" | "api";

/**
 * glibc: threads of one process share their memory, and what is large is taken from the system and given back by itself. Without a bound
 * of our own glibc raises its bound to the largest that was given back, and whole messages lie among what stays.
 */
const oneArena = { MALLOC_ARENA_MAX: "1", MALLOC_MMAP_THRESHOLD_: "65536" };
/**
 * libzmq takes two blocks of 16 KiB and more for each connection. From the heap they would come out of its middle, where glibc keeps what
 * is freed: 1,000 connections made anew again and again took half as much again, and never gave it back. By themselves they are pages that
 * go when the connection goes; the bound is half of the mappings that Linux gives one process. Without padding at its end, because what
 * the heap has in reserve there would be taken first.
 */
const ofConnections = {
  ...oneArena,
  MALLOC_MMAP_THRESHOLD_: "16384",
  MALLOC_MMAP_MAX_: "32768",
  MALLOC_TOP_PAD_: "0",
};
const noCode = "--disallow-code-generation-from-strings";

/** What each process is started with. */
const starts: Readonly<Record<Role, { readonly options: readonly string[]; readonly env: NodeJS.ProcessEnv }>> = {
  controller: { options: [noCode, ...busyHeap], env: oneArena },
  publisher: { options: [noCode, ...smallHeap], env: ofConnections },
  reqserver: { options: [noCode, ...smallHeap], env: ofConnections },
  worker: { options: [noCode, ...workingHeap], env: oneArena },
  // The router of the HTTP server makes code of the paths that we give it, and of nothing else.
  api: { options: smallHeap, env: oneArena },
};
/** Who opens a port to the network comes when all that it needs is there: a thousand minions may be waiting at it. */
const starting: readonly (readonly Role[])[] = [["controller"], ["worker"], ["publisher", "reqserver"], ["api"]];
/** Who talks to others first. */
const stopping: readonly Role[] = ["api", "reqserver", "worker", "publisher", "controller"];
const pingMs = 1000;
/** A flood from an accepted minion fills half a GiB in a second. */
const memoryMs = 100;
/** Silent for so long means stuck: killed and started anew. */
const silentMs = 10_000;
/** One that is not ready by then has missed something. */
const readyMs = 30_000;
/** A child that lived this long is restarted at once; one that dies sooner waits longer each time. */
const stableMs = 1000;
/** Five roles stop one after the other, within 10 s in all. */
const stopMs = 2000;

interface Slot {
  readonly role: Role;
  readonly number: number;
  epoch: string;
  child: ChildProcess | undefined;
  startedAt: number;
  lastPong: number;
  quickDeaths: number;
  ready: boolean;
}

export interface MasterOptions {
  readonly config: MasterConfig;
  /** Folder that holds the bundled `master-<role>.js`. */
  readonly scripts: string;
  readonly settings: Pick<ChildSettings, "rootDir" | "configDir" | "overrides">;
  readonly log: Log;
}

export class Supervisor {
  /** Ports as bound, by configuration key; kept over restarts of a process, also where the configuration says 0. */
  readonly ports: Record<string, number> = {};
  readonly #options: MasterOptions;
  readonly #slots: Slot[];
  #watch: NodeJS.Timeout | undefined;
  #memoryWatch: NodeJS.Timeout | undefined;
  #stopping = false;

  constructor(options: MasterOptions) {
    this.#options = options;
    const roles: Role[] = ["controller", "publisher", "reqserver"];
    for (let i = 0; i < options.config.workerThreads; i += 1) roles.push("worker");
    if (options.config.api.enabled) roles.push("api");
    this.#slots = roles.map((role, number) => ({
      role,
      number,
      epoch: "",
      child: undefined,
      startedAt: 0,
      lastPong: 0,
      quickDeaths: 0,
      ready: false,
    }));
  }

  /** Resolves when every process is ready. @throws MsaltError what the first failing one said; all are stopped then. */
  async start(): Promise<void> {
    try {
      for (const roles of starting) {
        await Promise.all(this.#slots.filter(({ role }) => roles.includes(role)).map((slot) => this.#spawn(slot)));
      }
    } catch (failure) {
      await this.stop();
      throw failure;
    }
    this.#watch = setInterval(() => this.#check(), pingMs);
    this.#memoryWatch = setInterval(() => this.#checkMemory(), memoryMs);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#watch);
    clearInterval(this.#memoryWatch);
    for (const role of stopping) {
      await Promise.all(this.#slots.filter((slot) => slot.role === role).map(stopSlot));
    }
  }

  /** Starts the process of a slot; resolves when it is ready. */
  async #spawn(slot: Slot): Promise<void> {
    const { scripts, settings } = this.#options;
    slot.epoch = randomBytes(16).toString("hex");
    slot.ready = false;
    slot.startedAt = performance.now();
    slot.lastPong = performance.now();
    const { NODE_OPTIONS: _, ...env } = process.env;
    const child: ChildSettings = {
      ...settings,
      overrides: { ...settings.overrides, ...this.#boundPorts() },
      epoch: slot.epoch,
      number: slot.number,
    };
    const { options, env: malloc } = starts[slot.role];
    const spawned = fork(`${scripts}/master-${slot.role}.js`, [], {
      execArgv: [...options],
      env: {
        ...env,
        ...malloc,
        UV_THREADPOOL_SIZE: "8",
        [childSettingsVariable]: JSON.stringify(child),
      },
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    slot.child = spawned;
    this.#tellFronts();
    await new Promise<void>((resolve, reject) => {
      let fatal: MsaltError | undefined;
      spawned.on("message", (message: FromChild) => {
        if ("pong" in message) slot.lastPong = performance.now();
        else if ("kill" in message) this.#killEpoch(message.kill);
        else if ("fatal" in message) fatal = errorOfFatal(message.fatal);
        else {
          Object.assign(this.ports, message.ready);
          slot.ready = true;
          if (slot.role === "controller") this.#tellFronts();
          resolve();
        }
      });
      let over = false;
      const ended = (end: string): void => {
        if (over) return;
        over = true;
        slot.child = undefined;
        const how = fatal?.message ?? end;
        reject(
          fatal ?? new MsaltError("ERR_INTERNAL", `master process ${slot.role} ended before it was ready: ${how}`),
        );
        if (!this.#stopping && (slot.ready || this.#watch !== undefined)) {
          this.#restart(slot, how);
        }
      };
      spawned.once("exit", (code, signal) => ended(signal === null ? `exit status ${code}` : signal));
      // It could not be started at all, as when processes or memory are short.
      spawned.once("error", (failure) => ended(failure.message));
    });
  }

  /** As the configuration would say them. */
  #boundPorts(): Readonly<Record<string, unknown>> {
    const { api_port: port, ...ports } = this.ports;
    const { api } = this.#options.config.shown;
    return port === undefined ? ports : { ...ports, api: { ...(api as object), port } };
  }

  #restart(slot: Slot, how: string): void {
    failpoint("child.restart");
    this.#tellFronts();
    // On a busy machine one may take longer than that only to find out that it cannot start.
    const wasStable = slot.ready && performance.now() - slot.startedAt >= stableMs;
    slot.quickDeaths = wasStable ? 0 : slot.quickDeaths + 1;
    const delay = slot.quickDeaths === 0 ? 0 : Math.min(10_000, 100 * 2 ** slot.quickDeaths);
    this.#options.log.warn(`master process ${slot.role} ended, starting it again`, { how, inMs: delay });
    setTimeout(() => {
      // A failed start ends in the exit handler of the new child, which comes back here.
      if (!this.#stopping) this.#spawn(slot).catch(() => undefined);
    }, delay);
  }

  /** The controller believes a front process only while its epoch is in this list (W7). */
  #tellFronts(): void {
    const controller = this.#slots.find(({ role }) => role === "controller")?.child;
    const fronts = this.#slots
      .filter(({ role, child }) => role !== "controller" && role !== "api" && child !== undefined)
      .map(({ epoch, role }) => ({ epoch, role }));
    if (controller?.connected) controller.send({ fronts } satisfies ToChild, () => undefined);
  }

  #killEpoch(epoch: string): void {
    const slot = this.#slots.find((each) => each.epoch === epoch);
    if (slot?.child === undefined) return;
    this.#options.log.warn(`master process ${slot.role} did not answer the controller, killing it`);
    slot.child.kill("SIGKILL");
  }

  #check(): void {
    for (const slot of this.#slots) {
      const { child, role } = slot;
      if (child?.pid === undefined) continue;
      const silent = performance.now() - slot.lastPong > silentMs;
      // The controller may have much to read; the others only wait for it, and can do so anew.
      const stuck = role !== "controller" && !slot.ready && performance.now() - slot.startedAt > readyMs;
      if (silent || stuck) {
        const why = silent ? "it does not answer" : "it does not become ready";
        this.#options.log.error(`killing master process ${role}: ${why}`);
        child.kill("SIGKILL");
      } else if (child.connected) {
        child.send({ ping: 1 } satisfies ToChild, () => undefined);
      }
    }
  }

  #checkMemory(): void {
    for (const { child, role } of this.#slots) {
      const rss = child?.pid === undefined || child.killed ? 0 : rssOf(child.pid);
      if (rss <= limits.memoryBytes[role]) continue;
      this.#options.log.error(`killing master process ${role}: over its memory cap`, { rss });
      child?.kill("SIGKILL");
    }
  }
}

async function stopSlot(slot: Slot): Promise<void> {
  const { child } = slot;
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  await new Promise<void>((resolve) => {
    const force = setTimeout(() => child.kill("SIGKILL"), stopMs);
    child.once("exit", () => {
      clearTimeout(force);
      resolve();
    });
    if (child.connected) child.send({ stop: true } satisfies ToChild, () => undefined);
    else child.kill("SIGKILL");
  });
}

/** Resident bytes of a process; 0 when it is gone. */
function rssOf(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * 4096;
  } catch {
    return 0;
  }
}
