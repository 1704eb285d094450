/** One Salt master on loopback with a folder, ports and keys of its own, default configuration otherwise. */
import type { ChildProcess } from "node:child_process";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Install } from "./install.ts";
import { Helper, cpuMs, kill, pidsOf, startDaemon, until } from "./processes.ts";

/** What one whole process cost. */
export interface Cost {
  readonly wallMs: number;
  readonly cpuMs: number;
}

export interface Ran extends Cost {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Settings of masters and minions alike. */
export function settings(folder: string, more: Readonly<Record<string, string | number | boolean>>): string {
  const all = {
    root_dir: folder,
    pki_dir: join(folder, "pki"),
    sock_dir: join(folder, "s"),
    user: userInfo().username,
    log_level: "warning",
    log_level_logfile: "warning",
    ...more,
  };
  return Object.entries(all)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join("");
}

export class Master {
  readonly folder: string;
  readonly #install: Install;
  #child: ChildProcess | undefined;
  #ports: { readonly publish: number; readonly request: number } | undefined;

  constructor(install: Install, folder: string) {
    this.#install = install;
    this.folder = folder;
  }

  get ports(): { readonly publish: number; readonly request: number } {
    if (this.#ports === undefined) throw new Error("the Salt master has not been started");
    return this.#ports;
  }

  /** Resolves when both ports listen. A second start keeps ports and keys. */
  async start(): Promise<void> {
    if (this.#ports === undefined) {
      const [publish = 0, request = 0] = await freePorts(2);
      this.#ports = { publish, request };
      mkdirSync(this.folder, { recursive: true });
      writeFileSync(
        join(this.folder, "master"),
        settings(this.folder, { interface: "127.0.0.1", publish_port: publish, ret_port: request, auto_accept: true }),
      );
    }
    const log = join(this.folder, "output.log");
    const child = startDaemon(join(this.#install.bin, "salt-master"), ["-c", this.folder], log);
    this.#child = child;
    const { publish, request } = this.ports;
    await until(
      `salt-master to listen, see ${log}`,
      async () => {
        if (child.exitCode !== null) throw new Error(`salt-master ended with ${child.exitCode}`);
        return (await listens(publish)) && (await listens(request));
      },
      60_000,
    );
  }

  /** As a service manager would: SIGTERM, and what is left after 20 s is killed. */
  async stop(): Promise<void> {
    this.#child?.kill("SIGTERM");
    const gone = (): boolean => pidsOf("salt-master", this.folder).length === 0;
    await until("salt-master to stop", gone, 20_000).catch(() => kill(pidsOf("salt-master", this.folder), "SIGKILL"));
  }

  /** CPU ms of all its processes until now. */
  cpuMs(): number {
    return cpuMs(pidsOf("salt-master", this.folder));
  }

  /** Runs `salt` to its end. */
  async salt(...args: readonly string[]): Promise<Ran> {
    const command = [join(this.#install.bin, "salt"), "-c", this.folder, ...args];
    const helper = this.helper("cost", ...command);
    return JSON.parse(await helper.line(600_000)) as Ran;
  }

  /** Starts a program of this folder. */
  helper(name: string, ...args: readonly (string | number)[]): Helper {
    const { bin, programs } = this.#install;
    return new Helper(join(bin, "python"), [join(programs, `${name}.py`), ...args.map(String)], `${name}.py`);
  }

  /** Publishes test.ping to `minion` from several processes at once, until each has sent `mostEach` or `seconds` are over. */
  async publish(
    minion: string,
    limits: { readonly clients: number; readonly mostEach: number; readonly seconds: number },
  ): Promise<{ sent: number; seconds: number }> {
    const helpers = Array.from({ length: limits.clients }, () =>
      this.helper("jobs", "-c", this.folder, minion, limits.mostEach, limits.seconds),
    );
    for (const helper of helpers) await helper.line();
    for (const helper of helpers) helper.go();
    const said = await Promise.all(helpers.map((helper) => helper.line((limits.seconds + 60) * 1000)));
    const each = said.map((line) => JSON.parse(line) as { sent: number; refused: number; seconds: number });
    const refused = each.reduce((sum, { refused }) => sum + refused, 0);
    if (refused > 0) throw new Error(`the Salt master refused ${refused} jobs for ${minion}`);
    return {
      sent: each.reduce((sum, { sent }) => sum + sent, 0),
      seconds: Math.max(...each.map(({ seconds }) => seconds)),
    };
  }

  /** Returns in the job cache of those minions whose id begins with `prefix`. */
  stored(prefix: string): number {
    const jobs = join(this.folder, "var/cache/salt/master/jobs");
    return readdirSync(jobs, { recursive: true, encoding: "utf8" }).filter((file) => {
      const [, , minion, name] = file.split("/");
      return name === "return.p" && minion?.startsWith(prefix);
    }).length;
  }

  /** Ends it and removes its folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    kill(pidsOf("salt-master", this.folder), "SIGKILL");
    await sleep(100);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  const ports: number[] = [];
  for (const server of servers) {
    if (!server.listening) await new Promise((resolve) => server.once("listening", resolve));
    const address = server.address();
    if (typeof address === "object" && address !== null) ports.push(address.port);
  }
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  return new Promise<boolean>((resolve) => {
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
  }).finally(() => socket.destroy());
}
