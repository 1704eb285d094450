/** Many minions on one machine, to try a master with: real ones, shared out over a few processes. */
import { type ChildProcess, fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { MsaltError } from "../errors.ts";
import { type Fatal, errorOfFatal } from "../lib/child.ts";
import { busyHeap } from "../lib/small-heap.ts";
import type { Log } from "../log/log.ts";
import type { Share } from "./part.ts";
import { fillGrains, idOf } from "./pattern.ts";

export interface SwarmOptions extends Omit<Share, "first" | "end"> {
  readonly minions: number;
  /** Number of the first one. */
  readonly first: number;
  /** Undefined: as many as the machine has cores, fewer for few minions, more where descriptors are short. */
  readonly processes: number | undefined;
  /** For `loadMinionConfig` in each process. */
  readonly settings: PartSettings["settings"];
}

/** What a process of the swarm is told in its environment. */
export interface PartSettings {
  readonly share: Share;
  readonly settings: {
    readonly rootDir?: string | undefined;
    readonly configDir?: string | undefined;
    readonly overrides: Readonly<Record<string, unknown>>;
  };
}

/** What it says: one more minion can take jobs, or why it ends. */
export type FromPart = { readonly ready: true } | { readonly fatal: Fatal };

export const partVariable = "MSALT_SWARM_PART";

/** Two connections, their queues' event descriptors and the monitor's, and the ledger. */
const descriptorsPerMinion = 8;
const descriptorsOfProcess = 100;
const perProcess = 250;
const sayMs = 5000;

/** Resolves when `signal` aborts and all are gone. @throws MsaltError `ERR_USAGE`, `ERR_LIMIT`, or what ended one of the processes. */
export async function runSwarm(
  options: SwarmOptions,
  script: string,
  log: Log,
  onReady: (processes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const { minions, first, idPattern } = options;
  if (minions > 1 && idOf(idPattern, first) === idOf(idPattern, first + 1)) {
    throw new MsaltError("ERR_USAGE", `--id: all minions would be called ${idOf(idPattern, first)}`, {
      hint: "put {n} where the number goes, such as 'web{n}'",
    });
  }
  fillGrains(options.grains, first);
  const shares = sharesOf(options);
  checkDescriptors(Math.max(...shares.map(({ first, end }) => end - first)));
  log.info("starting", { minions, processes: shares.length });
  let ready = 0;
  let isReady = false;
  let failed: MsaltError | undefined;
  const children: ChildProcess[] = [];
  const stop = (): void => children.forEach((child) => child.connected && child.disconnect());
  const parts = shares.map((share) => {
    const settings: PartSettings = { share, settings: options.settings };
    const child = fork(script, [], {
      execArgv: [...busyHeap],
      env: {
        ...process.env,
        UV_THREADPOOL_SIZE: "16",
        MALLOC_ARENA_MAX: "1",
        [partVariable]: JSON.stringify(settings),
      },
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    children.push(child);
    child.on("message", (message: FromPart) => {
      if ("fatal" in message) failed ??= errorOfFatal(message.fatal);
      else ready += 1;
      if (ready < minions || isReady) return;
      isReady = true;
      onReady(shares.length);
    });
    return new Promise<void>((resolve) => {
      child.once("exit", (code, killedBy) => {
        if (!signal.aborted && code !== 0)
          failed ??= new MsaltError(
            "ERR_INTERNAL",
            `a process of the swarm ended: ${killedBy ?? `exit status ${code}`}`,
          );
        stop();
        resolve();
      });
    });
  });
  const say = setInterval(() => !isReady && log.info("waiting for the rest", { connected: ready, of: minions }), sayMs);
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  await Promise.all(parts);
  clearInterval(say);
  if (failed !== undefined) throw failed;
}

function sharesOf({ minions, first, processes, idPattern, grains, behaviour, remakeMs }: SwarmOptions): Share[] {
  const wanted = Math.min(availableParallelism(), Math.ceil(minions / perProcess));
  const count = Math.min(minions, processes ?? Math.max(wanted, Math.ceil(minions / fitting())));
  return Array.from({ length: count }, (_, part) => ({
    first: first + Math.floor((minions * part) / count),
    end: first + Math.floor((minions * (part + 1)) / count),
    idPattern,
    grains,
    behaviour,
    remakeMs,
  }));
}

function descriptorLimit(): number {
  const [, soft = "unlimited"] = /^Max open files\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
  return soft === "unlimited" ? Number.POSITIVE_INFINITY : Number(soft);
}

/** Minions for which one process has descriptors. */
function fitting(): number {
  return Math.max(1, Math.floor((descriptorLimit() - descriptorsOfProcess) / descriptorsPerMinion));
}

/** A process that runs out of descriptors in the middle fails in ways that name nothing. */
function checkDescriptors(minions: number): void {
  if (minions <= fitting()) return;
  const need = minions * descriptorsPerMinion + descriptorsOfProcess;
  throw new MsaltError(
    "ERR_LIMIT",
    `${minions} minions in one process need about ${need} open files, and the limit is ${descriptorLimit()}`,
    { hint: `ulimit -n ${need}, or more --processes with at most ${fitting()} minions each` },
  );
}
