/**
 * An execution module is a file of declarations (DESIGN §7). From one declaration come argument checking on the minion,
 * `sys.doc`, `sys.argspec` and the typing of words. The order of `params` is the order of positional arguments.
 */
import type * as z from "zod";
import type { Jid, MinionId } from "../wire/ids.ts";
import type { Load, RunState } from "../wire/loads.ts";

export interface CommandSpec {
  /** Program and arguments, run without a shell of our own. */
  readonly argv: readonly [string, ...string[]];
  /** Default: home of the user that it runs as, or `/`. */
  readonly cwd?: string;
  /** Laid over the minion's own environment, or all there is with `cleanEnv`. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cleanEnv?: boolean;
  readonly stdin?: string;
  /** User name; its uid, gid and no supplementary groups. */
  readonly runas?: string;
  readonly timeoutMs?: number;
  /** Octal digits. */
  readonly umask?: string;
  /** Standard error goes into `stdout`, in the order in which it was written. */
  readonly merge?: boolean;
  /** Do not wait: the command goes on by itself when the function has returned. */
  readonly background?: boolean;
}

export interface CommandResult {
  readonly pid: number;
  /** Exit status; 128 + signal for a command that a signal ended. */
  readonly retcode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** That ended it. */
  readonly signal: NodeJS.Signals | undefined;
  readonly timedOut: boolean;
  /** Processes of its group that outlived KILL; looked for only when the group was told to end. */
  readonly survivors: readonly number[];
  /** From the first signal to the end, ms; 0 when it was not told to end. */
  readonly waitMs: number;
  /** Output over the cap was cut; the text says so at its end. */
  readonly cut: boolean;
}

/** A job that runs on this minion now, with Salt's field names. */
export interface RunningJob {
  readonly jid: Jid;
  readonly fun: string;
  readonly arg: readonly unknown[];
  readonly tgt: string;
  readonly tgt_type: string;
  readonly user: string;
  /** Of its first live process; the minion's own when it has none. */
  readonly pid: number;
}

/** The order that a function runs under. */
export interface JobInfo {
  readonly jid: Jid;
  readonly fun: string;
  readonly arg: readonly unknown[];
  readonly tgt: string;
  readonly tgt_type: string;
  readonly user: string;
}

export interface FileFacts {
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
  readonly sha256: Uint8Array;
}

/**
 * Files of the master, under their `salt://` paths without that prefix. Every method @throws MsaltError
 * `ERR_MASTER_UNREACHABLE` when no answer came for a minute.
 */
export interface MasterFiles {
  stat(path: string): Promise<FileFacts | undefined>;
  /** A part from `offset` on; empty at the end. */
  read(path: string, offset: number): Promise<Uint8Array | undefined>;
  /** A page of the names below a folder, those after `after`. */
  list(path: string, after: string): Promise<{ files: string[]; more: boolean }>;
  /** Sends a file of this minion. @throws MsaltError `ERR_NOT_ALLOWED` when the master takes none. */
  push(path: string): Promise<void>;
}

/** What this minion and others keep on the master for each other. */
export interface Mine {
  /** First `clear`, then `remove`, then `set`. @throws MsaltError `ERR_NOT_ALLOWED` for more than the master keeps. */
  change(change: {
    readonly clear?: boolean;
    readonly remove?: readonly string[];
    readonly set?: Readonly<Record<string, unknown>>;
  }): Promise<void>;
  /** By minion id, then by name. */
  get(
    tgt: string,
    tgtType: Load<"mine.get">["tgt_type"],
    names: readonly string[],
  ): Promise<Readonly<Record<string, Readonly<Record<string, unknown>>>>>;
}

/** Jobs that the minion runs by itself, with Salt's field names. Every change is durable when it is made. */
export interface Schedule {
  /** False: none of them runs. */
  readonly enabled: boolean;
  jobs(): ReadonlyMap<string, Readonly<Record<string, unknown>>>;
  /** @throws MsaltError `ERR_FUNCTION_ARGS` for what is no job that can run here. */
  check(name: string, job: Readonly<Record<string, unknown>>): void;
  /** Adds or replaces. @throws MsaltError as `check`. */
  put(name: string, job: Readonly<Record<string, unknown>>): Promise<void>;
  remove(names: readonly string[]): Promise<void>;
  /** Turns one job on or off; without a name, all of them. */
  enable(on: boolean, name?: string): Promise<void>;
  /** Begins a run now, unless as many go on as may. */
  run(name: string): void;
  /** Undefined for a job that will not run. */
  nextTime(name: string): Date | undefined;
}

