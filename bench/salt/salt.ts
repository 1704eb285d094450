/** Real Salt as a yardstick: a master and minions of its long-term line, default configuration, on loopback. */
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Install, installSalt } from "./install.ts";
import { type Cost, Master, settings } from "./master.ts";
import { Helper, cpuMs, kill, pidsOf, pssMiB, startDaemon, until } from "./processes.ts";

/** Each figure is one sample. Minions are started as a figure needs them; it returns when the machine is quiet again. */
export interface SaltBench extends AsyncDisposable {
  readonly version: string;
  /** Exactly so many live minions m1…mN, all answering; keys of the others are removed, for `'*'` would wait for them. */
  minions(count: number): Promise<void>;
  /** `salt m1 test.ping`. */
  ping(): Promise<Cost>;
  /** `salt '*' test.ping`, text output. */
  fanOut(count: number): Promise<{ wallMs: number; returned: number; masterCpuMs: number }>;
  /** Prepared returns of 20 identities, 2 in flight each, into a fresh master without minions. */
  returns(total: number): Promise<{ perSecond: number; masterCpuMsPerReturn: number }>;
  /** `LocalClient.cmd_async` to an id that nobody has, from so many processes, at a fresh master without minions. */
  jobs(clients: number, seconds: number): Promise<{ perSecond: number }>;
  /**
   * So many test.ping jobs at m1 at once: results in the job cache when none has come for 20 s. Not `settled` when they still
   * came 180 s after the last was published: then it does not say how many would have been lost.
   */
  overrun(count: number): Promise<{ stored: number; sent: number; settled: boolean }>;
  /** Until the command has ended when m2 was dead before, and when it is killed 1 s into its job. */
  deadMinion(): Promise<{ offlineMs: number; midJobMs: number }>;
  /** `salt '*' test.ping` 8 s after a restart of the master. */
  restart(count: number): Promise<{ answered: number; of: number; exitCode: number }>;
  /** PSS of the master's processes, and of those of one minion on average. */
  memory(): Promise<{ masterMiB: number; minionMiB: number }>;
  /** ms from the start of m1's process, which has its keys, until its start event is on the master's bus. */
  minionStart(): Promise<number>;
}

/** Installs Salt the first time. Everything it starts has ended and its folder is gone after disposal, or when this process ends. */
export async function startSalt(): Promise<SaltBench | { readonly notInstalled: string }> {
  const install = installSalt();
  if ("notInstalled" in install) return install;
  // Unix sockets have paths of at most 107 bytes.
  const root = mkdtempSync(join(tmpdir().length > 50 ? "/tmp" : tmpdir(), "msalt-salt-"));
  const guard = new Helper(join(install.bin, "python"), [join(install.programs, "guard.py"), root], "guard.py", true);
  const bench = new Bench(install, root, guard);
  try {
    await guard.line();
    await bench.start();
    return bench;
  } catch (failure) {
    await bench[Symbol.asyncDispose]();
    throw failure;
  }
}

class Bench implements SaltBench {
  readonly #install: Install;
  readonly #root: string;
  readonly #guard: Helper;
  readonly #master: Master;
  readonly #live = new Map<string, ChildProcess>();
  #extra = 0;

  constructor(install: Install, root: string, guard: Helper) {
    this.#install = install;
    this.#root = root;
    this.#guard = guard;
    this.#master = new Master(install, join(root, "master"));
  }

  get version(): string {
    return this.#install.version;
  }

  async start(): Promise<void> {
    await this.#master.start();
  }

