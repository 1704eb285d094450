/** A master, and minions where a row wants them, from `dist/` as a user would start them, on free loopback ports. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalClient } from "../src/client/local.ts";
import { ensureOwnKeys } from "../src/crypto/keystore.ts";
import type { KeyRecord } from "../src/wire/key-record.ts";
import { type Identity, acceptBeforehand } from "./identities.ts";
import { childrenOf, commandOf, cpuMs, treeOf } from "./processes.ts";

const dist = join(process.cwd(), "dist");
const readyMs = 60_000;
const stopMs = 12_000;

/** Over which so many emulated minions are spread: two cores, and no more descriptors than a process usually has. */
export const swarmProcesses = (minions: number): number =>
  Math.max(Math.min(2, Math.ceil(minions / 250)), Math.ceil(minions / 2000));

export const roles = ["controller", "publisher", "reqserver", "worker", "supervisor"] as const;
export type Role = (typeof roles)[number];

/** A running program of ours. */
class Daemon {
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
  text = "";

  constructor(script: string, args: readonly string[]) {
    this.child = spawn(process.execPath, [join(dist, `${script}.js`), ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.child.stdout?.on("data", (data: Buffer) => (this.text += data.toString()));
    this.ended = new Promise((resolve) => this.child.once("close", () => resolve()));
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Its output up to and with `text`. */
  async says(text: string, timeoutMs = readyMs): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string): void => reject(new Error(`expected "${text}", but ${why}:\n${this.text}`));
      const timer = setTimeout(fail, timeoutMs, `it has not come in ${timeoutMs / 1000} s`);
      const look = (): void => {
        if (!this.text.includes(text)) return;
        clearTimeout(timer);
        resolve();
      };
      this.child.stdout?.on("data", look);
      look();
      void this.ended.then(() => fail("the program ended"));
    });
    return this.text;
  }

  async stop(signal: NodeJS.Signals): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    const force = setTimeout(() => this.child.kill("SIGKILL"), stopMs);
    await this.ended;
    clearTimeout(force);
  }
}

export class Bed implements AsyncDisposable {
  readonly #root = mkdtempSync(join(tmpdir(), "msalt-bench-"));
  readonly #minions = new Map<string, Daemon>();
  #master: Daemon | undefined;
  ports = { publish_port: 0, ret_port: 0, enroll_port: 0 };
  /** The master's public keys. */
  readonly record: KeyRecord;

  private constructor(accepted: readonly Identity[]) {
    const pki = join(this.masterRoot, "etc/msalt/pki/master");
    this.record = ensureOwnKeys(pki, "master", "master");
    acceptBeforehand(pki, accepted);
  }

  /** `accepted`: minions whose keys are in place from the start; any other is accepted when it comes. */
  static async start(accepted: readonly Identity[] = []): Promise<Bed> {
    const bed = new Bed(accepted);
    try {
      await bed.startMaster();
    } catch (failure) {
      await bed[Symbol.asyncDispose]();
      throw failure;
    }
    return bed;
  }

