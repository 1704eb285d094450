/** A whole msalt on loopback, started from `dist/` as a user would start it: real processes, real sockets, real keys. */
import { spawn } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Result, Proc, checkout, childrenOf, commandOf, dist, readyOrGone, until } from "./proc.ts";

/** Why no tool can be run here as another user; undefined when one can. */
export function noOtherUsers(): string | undefined {
  if (process.getuid?.() !== 0) return "only root can run tools as other users";
  for (let folder = checkout; ; folder = dirname(folder)) {
    if ((statSync(folder).mode & 0o001) === 0) return `other users cannot come to ${checkout} through ${folder}`;
    if (folder === dirname(folder)) return undefined;
  }
}

/** Of each worker of vitest its own, and none that the system gives to others: while a master is down, its ports are still its own. */
let lastPort = 10_000 + (Number(process.env["VITEST_POOL_ID"] ?? 0) % 4) * 5000 + Math.floor(Math.random() * 4000);

async function freePort(): Promise<number> {
  for (;;) {
    lastPort += 1;
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(lastPort, () => resolve(true));
    });
    await new Promise((resolve) => server.close(resolve));
    if (isFree) return lastPort;
  }
}

export interface BusOptions {
  readonly minions?: readonly string[];
  /** Lines of YAML for the master's and every minion's configuration. */
  readonly master?: string;
  readonly minion?: string;
  /** Where the programs of the master, or of every minion, are (default: `dist`). */
  readonly masterFrom?: string;
  readonly minionFrom?: string;
  /** Keys are accepted as they come (default). */
  readonly autoAccept?: boolean;
  /** Where the master listens (default: 127.0.0.1). */
  readonly address?: string;
  readonly minionBefore?: readonly string[];
  /** What their environment holds besides that of the test. */
  readonly masterEnv?: NodeJS.ProcessEnv;
  readonly minionEnv?: (id: string) => NodeJS.ProcessEnv;
  /** Parent of the bus's folders, such as a small file system. */
  readonly dir?: string;
  /** The account that runs master and minions, without the rights of root, as the systemd units do it (default: our own). */
  readonly uid?: number;
}

export class Bus implements AsyncDisposable {
  readonly root: string;
  readonly pki: string;
  readonly options: BusOptions;
  readonly minions = new Map<string, Proc>();
  readonly #all: Proc[] = [];
  master: Proc | undefined;
  ports: Record<string, number> = {};

  private constructor(options: BusOptions) {
    this.options = options;
    this.root = mkdtempSync(join(options.dir ?? tmpdir(), "msalt-"));
    mkdirSync(join(checkout, "pki"), { recursive: true });
    this.pki = mkdtempSync(join(checkout, "pki", "test-"));
  }

  /** Master and minions up, keys accepted and connected. */
  static async start(options: BusOptions = {}): Promise<Bus> {
    const bus = new Bus(options);
    try {
      await bus.startMaster();
      const ids = options.minions ?? ["m1", "m2"];
      await Promise.all(ids.map((id) => bus.startMinion(id, options.autoAccept !== false)));
    } catch (failure) {
      await bus[Symbol.asyncDispose]();
      throw failure;
    }
    return bus;
  }

  get address(): string {
    return this.options.address ?? "127.0.0.1";
  }

  get masterRoot(): string {
    return join(this.root, "master");
  }

  get sockDir(): string {
    return join(this.masterRoot, "run/msalt/master");
  }

  minionRoot(id: string): string {
    return join(this.root, id);
  }

