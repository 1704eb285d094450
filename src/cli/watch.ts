/** Waits for a job on behalf of a terminal: prints what comes, says what did not, and gives the exit code (P5, P8). */
import { type Followed, type Return, followJob } from "../client/follow.ts";
import type { LocalClient } from "../client/local.ts";
import { followOutput } from "../client/output.ts";
import type { MasterConfig } from "../config/master.ts";
import { exitOf } from "../job/exit.ts";
import { countsOf, statusText } from "../job/progress.ts";
import type { Job, Target } from "../job/types.ts";
import {
  awayText,
  ctrlCText,
  missingText,
  noLiveText,
  noReturnText,
  skippedText,
  summaryText,
  verdictText,
} from "../output/job.ts";
import type { Jid, MinionId } from "../wire/ids.ts";
import type { TargetView } from "../wire/local.ts";
import { LiveLines } from "./live-lines.ts";
import { type PrintOptions, Printer, type Terminal } from "./print.ts";
import { StatusLine } from "./status-line.ts";
import { exits } from "./tool.ts";

export interface WatchFlags {
  readonly verbose?: boolean;
  readonly hideTimeout?: boolean;
  readonly summary?: boolean;
  readonly progress?: boolean;
  readonly follow?: boolean;
}

/** A return waits so long for the rest of its live output. */
const lastWordsMs = 3000;

export class JobWatch {
  readonly #flags: WatchFlags;
  readonly #config: MasterConfig;
  readonly #terminal: Terminal;
  readonly #status: StatusLine | undefined;
  readonly #printer: Printer;
  readonly #live: LiveLines;
  readonly #failures: string[] = [];
  /** Answers that wait for the rest of their live output, and what lets them go. */
  readonly #held = new Map<MinionId, { readonly answer: Return; readonly timer: NodeJS.Timeout }>();
  /** Minions whose live output has ended; true where all of it was shown. */
  readonly #shown = new Map<MinionId, boolean>();
  #targets: ReadonlyMap<MinionId, Target> = new Map();
  #returned = 0;
  #follows = false;

