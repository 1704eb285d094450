/**
 * Runs orders: signature → kind → time → ledger → allow-list → START synced → run → END synced → outbox (P2, P3). Nothing of a
 * publication is believed before its signature for this very minion was checked.
 */
import { constants } from "node:os";
import { type Verifier, keyIdOf } from "../crypto/primitives.ts";
import { MsaltError, messageOf } from "../errors.ts";
import { failpoint } from "../lib/failpoint.ts";
import { compileGlob } from "../lib/glob.ts";
import type { Log } from "../log/log.ts";
import type { AnyFunction, Host, JobInfo, RunningJob } from "../modules/declare.ts";
import { type FunctionCall, type FunctionResult, callsOf, refusalOf, runCalls } from "../modules/run.ts";
import { encode } from "../wire/codec.ts";
import { type Jid, type MinionId, nextJid } from "../wire/ids.ts";
import { limits } from "../wire/limits.ts";
import { type Order, type RunOrder, orderSignedBytes, parseOrder } from "../wire/publication.ts";
import type { LocalCall } from "./call-server.ts";
import type { MasterClock } from "./clock.ts";
import type { CommandRunner } from "./command.ts";
import type { Ledger, LedgerResult } from "./ledger.ts";

/** Runs that are shorter do not report their start: their result is there as soon. */
const startReportMs = 200;
const ledgerRetryMs = 2000;
const dayMs = 86_400_000;

export interface ExecutorOptions {
  readonly id: MinionId;
  readonly ownSignKey: Uint8Array;
  readonly verifier: () => Verifier;
  readonly ledger: Ledger;
  readonly clock: MasterClock;
  readonly commands: CommandRunner;
  readonly functions: ReadonlyMap<string, AnyFunction>;
  readonly allowed: readonly string[] | undefined;
  /** So many functions with effects run at once; the others wait their turn. */
  readonly maxJobs: number;
  readonly log: Log;
  /** The minion's side of what functions may touch, without what belongs to one job. */
  readonly host: Omit<Host, "job" | "functions" | "signal" | "command" | "running" | "signalJob">;
  readonly onStart: (jid: Jid) => void;
  /** A result is in the ledger and wants to be sent. */
  readonly onResult: (jid: Jid) => void;
  /** The master wants what this job prints, up to byte `want`. */
  readonly onOutput: (jid: Jid, want: number) => void;
  /** The job is over here: nothing more is printed. */
  readonly onEnd: (jid: Jid) => void;
}

interface Run {
  readonly order: RunOrder;
  readonly abort: AbortController;
  readonly done: Promise<void>;
  /** It runs; until then it waits its turn, and may still be given up. */
  begun: boolean;
}

/** A run outside any order. */
interface OwnRun {
  readonly name: string;
  readonly job: JobInfo;
  readonly abort: AbortController;
  readonly done: Promise<unknown>;
}

export class Executor {
  readonly #options: ExecutorOptions;
  readonly #ownKeyId: Uint8Array;
  readonly #running = new Map<Jid, Run>();
  readonly #own = new Map<Jid, OwnRun>();
  readonly #queue: (() => void)[] = [];
  readonly #isAllowed: (fun: string) => boolean;
  #busy = 0;
  #stopping = false;

  constructor(options: ExecutorOptions) {
    this.#options = options;
    this.#ownKeyId = Buffer.from(keyIdOf(options.ownSignKey), "hex");
    const globs = options.allowed?.map((pattern) => compileGlob(pattern));
    this.#isAllowed = (fun) => globs === undefined || globs.some((matches) => matches(fun));
  }