  async startMaster(ready = true): Promise<Proc> {
    for (const name of ["publish_port", "ret_port", "enroll_port"]) this.ports[name] ??= await freePort();
    const { publish_port, ret_port, enroll_port } = this.ports;
    this.configure(
      this.masterRoot,
      "master",
      `interface: ${this.address}\npublish_port: ${publish_port}\nret_port: ${ret_port}\nenroll_port: ${enroll_port}\nid: master\n` +
        `pki_dir: ${this.pki}/master\nauto_accept: ${this.options.autoAccept !== false}\n${this.options.master ?? ""}\n`,
    );
    this.#give(`${this.pki}/master`, join(this.masterRoot, "var/lib/msalt/master"), this.sockDir);
    const { masterEnv, masterFrom } = this.options;
    this.master = this.track(
      new Proc("msalt-master", ["--root-dir", this.masterRoot], masterEnv, masterFrom, this.#account()),
    );
    if (!ready) return this.master;
    await this.master.says("msalt-master ready");
    for (const [, name, port] of this.master.stdout.matchAll(/(\w+_port)=(\d+)/g))
      this.ports[name ?? ""] = Number(port);
    return this.master;
  }

  /** `more`: lines of YAML for this minion alone. */
  async startMinion(id: string, ready = true, args: readonly string[] = [], more = ""): Promise<Proc> {
    const { publish_port, ret_port, enroll_port } = this.ports;
    this.configure(
      this.minionRoot(id),
      "minion",
      `master: ${this.address}\nid: ${id}\npublish_port: ${publish_port}\nmaster_port: ${ret_port}\nenroll_port: ${enroll_port}\n` +
        `pki_dir: ${this.pki}/${id}\nacceptance_wait_time: 1\n${this.options.minion ?? ""}\n${more}\n`,
    );
    this.#give(`${this.pki}/${id}`, join(this.minionRoot(id), "var/lib/msalt/minion"));
    const { minionEnv, minionFrom, minionBefore = [] } = this.options;
    const words = ["--root-dir", this.minionRoot(id), ...args];
    const minion = this.track(
      new Proc("msalt-minion", words, minionEnv?.(id), minionFrom, [...minionBefore, ...this.#account()]),
    );
    this.minions.set(id, minion);
    if (ready) await minion.says("msalt-minion ready");
    return minion;
  }

  /** What systemd makes for the account of a unit. */
  #give(...folders: readonly string[]): void {
    const { uid } = this.options;
    if (uid === undefined) return;
    for (const folder of [this.root, this.pki]) chmodSync(folder, 0o755);
    for (const folder of folders) {
      mkdirSync(dirname(folder), { recursive: true, mode: 0o755 });
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      chownSync(folder, uid, uid);
    }
  }

  #account(): readonly string[] {
    const { uid } = this.options;
    if (uid === undefined) return [];
    return ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", "--no-new-privs", "--bounding-set=-all"];
  }

  /** Starts the master, as whoever watches over a service does: anew each time it dies before it is ready. */
  async restartMaster(): Promise<Proc> {
    for (;;) {
      await this.master?.exit;
      const master = await this.startMaster(false);
      await readyOrGone(master, "msalt-master ready");
      if (master.alive) return master;
    }
  }

  /** As `restartMaster`; `started` is told of each attempt. */
  async restartMinion(id: string, started: (minion: Proc) => void = () => undefined): Promise<void> {
    for (;;) {
      await this.minion(id).exit;
      const minion = await this.startMinion(id, false);
      started(minion);
      await readyOrGone(minion, "msalt-minion ready");
      if (minion.alive) return;
    }
  }

  configure(root: string, file: string, text: string): void {
    mkdirSync(join(root, "etc/msalt"), { recursive: true, mode: 0o755 });
    writeFileSync(join(root, "etc/msalt", file), text, { mode: 0o644 });
  }

  track(proc: Proc): Proc {
    this.#all.push(proc);
    return proc;
  }

  minion(id: string): Proc {
    const found = this.minions.get(id);
    if (found === undefined) throw new Error(`no minion ${id}`);
    return found;
  }

  spawn(tool: string, ...args: string[]): Proc {
    return this.track(new Proc(tool, ["--root-dir", this.masterRoot, ...args]));
  }

  msalt(...args: string[]): Promise<Result> {
    return this.spawn("msalt", ...args).exit;
  }

  /** What a tool writes when it runs on a terminal. */
  async onTerminal(tool: string, ...args: string[]): Promise<string> {
    const words = [process.execPath, join(dist, `${tool}.js`), "--root-dir", this.masterRoot, ...args];
    const command = words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
    const child = spawn("script", ["-qec", `stty cols 100; ${command}`, "/dev/null"], {
      env: { ...process.env, TERM: "xterm" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let text = "";
    child.stdout.on("data", (data: Buffer) => (text += data.toString()));
    await new Promise((resolve) => child.once("close", resolve));
    return text;
  }

  run(...args: string[]): Promise<Result> {
    return this.spawn("msalt-run", ...args).exit;
  }

  key(...args: string[]): Promise<Result> {
    return this.spawn("msalt-key", ...args).exit;
  }

  /** Submits with --async and gives the jid. */
  async submit(...args: string[]): Promise<string> {
    const { stdout, stderr } = await this.msalt("--async", ...args);
    const jid = /job ID: (\d{20})/.exec(stdout)?.[1];
    if (jid === undefined) throw new Error(`no jid: ${stdout}${stderr}`);
    return jid;
  }

  /** What `jobs.lookup` shows of a job, by minion. */
  async lookup(jid: string): Promise<Record<string, unknown>> {
    const { stdout, stderr } = await this.run("jobs.lookup", jid, "--out=json");
    if (stdout === "") throw new Error(stderr);
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  /** Waits until a job runs on so many minions. */
  async runs(jid: string, count = 1): Promise<void> {
    const running = async (): Promise<number> =>
      Object.values(await this.lookup(jid)).filter((said) => String(said).includes("[running]")).length;
    await until(`${jid} runs on ${count}`, async () => (await running()) === count);
  }

  /** Waits until these minions (default: all) are connected. */
  async connected(ids: readonly string[] = [...this.minions.keys()]): Promise<void> {
    await until(
      `${ids.join(", ")} connected`,
      async () => {
        const { stdout } = await this.run("manage.up", "--out=json");
        const up = stdout === "" ? [] : (JSON.parse(stdout) as string[]);
        return ids.every((id) => up.includes(id));
      },
      60_000,
    );
  }

  /** Pids of the master's processes of one kind. */
  pidsOf(role: "api" | "controller" | "publisher" | "reqserver" | "worker"): number[] {
    return childrenOf(this.master?.pid ?? 0).filter((pid) => commandOf(pid).includes(`master-${role}.js`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const minion of this.minions.values()) if (minion.alive) minion.child.kill("SIGKILL");
    if (this.master?.alive === true) this.master.child.kill("SIGTERM");
    const force = setTimeout(() => this.master?.child.kill("SIGKILL"), 12_000);
    await Promise.all(this.#all.map((proc) => (proc.alive && proc !== this.master ? proc.stop("SIGKILL") : proc.exit)));
    clearTimeout(force);
    if (process.env["MSALT_TEST_LOGS"] !== undefined) {
      for (const { pid, stdout, stderr } of this.#all) process.stderr.write(`--- ${pid}\n${stdout}${stderr}`);
    }
    // What a minion that was killed has left running may still write there.
    rmSync(this.root, { recursive: true, force: true, maxRetries: 20 });
    rmSync(this.pki, { recursive: true, force: true });
  }
}
