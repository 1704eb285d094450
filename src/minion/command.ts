/**
 * Runs the commands of execution modules. Each gets a process group of its own, so that a deadline or a kill reaches
 * everything it started; what it prints comes through real pipes (see pipes.ts), kept up to a cap and drained beyond it.
 */
import { type ChildProcess, spawn, type StdioOptions } from "node:child_process";
import { closeSync } from "node:fs";
import { Socket } from "node:net";
import { constants } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { MsaltError } from "../errors.ts";
import type { CommandResult, CommandSpec } from "../modules/declare.ts";
import type { Jid } from "../wire/ids.ts";
import { limits } from "../wire/limits.ts";
import type { KillReport } from "../wire/loads.ts";
import { type Ending, endGroup, signalGroup } from "./group.ts";
import { type Launch, launchOf } from "./launch.ts";
import { OutputLog, type Source } from "./output-log.ts";
import { inputFile, type Owner, type Pipe, PipePool } from "./pipes.ts";

export interface CommandLimits {
  /** Captured output, both streams together, as UTF-8. */
  readonly maxOutputBytes: number;
  /** From TERM to KILL. */
  readonly killAfterMs: number;
  /** How long to wait, after the command ended, for pipes that something it left behind holds open. */
  readonly drainMs: number;
}

/** The rest of a result: field names, what modules add to the text. */
const roomBytes = 65_536;
const drainSlices = 10;
const defaults: CommandLimits = { maxOutputBytes: limits.resultBytes - roomBytes, killAfterMs: 2000, drainMs: 1000 };

interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

interface Started {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly exited: Promise<Exit>;
}

export class CommandRunner {
  readonly #limits: CommandLimits;
  readonly #pipes = new PipePool();
  readonly #groups = new Map<Jid, Set<number>>();
  readonly #logs = new Map<Jid, OutputLog>();
  readonly #kills = new Map<Jid, KillReport>();
  readonly #onOutput: (jid: Jid) => void;

  /** @param onOutput told that a job's log has grown */
  constructor(custom: Partial<CommandLimits> = {}, onOutput: (jid: Jid) => void = () => undefined) {
    this.#limits = { ...defaults, ...custom };
    this.#onOutput = onOutput;
  }