  /** Takes one order from whichever way it came. */
  take(bytes: Uint8Array, signature: Uint8Array): void {
    const { verifier, clock, ledger, log } = this.#options;
    if (!verifier().verify(orderSignedBytes(bytes, this.#ownKeyId), signature)) {
      log.error("refused an order: it is not signed by the master for this minion");
      return;
    }
    failpoint("order.take");
    const order = this.#parse(bytes);
    if (order === undefined) return;
    if (order.order === "output") return this.#options.onOutput(order.jid, order.want);
    if (order.order === "kill") return this.kill(order.jid, signalNamed(order.signal), order.not_after);
    if (this.#stopping || this.#running.has(order.jid)) return;
    if (clock.now() >= order.not_after) {
      log.info("an order came too late to start", { jid: order.jid });
      return;
    }
    const seen = ledger.seen(order.jid);
    // P2: a duplicate is answered from the ledger.
    if (seen === "done") this.#options.onResult(order.jid);
    if (seen !== "no") return;
    if (order.output !== undefined) this.#options.onOutput(order.jid, order.output);
    const abort = new AbortController();
    this.#running.set(order.jid, {
      order,
      abort,
      begun: false,
      done: this.#run(order, abort).finally(() => this.#running.delete(order.jid)),
    });
  }

  /** An order that this minion does not understand is left out: thrown on, it would end every `sync` that brings it. */
  #parse(bytes: Uint8Array): Order | undefined {
    try {
      return parseOrder(bytes);
    } catch (failure) {
      this.#options.log.error("refused an order of the master that is not understood", { failure: messageOf(failure) });
      return undefined;
    }
  }

  /** True when nothing runs or waits its turn. */
  get idle(): boolean {
    return this.#running.size === 0;
  }