/** What a function may touch of its minion. */
export interface Host {
  readonly id: MinionId;
  readonly job: JobInfo;
  readonly grains: Readonly<Record<string, unknown>>;
  /** As it came last, or `{_errors: […]}` when the master could not put it together. */
  readonly pillar: Readonly<Record<string, unknown>>;
  /** The minion's configuration under its file names, defaults included, secrets left out. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly functions: ReadonlyMap<string, AnyFunction>;
  readonly files: MasterFiles;
  readonly mine: Mine;
  /** Runs a function on other minions; answers by id. @throws MsaltError `ERR_NOT_ALLOWED` when the master's rules do not allow it. */
  publish(call: Omit<Load<"peer.publish">, "cmd">): Promise<Readonly<Record<string, unknown>>>;
  /** Aborts when the job is killed or its time is up (then the reason is `timeout`); `command` heeds it by itself. */
  readonly signal: AbortSignal;
  /** @throws MsaltError `ERR_COMMAND` when it cannot start; the text never shows an environment. */
  command(spec: CommandSpec): Promise<CommandResult>;
  /** Jobs that run now, but for the asking one. */
  running(): readonly RunningJob[];
  /** Sends a signal to the process groups of a running job; the pids it went to. */
  signalJob(jid: Jid, signal: NodeJS.Signals): readonly number[];
  /** Fires an event on the master under `salt/minion/<id>/`. */
  fire(tag: string, data: Readonly<Record<string, unknown>>): Promise<void>;
  /** Writes custom grains durably, then reports them to the master; `undefined` takes one away. */
  setGrains(change: Readonly<Record<string, unknown>>): Promise<void>;
  /** Fetches the operator's own modules from the master and loads them. */
  syncModules(): Promise<{ readonly changed: string[]; readonly problems: readonly string[] }>;
  /** What the pillar is on the master now. */
  fetchPillar(): Promise<Readonly<Record<string, unknown>>>;
  /** Fetches the pillar and keeps it: functions that begin later have it. */
  refreshPillar(): Promise<void>;
  readonly schedule: Schedule;
}

/** A value with its own verdict, for functions whose value alone does not say whether they succeeded. */
export class Outcome {
  readonly value: unknown;
  readonly retcode: number;
  readonly state: RunState | undefined;

  constructor(value: unknown, retcode: number, state?: RunState) {
    this.value = value;
    this.retcode = retcode;
    this.state = state;
  }
}

export interface ExecutionFunction<P extends z.ZodObject> {
  /** `module.function`. */
  readonly name: string;
  /** One sentence, imperative; the first line of `sys.doc`. */
  readonly summary: string;
  /** Command lines that show its use, below the summary in `sys.doc`. */
  readonly examples?: readonly string[];
  readonly params: P;
  /** This parameter, an array, takes all positional values that are left (`*args`). */
  readonly rest?: keyof z.infer<P> & string;
  /** This parameter, a record, takes all keywords that no other takes (`**kwargs`). */
  readonly keywords?: keyof z.infer<P> & string;
  /** `none`: may run twice without harm, so the ledger is skipped (P2, W14). */
  readonly effects: "none" | "some";
  /** Outputter for the value, where not the caller's default. */
  readonly out?: string;
  readonly run: (args: z.infer<P>, host: Host) => Promise<unknown>;
}

/** A declaration whose parameters are checked by its own schema only. */
export type AnyFunction = Omit<ExecutionFunction<z.ZodObject>, "run"> & {
  readonly run: (args: never, host: Host) => Promise<unknown>;
};

export function declare<P extends z.ZodObject>(declaration: ExecutionFunction<P>): ExecutionFunction<P> {
  return declaration;
}