  /**
   * Runs one command of job `jid` to its end, which `signal` and `spec.timeoutMs` may bring about: TERM to the group (or the
   * signal that is the reason of the abort), KILL 2 s later. Resolves however it ended.
   * @throws MsaltError `ERR_COMMAND` when it cannot start.
   */
  async run(jid: Jid, spec: CommandSpec, signal: AbortSignal): Promise<CommandResult> {
    const launch = launchOf(spec);
    if (spec.background === true) {
      const { child, pid } = await start(launch, "ignore", signal);
      child.unref();
      const none = { stdout: "", stderr: "", signal: undefined, timedOut: false, survivors: [], waitMs: 0, cut: false };
      return { pid, retcode: 0, ...none };
    }
    const pipes = await this.#takePipes(spec.merge === true ? 1 : 2, launch.user);
    const [out, err] = pipes;
    let stdin: number | undefined;
    let started: Started;
    try {
      if (spec.stdin !== undefined) stdin = await inputFile(spec.stdin, launch.user);
      started = await start(launch, [stdin ?? "ignore", out?.write, (err ?? out)?.write], signal);
    } catch (failure) {
      for (const { read } of pipes) closeSync(read);
      throw failure;
    } finally {
      for (const { write } of pipes) closeSync(write);
      if (stdin !== undefined) closeSync(stdin);
    }
    // Standard error gets a share of its own: what went wrong must not drown in what was printed.
    const errBytes = err === undefined ? 0 : Math.floor(this.#limits.maxOutputBytes / 8);
    const log = this.#logs.get(jid) ?? new OutputLog();
    this.#logs.set(jid, log);
    const grown = (): void => this.#onOutput(jid);
    const stdout = collect(out, log, this.#limits.maxOutputBytes - errBytes, grown);
    const stderr = collect(err, log, errBytes, grown);
    const { exit, timedOut, ending } = await this.#await(started, spec.timeoutMs, jid, signal);
    await drained(Promise.all([stdout.ended, stderr.ended]), this.#limits.drainMs);
    const [printed, errors] = [stdout.finish(), stderr.finish()];
    return {
      pid: started.pid,
      retcode: exit.code ?? 128 + (exit.signal === null ? constants.signals.SIGKILL : constants.signals[exit.signal]),
      stdout: printed.text,
      stderr: errors.text,
      signal: exit.signal ?? undefined,
      timedOut,
      survivors: ending?.survivors ?? [],
      waitMs: ending?.waitMs ?? 0,
      cut: printed.cut || errors.cut,
    };
  }

  /** What the job has printed, until it is forgotten. */
  log(jid: Jid): OutputLog | undefined {
    return this.#logs.get(jid);
  }

  forget(jid: Jid): void {
    this.#logs.delete(jid);
  }

  /** How the commands of this job were ended from outside, all in one; forgotten when taken. */
  takeKill(jid: Jid): KillReport | undefined {
    const report = this.#kills.get(jid);
    this.#kills.delete(jid);
    return report;
  }

  /** Process groups of a job that live now. */
  pids(jid: Jid): readonly number[] {
    return [...(this.#groups.get(jid) ?? [])];
  }

  /** Sends a signal to the process groups of a job; those it reached. */
  signal(jid: Jid, signal: NodeJS.Signals): readonly number[] {
    return this.pids(jid).filter((pid) => signalGroup(pid, signal));
  }

  /** Gives up spare pipes. Commands that run are ended by their own signals, not from here. */
  close(): void {
    this.#pipes.close();
  }

  async #takePipes(count: number, owner: Owner | undefined): Promise<Pipe[]> {
    const pipes: Pipe[] = [];
    try {
      while (pipes.length < count) pipes.push(await this.#pipes.take(owner));
      return pipes;
    } catch (failure) {
      for (const { read, write } of pipes) [read, write].forEach((fd) => closeSync(fd));
      throw failure;
    }
  }

  async #await(
    { pid, exited }: Started,
    timeoutMs: number | undefined,
    jid: Jid,
    signal: AbortSignal,
  ): Promise<{ exit: Exit; timedOut: boolean; ending: Ending | undefined }> {
    const groups = this.#groups.get(jid) ?? new Set();
    this.#groups.set(jid, groups.add(pid));
    let timedOut = false;
    let ending: Promise<Ending> | undefined;
    const exit = await new Promise<Exit>((resolve) => {
      const end = (): void => {
        ending ??= endGroup(pid, firstSignal(signal), this.#limits.killAfterMs);
        // Even KILL does not end a process that hangs in the kernel.
        void ending.then(({ survivors }) => survivors.includes(pid) && resolve({ code: null, signal: null }));
      };
      const expire = (): void => {
        timedOut = ending === undefined;
        end();
      };
      const timer = timeoutMs === undefined ? undefined : setTimeout(expire, timeoutMs);
      signal.addEventListener("abort", end, { once: true });
      if (signal.aborted) end();
      void exited.then((exit) => {
        clearTimeout(timer);
        signal.removeEventListener("abort", end);
        resolve(exit);
      });
    });
    const ended = await ending;
    if (ended !== undefined) this.#report(jid, ended);
    groups.delete(pid);
    if (groups.size === 0) this.#groups.delete(jid);
    return { exit, timedOut, ending: ended };
  }

  #report(jid: Jid, { signal, waitMs, survivors }: Ending): void {
    const before = this.#kills.get(jid);
    this.#kills.set(jid, {
      signal: before?.signal === "SIGKILL" ? before.signal : signal,
      waitMs: Math.max(before?.waitMs ?? 0, waitMs),
      survivors: [...(before?.survivors ?? []), ...survivors].slice(0, 100),
    });
  }
}

/** In slices: when this process has stood still, a timer is over before what was printed meanwhile has been read. */
async function drained(ended: Promise<unknown>, ms: number): Promise<void> {
  const over = ended.then(() => true);
  for (let n = 0; n < drainSlices; n += 1) {
    if (await Promise.race([over, delay(ms / drainSlices, false)])) return;
  }
}

/** What an abort begins with: its reason, where that is a signal. */
function firstSignal({ reason }: AbortSignal): NodeJS.Signals {
  return typeof reason === "string" && reason in constants.signals ? (reason as NodeJS.Signals) : "SIGTERM";
}

async function start(launch: Launch, stdio: StdioOptions, signal: AbortSignal): Promise<Started> {
  if (signal.aborted) throw new MsaltError("ERR_COMMAND", "the job was ended before its command began");
  const { file, args, cwd, env, user } = launch;
  const owner = user === undefined ? {} : { uid: user.uid, gid: user.gid };
  try {
    const child = spawn(file, args, { cwd, env, stdio, detached: true, ...owner });
    const exited = new Promise<Exit>((resolve) => child.once("exit", (code, signal) => resolve({ code, signal })));
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", reject);
    });
    return { child, pid: child.pid ?? 0, exited };
  } catch (cause) {
    // Only the code: Node's own text may quote arguments and environment.
    const { code = "unknown reason" } = cause as { code?: string };
    throw new MsaltError("ERR_COMMAND", `Unable to run command '${file}': ${reasons[code] ?? code}`);
  }
}

const reasons: Readonly<Record<string, string>> = {
  E2BIG: "arguments and environment are too long for the system (E2BIG)",
  EACCES: "permission denied (EACCES)",
  EAGAIN: "too many processes (EAGAIN)",
  EMFILE: "too many open files (EMFILE)",
  ENOENT: "no such program or working directory (ENOENT)",
  ENOMEM: "out of memory (ENOMEM)",
  ERR_INVALID_ARG_VALUE: "an argument or a variable holds a NUL byte",
};

/** Reads a pipe to its end into the log, keeping what fits. No pipe, no text. */
function collect(
  pipe: Pipe | undefined,
  log: OutputLog,
  maxBytes: number,
  grown: () => void,
): { ended: Promise<void>; finish: () => ReturnType<OutputLog["finish"]> } {
  const source: Source = log.source(maxBytes);
  if (pipe === undefined) return { ended: Promise.resolve(), finish: () => log.finish(source) };
  const socket = new Socket({ fd: pipe.read, readable: true, writable: false });
  const add = (chunk: Uint8Array): void => {
    log.add(source, chunk);
    grown();
  };
  socket.on("data", add);
  socket.on("error", () => undefined);
  return {
    ended: new Promise((resolve) => socket.once("close", () => resolve())),
    finish: () => {
      // What the command left behind may go on printing to nobody: a closed pipe would kill it at some later time.
      socket.off("data", add).resume().unref();
      return log.finish(source);
    },
  };
}