  /** Jids that run here now, not those that wait their turn. */
  jids(): Jid[] {
    return [...this.#running].flatMap(([jid, { begun }]) => (begun ? [jid] : []));
  }

  /**
   * Ends the job if it runs or waits its turn. One that was never here gets a result that says so, and is refused if it comes
   * before `notAfter`; one that has ended keeps its result.
   */
  kill(jid: Jid, signal: NodeJS.Signals, notAfter: number): void {
    const { ledger, log, onResult } = this.#options;
    const run = this.#running.get(jid) ?? this.#own.get(jid);
    if (run !== undefined) return run.abort.abort(signal);
    if (ledger.seen(jid) !== "no") return;
    ledger.end(neverBegan(jid, ""), notAfter).then(
      () => onResult(jid),
      (failure: unknown) => log.error("cannot write a kill to the ledger", { jid, failure: messageOf(failure) }),
    );
  }

  /** Why a function would not be run here with these arguments; undefined when it would. */
  refusal(call: FunctionCall): string | undefined {
    return this.#isAllowed(call.fun) ? refusalOf(this.#options.functions, call) : notAllowed(call.fun);
  }

  /** Runs what somebody on this machine asks for; ends with `signal`, too. */
  here({ fun, arg, words, user }: LocalCall, signal: AbortSignal): Promise<FunctionResult> {
    const abort = new AbortController();
    signal.addEventListener("abort", () => abort.abort("SIGTERM"), { once: true });
    if (signal.aborted) abort.abort("SIGTERM");
    const { functions } = this.#options;
    return this.#outside("msalt-call", callsOf({ fun, arg, words }), { fun, arg, user }, abort, functions);
  }

  /** Runs a function unless `atMost` runs under this name go on: then undefined. */
  async runOwn(name: string, call: FunctionCall, atMost: number): Promise<FunctionResult | undefined> {
    const going = [...this.#own.values()].filter((run) => run.name === name).length;
    if (this.#stopping || going >= atMost) return undefined;
    if (!this.#isAllowed(call.fun)) return { value: notAllowed(call.fun), retcode: 1, success: false, state: "failed" };
    return this.#outside(name, [call], { ...call, user: "schedule" }, new AbortController(), this.#allowed());
  }

  /** A run outside any order, past the ledger. It ends when the minion is stopped. */
  #outside(
    name: string,
    calls: readonly FunctionCall[],
    { fun, arg, user }: Pick<JobInfo, "fun" | "arg" | "user">,
    abort: AbortController,
    functions: ReadonlyMap<string, AnyFunction>,
  ): Promise<FunctionResult> {
    const { id, commands, onEnd } = this.#options;
    const job = { jid: this.#ownJid(), fun, arg, tgt: id, tgt_type: "list", user };
    const done = runCalls(functions, calls, this.#hostOf(job, abort.signal, functions)).finally(() => {
      this.#own.delete(job.jid);
      commands.takeKill(job.jid);
      onEnd(job.jid);
    });
    this.#own.set(job.jid, { name, job, abort, done });
    return done;
  }

  /** What an order may run, itself or through another function (`mine.send`). */
  #allowed(): ReadonlyMap<string, AnyFunction> {
    const { functions, allowed } = this.#options;
    return allowed === undefined ? functions : new Map([...functions].filter(([name]) => this.#isAllowed(name)));
  }

  /** A jid that nothing here has. */
  #ownJid(): Jid {
    const { ledger } = this.#options;
    const isTaken = (jid: Jid): boolean => this.#running.has(jid) || this.#own.has(jid) || ledger.seen(jid) !== "no";
    let jid = nextJid(Date.now() * 1000 + Math.floor(Math.random() * 1000), undefined);
    while (isTaken(jid)) jid = nextJid(0, jid);
    return jid;
  }

  /** Takes no more orders; waits for what runs, then ends it. Resolves when every result is in the ledger. */
  async stop(timeoutMs: number): Promise<void> {
    this.#stopping = true;
    for (const { abort } of this.#own.values()) abort.abort("SIGTERM");
    const all = Promise.all([...this.#running.values(), ...this.#own.values()].map(({ done }) => done));
    const timer = setTimeout(() => {
      for (const { abort } of this.#running.values()) abort.abort("SIGTERM");
    }, timeoutMs);
    await all;
    clearTimeout(timer);
  }

  async #run(order: RunOrder, abort: AbortController): Promise<void> {
    const { jid } = order;
    const counts = callsOf(order).some(({ fun: each }) => this.#options.functions.get(each)?.effects === "some");
    const queued = counts && !callsOf(order).every(({ fun: each }) => each.startsWith("saltutil."));
    if (queued && this.#busy >= this.#options.maxJobs) await new Promise<void>((go) => this.#queue.push(go));
    if (queued) this.#busy += 1;
    if (!(await this.#begin(order, counts, abort.signal))) {
      if (queued) this.#release();
      return;
    }
    const run = this.#running.get(jid);
    if (run !== undefined) run.begun = true;
    const report = setTimeout(() => {
      failpoint("run.report");
      this.#options.onStart(jid);
    }, startReportMs);
    const limit = order.timeout === undefined ? undefined : setTimeout(() => abort.abort("timeout"), order.timeout);
    try {
      failpoint("run.begin");
      const result = await this.#outcome(order, abort.signal);
      failpoint("run.end");
      if (counts) await this.#commit(result);
      else await this.#keep(result, order.not_after);
      this.#options.onResult(jid);
    } finally {
      this.#options.onEnd(jid);
      clearTimeout(report);
      clearTimeout(limit);
      if (queued) this.#release();
    }
  }

  /** True when the job may run now; what does not begin here is the master's to give up, or to order again. */
  async #begin({ jid, fun, not_after: notAfter }: RunOrder, counts: boolean, signal: AbortSignal): Promise<boolean> {
    const { ledger, clock, log, onResult } = this.#options;
    if (signal.aborted) {
      await this.#commit(neverBegan(jid, fun), notAfter);
      onResult(jid);
      return false;
    }
    if (this.#stopping || clock.now() >= notAfter) return false;
    try {
      if (counts) await ledger.start({ jid, fun, notAfter });
      else ledger.remember(jid, notAfter);
      return true;
    } catch (failure) {
      log.error("cannot write the ledger: the job is not started", { jid, failure: messageOf(failure) });
      if (this.#stopping || ledger.seen(jid) !== "no") return false;
      const text = `The job was not started: ${messageOf(failure)}`;
      ledger.keep({ jid, fun, state: "failed", retcode: 1, success: false, ret: encode(text) }, notAfter);
      onResult(jid);
      return false;
    }
  }

  #release(): void {
    this.#busy -= 1;
    this.#queue.shift()?.();
  }

  async #outcome(order: RunOrder, signal: AbortSignal): Promise<LedgerResult> {
    const { jid, fun } = order;
    const calls = callsOf(order);
    const refused = calls.find((call) => !this.#isAllowed(call.fun));
    if (refused !== undefined) {
      return { jid, fun, state: "failed", retcode: 1, success: false, ret: encode(notAllowed(refused.fun)) };
    }
    const functions = this.#allowed();
    const result = await runCalls(functions, calls, this.#hostOf(order, signal, functions));
    const { value, retcode, success, out } = result;
    const state =
      signal.aborted && result.state !== "timed_out"
        ? signal.reason === "timeout"
          ? "timed_out"
          : "killed"
        : result.state;
    const kill = this.#options.commands.takeKill(jid);
    const cut = (state === "killed" || state === "timed_out") && kill !== undefined && { kill };
    const ended = { jid, fun, state, retcode, success: success && state === "succeeded", ...cut };
    try {
      const ret = encode(value);
      if (ret.length <= limits.resultBytes) return { ...ended, ...(out !== undefined && { out }), ret };
      throw new MsaltError("ERR_WIRE_INVALID", `it is ${ret.length} bytes, over the limit of ${limits.resultBytes}`);
    } catch (failure) {
      const text = `The return value of ${fun} cannot be sent: ${messageOf(failure)}`;
      return { jid, fun, state: "failed", retcode: retcode === 0 ? 1 : retcode, success: false, ret: encode(text) };
    }
  }

  /** The run changed nothing: a sync of the disk for its result would cost more than to run it again after a crash. */
  async #keep(result: LedgerResult, notAfter: number): Promise<void> {
    const { ledger } = this.#options;
    if (ledger.hasRoom(result.ret.length)) ledger.keep(result, notAfter);
    else await ledger.end(result).catch(() => ledger.keep(result, notAfter));
  }

  /** The run is over and cannot be repeated: its result waits in memory until the disk takes it. */
  async #commit(result: LedgerResult, notAfter?: number): Promise<void> {
    for (;;) {
      try {
        return await this.#options.ledger.end(result, notAfter);
      } catch (failure) {
        this.#options.log.error("cannot write a result to the ledger, trying again", {
          jid: result.jid,
          failure: messageOf(failure),
        });
        await new Promise((resolve) => setTimeout(resolve, ledgerRetryMs));
      }
    }
  }

  #hostOf(
    { jid, fun, arg, tgt, tgt_type, user }: JobInfo,
    signal: AbortSignal,
    functions: ReadonlyMap<string, AnyFunction>,
  ): Host {
    const { host, commands } = this.#options;
    const job: JobInfo = { jid, fun, arg, tgt, tgt_type, user };
    return {
      ...host,
      job,
      functions,
      signal,
      command: (spec) => commands.run(jid, spec, signal),
      running: () => this.#runningJobs(jid),
      signalJob: (target, name) => {
        const ends = name === "SIGKILL" || name === "SIGTERM";
        const pids = ends ? commands.pids(target) : commands.signal(target, name);
        const run = this.#running.get(target) ?? this.#own.get(target);
        // A function without processes heeds its abort signal; one with processes ends when they do.
        if (ends || pids.length === 0) this.kill(target, name, this.#options.clock.now() + dayMs);
        if (run === undefined) return [];
        return pids.length === 0 ? [process.pid] : pids;
      },
    };
  }

  #runningJobs(but: Jid): RunningJob[] {
    const { commands } = this.#options;
    const jobs = [
      ...[...this.#running.values()].map(({ order }) => order),
      ...[...this.#own.values()].map(({ job }) => job),
    ];
    return jobs.flatMap(({ jid, fun, arg, tgt, tgt_type, user }) =>
      jid === but ? [] : [{ jid, fun, arg, tgt, tgt_type, user, pid: commands.pids(jid)[0] ?? process.pid }],
    );
  }
}

function notAllowed(fun: string): string {
  return `'${fun}' is not allowed on this minion (allowed_functions in its configuration)`;
}

/** What is said of a job that was killed before it began. */
function neverBegan(jid: Jid, fun: string): LedgerResult {
  return { jid, fun, state: "killed", retcode: 1, success: false, ret: encode("killed before it began") };
}

function signalNamed(number: number): NodeJS.Signals {
  const name = Object.entries(constants.signals).find(([, each]) => each === number)?.[0];
  return (name ?? "SIGTERM") as NodeJS.Signals;
}