  async minions(count: number): Promise<void> {
    const wanted = Array.from({ length: count }, (_, index) => `m${index + 1}`);
    for (const id of [...this.#live.keys()].filter((id) => !wanted.includes(id))) {
      await this.#stop(id);
      rmSync(join(this.#master.folder, "pki/minions", id), { force: true });
    }
    const missing = wanted.filter((id) => !this.#live.has(id));
    if (missing.length === 0) return;
    const events = this.#master.helper("events", "-c", this.#master.folder);
    try {
      await events.line();
      for (const id of missing) {
        this.#startMinion(id);
        await sleep(400);
      }
      for (let started = 0; started < missing.length; started += 1) await events.line(60_000 + count * 2000);
    } finally {
      events.kill();
    }
    await this.#answering(count);
  }

  async ping(): Promise<Cost> {
    await this.#atLeast(1);
    const { wallMs, cpuMs, exitCode, stdout, stderr } = await this.#master.salt("m1", "test.ping");
    if (exitCode !== 0) throw new Error(`salt m1 test.ping ended with ${exitCode}: ${stdout}${stderr}`);
    return { wallMs, cpuMs };
  }

  async fanOut(count: number): Promise<{ wallMs: number; returned: number; masterCpuMs: number }> {
    await this.minions(count);
    const before = this.#master.cpuMs();
    const { wallMs, stdout } = await this.#master.salt("*", "test.ping");
    await sleep(300);
    const masterCpuMs = this.#master.cpuMs() - before;
    await this.#quiet();
    return { wallMs, returned: answers(stdout), masterCpuMs };
  }

  async returns(total: number): Promise<{ perSecond: number; masterCpuMsPerReturn: number }> {
    const identities = 20;
    const each = Math.max(1, Math.round(total / identities));
    const sent = each * identities;
    return this.#withFreshMaster(async (master) => {
      const helper = master.helper("returns", "-c", master.folder, identities, 2, sent);
      try {
        await helper.line(120_000 + sent * 20);
        const before = master.cpuMs();
        helper.go();
        const { seconds, refused } = JSON.parse(await helper.line(120_000 + sent * 50)) as Record<string, number>;
        await sleep(300);
        const used = master.cpuMs() - before;
        const stored = master.stored("r");
        if (refused !== 0 || stored !== sent || seconds === undefined)
          throw new Error(`${sent} returns sent, ${refused} refused, ${stored} in the job cache`);
        return { perSecond: sent / seconds, masterCpuMsPerReturn: used / sent };
      } finally {
        helper.kill();
      }
    });
  }

  async jobs(clients: number, seconds: number): Promise<{ perSecond: number }> {
    return this.#withFreshMaster(async (master) => {
      // Salt refuses a job that no accepted key matches; nobody connects with this one.
      writeFileSync(join(master.folder, "pki/minions/nobody"), "");
      const published = await master.publish("nobody", { clients, mostEach: 1_000_000, seconds });
      return { perSecond: published.sent / published.seconds };
    });
  }

  async overrun(count: number): Promise<{ stored: number; sent: number; settled: boolean }> {
    await this.#atLeast(1);
    const before = this.#master.stored("m1");
    const clients = 2;
    const { sent } = await this.#master.publish("m1", { clients, mostEach: Math.ceil(count / clients), seconds: 120 });
    const published = performance.now();
    let stored = 0;
    let changed = published;
    let now = published;
    while (stored < sent && now - changed < 20_000 && now - published < 180_000) {
      await sleep(500);
      now = performance.now();
      const inCache = this.#master.stored("m1") - before;
      if (inCache !== stored) changed = now;
      stored = inCache;
    }
    // Its unfinished jobs would disturb what is measured next.
    await this.#startAgain("m1");
    return { stored, sent, settled: stored === sent || now - changed >= 20_000 };
  }