  constructor(flags: WatchFlags, config: MasterConfig, color: boolean, print: PrintOptions) {
    const started = performance.now();
    const plain: Terminal = {
      color,
      out: print.write,
      err: (text) => void process.stderr.write(text),
    };
    const tty = process.stderr.isTTY && (process.stdout.isTTY || flags.progress === true);
    this.#status =
      tty && process.env["TERM"] !== "dumb"
        ? new StatusLine(
            plain,
            () => process.stderr.columns,
            () => statusText(countsOf(this.#targets.values()), performance.now() - started) + this.#printer.progress,
          )
        : undefined;
    this.#flags = flags;
    this.#config = config;
    this.#terminal = this.#status ?? plain;
    this.#printer = new Printer(print, this.#terminal);
    this.#live = new LiveLines(color);
  }

  async run(client: LocalClient, jid: Jid, waitMs: number): Promise<number> {
    const stopped = new AbortController();
    this.#follows = this.#flags.follow === true && !client.isDeaf;
    if (this.#flags.follow === true && client.isDeaf) this.#terminal.err(noLiveText);
    const output = this.#follows ? this.#showOutput(client, jid, stopped.signal) : undefined;
    const following = followJob(client, jid, waitMs, {
      onReturn: (answer) => this.#onReturn(answer),
      onAway: (target, job) => this.#onAway(target, job),
      onTargets: (targets) => (this.#targets = targets),
    });
    try {
      const followed = await Promise.race([following, this.#watchSignals(jid)]);
      this.#status?.close();
      if (typeof followed === "number") {
        this.#releaseAll();
        this.#printer.end();
        return followed;
      }
      if (this.#held.size > 0) await Promise.race([output, this.#lastWords()]);
      this.#releaseAll();
      this.#report(followed);
      this.#printer.end();
      if (this.#flags.summary ?? this.#config.cliSummary) this.#summary(followed);
      return this.#exitCode(followed);
    } finally {
      stopped.abort();
      this.#status?.close();
    }
  }

  #onReturn(answer: Return): void {
    const { id, target } = answer;
    this.#returned += 1;
    if (target.success !== true || target.retcode !== 0) this.#failures.push(id);
    if (!this.#follows || this.#shown.has(id)) return this.#print(answer);
    this.#held.set(id, { answer, timer: setTimeout(() => this.#release(id), lastWordsMs).unref() });
  }

  #print({ id, target, value }: Return): void {
    this.#terminalLines(this.#live.end(id));
    // What was all seen live is not shown again, but for documents.
    if (this.#shown.get(id) === true && !this.#printer.collects) this.#terminal.err(`${id}: ${verdictText(target)}\n`);
    else this.#printer.add(id, value, target.success !== true || target.retcode !== 0);
  }

  #release(id: MinionId): void {
    const held = this.#held.get(id);
    this.#held.delete(id);
    if (held === undefined) return;
    clearTimeout(held.timer);
    this.#print(held.answer);
  }

  #releaseAll(): void {
    for (const id of this.#held.keys()) this.#release(id);
  }

  #onAway(target: TargetView, job: Job): void {
    if (this.#hidesMissing) return;
    this.#printer.add(target.id, awayText(target, job), true, "for now");
  }

  get #hidesMissing(): boolean {
    return this.#flags.hideTimeout ?? !this.#config.showTimeout;
  }

  async #showOutput(client: LocalClient, jid: Jid, signal: AbortSignal): Promise<void> {
    try {
      const { targets } = await client.call("job.record", { jid });
      await followOutput(
        client,
        jid,
        targets.map(({ id }) => id),
        {
          onPart: async (id, data) => this.#terminalLines(this.#live.add(id, data)),
          onEnd: (id, complete) => {
            this.#shown.set(id, complete);
            this.#terminalLines(this.#live.end(id));
            this.#release(id);
          },
        },
        signal,
      );
    } catch {
      // The master went away; what the record has is shown all the same.
    }
  }

  /** Live lines are data, unless a document is what is asked for. */
  #terminalLines(lines: string): void {
    if (lines === "") return;
    if (this.#printer.collects) this.#terminal.err(lines);
    else this.#terminal.out(lines);
  }

  #lastWords(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, lastWordsMs));
  }

  #report({ record, missing }: Followed): void {
    const { job, stop } = record;
    if (!this.#hidesMissing) {
      for (const target of missing) {
        if (target.state === "skipped" && !this.#printer.collects) continue;
        this.#printer.add(target.id, missingText(target, job), true);
      }
      for (const id of job.missing) {
        this.#printer.add(
          id,
          noReturnText(job.jid, "no response", "No minion of this name has an accepted key."),
          true,
        );
      }
    }
    if (stop !== undefined) this.#terminal.err(`Job ${job.jid} was stopped: ${stop.reason}\n`);
    const skipped = record.targets.filter(({ state }) => state === "skipped").map(({ id }) => id);
    if (skipped.length > 0) this.#terminal.err(skippedText(skipped));
  }

  #summary({ record, missing }: Followed): void {
    const unconnected = missing.filter(({ link }) => link?.connected !== true).map(({ id }) => id);
    const silent = missing.filter(({ link }) => link?.connected === true).map(({ id }) => id);
    const { job, targets } = record;
    this.#terminal.err(
      summaryText({
        targeted: job.minions.length + job.missing.length,
        returned: this.#returned,
        missing: missing.length + job.missing.length,
        errors: this.#failures.length,
        counts: countsOf(targets),
        ...(this.#flags.verbose === true && {
          notConnected: unconnected,
          notResponding: [...silent, ...job.missing],
          failures: this.#failures,
        }),
      }),
    );
  }

  /** From the record alone, not from what was printed (P8). */
  #exitCode({ record }: Followed): number {
    const code = exitOf(record.job, record.targets);
    if (code === exits.nothing) this.#terminal.err("ERROR: No return received\n");
    if (code === exits.someFailed) this.#terminal.err("ERROR: Minions returned with non-zero exit code\n");
    return code;
  }

  /** Resolves with the exit code when the user, a closed terminal or a closed pipe ends the waiting. The job goes on. */
  #watchSignals(jid: Jid): Promise<number> {
    return new Promise((resolve) => {
      const stop = (code: number): void => {
        this.#status?.close();
        this.#terminal.err(`\n${ctrlCText(jid)}\n`);
        resolve(code);
      };
      process.once("SIGINT", () => stop(exits.interrupted));
      process.once("SIGTERM", () => stop(143));
      process.once("SIGHUP", () => stop(129));
      process.stdout.once("error", () => stop(exits.someFailed));
      process.stderr.once("error", () => resolve(exits.someFailed));
    });
  }
}