  get masterRoot(): string {
    return join(this.#root, "master");
  }

  get sockDir(): string {
    return join(this.masterRoot, "run/msalt/master");
  }

  get masterPid(): number {
    return this.#master?.pid ?? 0;
  }

  async startMaster(): Promise<void> {
    this.#configure(this.masterRoot, "master", [
      "id: master",
      "interface: 127.0.0.1",
      ...Object.entries(this.ports).map(([name, port]) => `${name}: ${port}`),
      "auto_accept: true",
      // Of all minions here, which have one address.
      "enroll_rate: 100000",
      "log_level: warning",
    ]);
    this.#master = new Daemon("msalt-master", ["--root-dir", this.masterRoot]);
    const said = await this.#master.says(" ready ");
    const port = (name: string): number => Number(new RegExp(`${name}=(\\d+)`).exec(said)?.[1]);
    this.ports = { publish_port: port("publish_port"), ret_port: port("ret_port"), enroll_port: port("enroll_port") };
  }

  async stopMaster(): Promise<void> {
    await this.#master?.stop("SIGTERM");
    this.#master = undefined;
  }

  /** Milliseconds from the start of the program until it is connected and may be given jobs. */
  async startMinion(id: string): Promise<number> {
    const root = join(this.#root, id);
    this.#configure(root, "minion", [
      `id: ${id}`,
      "master: 127.0.0.1",
      `publish_port: ${this.ports.publish_port}`,
      `master_port: ${this.ports.ret_port}`,
      `enroll_port: ${this.ports.enroll_port}`,
      "acceptance_wait_time: 1",
      "log_level: error",
    ]);
    const started = performance.now();
    const minion = new Daemon("msalt-minion", ["--root-dir", root]);
    this.#minions.set(id, minion);
    await minion.says(" ready ");
    return performance.now() - started;
  }

  async stopMinion(id: string, signal: NodeJS.Signals): Promise<void> {
    await this.#minions.get(id)?.stop(signal);
    this.#minions.delete(id);
  }

  /** So many emulated minions, which are the product's own, all connected when it resolves. */
  async startSwarm(count: number): Promise<void> {
    const { publish_port, ret_port, enroll_port } = this.ports;
    const ports = ["--publish-port", publish_port, "--master-port", ret_port, "--enroll-port", enroll_port];
    const who = ["--minions", count, "--id", "web{n}", "--master", "127.0.0.1", "--processes", swarmProcesses(count)];
    const words = ["--root-dir", join(this.#root, "swarm"), ...who, ...ports];
    const swarm = new Daemon("msalt-swarm", words.map(String));
    this.#minions.set("swarm", swarm);
    await swarm.says("msalt-swarm ready", 30_000 + count * 60);
  }

  get minionPids(): number[] {
    return [...this.#minions.values()].map(({ pid }) => pid);
  }

  client(): Promise<LocalClient> {
    return LocalClient.connect(this.sockDir);
  }

  /** Words of a tool's whole command line, for this master. */
  words(tool: string, ...args: readonly string[]): [string, ...string[]] {
    return [process.execPath, join(dist, `${tool}.js`), "--root-dir", this.masterRoot, ...args];
  }

  masterPids(): number[] {
    return treeOf(this.masterPid);
  }

  /** CPU of the master so far, by kind of process, in milliseconds. */
  cpu(): Readonly<Record<Role, number>> {
    const sum = { controller: 0, publisher: 0, reqserver: 0, worker: 0, supervisor: cpuMs(this.masterPid) };
    for (const pid of childrenOf(this.masterPid)) {
      const role = roles.find((name) => commandOf(pid).includes(`master-${name}.js`));
      if (role !== undefined) sum[role] += cpuMs(pid);
    }
    return sum;
  }

  #configure(root: string, file: string, lines: readonly string[]): void {
    mkdirSync(join(root, "etc/msalt"), { recursive: true });
    writeFileSync(join(root, "etc/msalt", file), `${lines.join("\n")}\n`, { mode: 0o644 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The processes of a swarm end with it.
    await Promise.all([...this.#minions.values()].map((minion) => minion.stop("SIGKILL")));
    await this.stopMaster();
    // The parts of a swarm may still be writing while they end.
    rmSync(this.#root, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

/** What was spent between two looks, for each of `count`, in microseconds; `all` is the sum. */
export function cpuPer(
  count: number,
  before: Readonly<Record<Role, number>>,
  after: Readonly<Record<Role, number>>,
): Readonly<Record<Role | "all", number>> {
  const us = (role: Role): number => ((after[role] - before[role]) * 1000) / count;
  const by = Object.fromEntries(roles.map((role) => [role, us(role)])) as Record<Role, number>;
  return { ...by, all: roles.reduce((sum, role) => sum + us(role), 0) };
}