  async deadMinion(): Promise<{ offlineMs: number; midJobMs: number }> {
    await this.#atLeast(2);
    await this.#stop("m2");
    const offline = await this.#master.salt("m2", "test.ping");
    await this.#startAgain("m2");
    const processes = (): number => pidsOf("salt-minion", this.#minionFolder("m2")).length;
    const idle = processes();
    const running = this.#master.salt("m2", "test.sleep", "20");
    await until("m2 to begin its job", () => processes() > idle, 20_000);
    await sleep(1000);
    await this.#stop("m2");
    const midJob = await running;
    for (const { exitCode, stdout } of [offline, midJob])
      if (exitCode === 0 || answers(stdout) > 0) throw new Error(`salt says that a dead minion answered: ${stdout}`);
    await this.#startAgain("m2");
    return { offlineMs: offline.wallMs, midJobMs: midJob.wallMs };
  }

  async restart(count: number): Promise<{ answered: number; of: number; exitCode: number }> {
    await this.minions(count);
    await this.#master.stop();
    await this.#master.start();
    await sleep(8000);
    const { stdout, exitCode } = await this.#master.salt("*", "test.ping");
    await this.#answering(count);
    return { answered: answers(stdout), of: count, exitCode };
  }

  async memory(): Promise<{ masterMiB: number; minionMiB: number }> {
    await this.#atLeast(1);
    return {
      masterMiB: pssMiB(pidsOf("salt-master", this.#master.folder)),
      minionMiB: pssMiB(pidsOf("salt-minion", this.#root)) / this.#live.size,
    };
  }

  async minionStart(): Promise<number> {
    await this.#atLeast(1);
    await this.#stop("m1");
    return this.#startAgain("m1");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#guard.end();
  }

  #minionFolder(id: string): string {
    return join(this.#root, id);
  }

  async #atLeast(count: number): Promise<void> {
    if (this.#live.size < count) await this.minions(count);
  }

  #startMinion(id: string): void {
    const folder = this.#minionFolder(id);
    if (!existsSync(folder)) {
      mkdirSync(folder);
      const { publish, request } = this.#master.ports;
      const more = { id, master: "127.0.0.1", publish_port: publish, master_port: request };
      writeFileSync(join(folder, "minion"), settings(folder, more));
    }
    const log = join(folder, "output.log");
    this.#live.set(id, startDaemon(join(this.#install.bin, "salt-minion"), ["-c", folder], log));
  }

  /** Kills it with all its jobs, as a crash of its machine would. */
  async #stop(id: string): Promise<void> {
    const pids = (): number[] => pidsOf("salt-minion", this.#minionFolder(id));
    await until(
      `${id} to end`,
      () => {
        kill(pids(), "SIGKILL");
        return pids().length === 0;
      },
      20_000,
    );
    // Salt does not start while the process named in a file there seems alive, which a zombie does.
    rmSync(join(this.#minionFolder(id), "var/run"), { recursive: true, force: true });
    this.#live.delete(id);
  }

  /** @returns ms until its start event. */
  async #startAgain(id: string): Promise<number> {
    const events = this.#master.helper("events", "-c", this.#master.folder);
    try {
      await events.line();
      await this.#stop(id);
      await this.#quiet();
      const began = performance.now();
      this.#startMinion(id);
      while ((await events.line()) !== id);
      const took = performance.now() - began;
      await this.#answering(this.#live.size);
      return took;
    } finally {
      events.kill();
    }
  }

  /** Waits until all minions answer one command. */
  async #answering(count: number): Promise<void> {
    const all = async (): Promise<boolean> => answers((await this.#master.salt("*", "test.ping")).stdout) === count;
    await until(`${count} Salt minions to answer`, all, 120_000 + count * 1000);
    await this.#quiet();
  }

  /** Waits, 30 s at most, until Salt's processes together use less than a fifth of a core: minions go on after they have returned. */
  async #quiet(): Promise<void> {
    const windowMs = 500;
    for (let window = 0; window < 60; window += 1) {
      const pids = [...pidsOf("salt-master", this.#root), ...pidsOf("salt-minion", this.#root)];
      const before = cpuMs(pids);
      await sleep(windowMs);
      if (Math.abs(cpuMs(pids) - before) < windowMs / 5) return;
    }
  }

  async #withFreshMaster<T>(measure: (master: Master) => Promise<T>): Promise<T> {
    this.#extra += 1;
    const master = new Master(this.#install, join(this.#root, `extra${this.#extra}`));
    try {
      await master.start();
      // It goes on for some seconds after its ports listen.
      await sleep(4000);
      return await measure(master);
    } finally {
      await master[Symbol.asyncDispose]();
    }
  }
}

/** Minions that answered `True` to test.ping, in text output. */
function answers(stdout: string): number {
  return stdout.split("\n").filter((line) => line === "    True").length;
}
