/**
 * Jobs of which each execution leaves a line, and what must be true of them once everything has healed: what was accepted is in
 * the record (I2), ran at most once and nowhere else (I1), and ended as the minions' own ledgers say (I3), in a state that it
 * has had since (I4).
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LocalClient } from "../../src/client/local.ts";
import { MsaltError } from "../../src/errors.ts";
import { isTerminal } from "../../src/job/state.ts";
import type { Target, TargetState } from "../../src/job/types.ts";
import { Ledger } from "../../src/minion/ledger.ts";
import { decode } from "../../src/wire/codec.ts";
import type { Jid } from "../../src/wire/ids.ts";
import type { LocalLoad } from "../../src/wire/local.ts";
import type { Bus } from "./bus.ts";
import { type Proc, until } from "./proc.ts";

type More = Partial<Omit<LocalLoad<"publish">, "fun" | "arg">>;

/** What is known of a job that was handed to the master. */
export interface Marked {
  readonly mark: string;
  /** Undefined: the master went away before it said so, and may have it or not. */
  jid: Jid | undefined;
  readonly ended: Map<string, TargetState>;
}

export class Marks {
  readonly jobs: Marked[] = [];
  readonly #bus: Bus;
  readonly #file: string;
  readonly #client: LocalClient;
  readonly #isEmulated: (id: string) => boolean;
  readonly #pids = new Map<number, string>();
  #count = 0;

  /** @param isEmulated whether a minion only says that it has run something */
  constructor(bus: Bus, client: LocalClient, isEmulated: (id: string) => boolean = () => false) {
    this.#bus = bus;
    this.#client = client;
    this.#isEmulated = isEmulated;
    this.#file = join(bus.root, "ran");
    writeFileSync(this.#file, "");
  }

  /** Lines of this process are lines of this minion. */
  knows(id: string, { pid }: Proc): void {
    this.#pids.set(pid, id);
  }

  /** Has a command run that leaves a line, does `then` and prints its mark. Says nothing of a master that goes away meanwhile. */
  async run(tgt: string, more: More = {}, then = ""): Promise<Marked> {
    this.#count += 1;
    const mark = `job-${this.#count}-`;
    const command = `echo ${mark} $PPID >> ${this.#file}; ${then} echo ${mark}`;
    const job: Marked = { mark, jid: undefined, ended: new Map() };
    this.jobs.push(job);
    const order = { tgt, tgtType: "glob", waitMs: 60_000, ttlMs: 600_000, user: "test", ...more } as const;
    try {
      const { jid } = await this.#client.call("publish", { ...order, fun: "cmd.run", arg: [command] });
      job.jid = jid;
    } catch (failure) {
      if (!(failure instanceof MsaltError) || failure.code !== "ERR_MASTER_UNREACHABLE") throw failure;
    }
    return job;
  }

  /** Targets of a job that have all ended. A job that is not in the record, and whose jid nobody was given, has none. */
  async ended(job: Marked, timeoutMs = 60_000): Promise<readonly Target[]> {
    let targets: readonly Target[] = [];
    await until(
      `the end of ${job.mark}${job.jid ?? ""}`,
      async () => {
        try {
          job.jid ??= await this.#find(job);
          if (job.jid === undefined) return true;
          targets = await this.#targets(job.jid);
        } catch (failure) {
          if (failure instanceof MsaltError && failure.code === "ERR_MASTER_UNREACHABLE") return false;
          throw failure;
        }
        return targets.every(({ state }) => isTerminal(state));
      },
      timeoutMs,
      () => targets.map(({ id, state }) => `${id} ${state}`).join(", "),
    );
    for (const { id, state } of targets) if (!job.ended.has(id)) job.ended.set(id, state);
    return targets;
  }

  /** @param mayBe whether a target that did not succeed may have ended like that */
  async violations(mayBe: (target: Target, job: Marked) => boolean): Promise<string[]> {
    const found: string[] = [];
    const all: [Marked, readonly Target[]][] = [];
    for (const job of this.jobs) all.push([job, await this.ended(job)]);
    const lines = new Map<string, number>();
    for (const { mark, id } of this.#lines()) lines.set(`${mark} ${id}`, (lines.get(`${mark} ${id}`) ?? 0) + 1);
    for (const [job, targets] of all) {
      for (const target of targets) {
        const { id, state, ret } = target;
        const what = `${job.mark} ${job.jid} on ${id} is ${state} (${target.reason ?? ""})`;
        const runs = lines.get(`${job.mark} ${id}`) ?? 0;
        lines.delete(`${job.mark} ${id}`);
        if (runs > 1) found.push(`${what}, ran ${runs} times`);
        const before = job.ended.get(id);
        if (before !== undefined && before !== state && target.late !== true) found.push(`${what}, was ${before}`);
        if (state === "succeeded" && this.#isEmulated(id)) {
          if (ret === undefined || !String(decode(ret)).includes(`on ${id}`))
            found.push(`${what}, says something else`);
        } else if (state === "succeeded") {
          if (runs !== 1) found.push(`${what}, ran ${runs} times`);
          const said = ret === undefined ? undefined : decode(ret);
          if (said !== job.mark) found.push(`${what}, says ${JSON.stringify(said)}`);
        } else if (!mayBe(target, job)) found.push(`${what}, ran ${runs} times`);
        else if (runs > 0 && (state === "skipped" || state === "expired")) found.push(`${what}, and ran`);
      }
    }
    for (const line of lines.keys()) found.push(`${line} ran, and is in no record`);
    return found;
  }

  /** Compares what these minions have written down with the record; they must have been stopped. */
  async ledgerViolations(ids: readonly string[]): Promise<string[]> {
    const found: string[] = [];
    for (const id of ids) {
      const ledger = await Ledger.open(join(this.#bus.minionRoot(id), "var/lib/msalt/minion/ledger"), {
        now: Date.now,
      });
      for (const { jid, mark } of this.jobs) {
        const target = jid === undefined ? undefined : (await this.#targets(jid)).find((each) => each.id === id);
        if (jid === undefined || target === undefined) continue;
        const own = await ledger.result(jid);
        const stored = `${target.state} ${target.retcode}`;
        if (own === undefined && target.retcode !== undefined)
          found.push(`${mark} on ${id}: ${stored}, not in its ledger`);
        if (own !== undefined && `${own.state} ${own.retcode}` !== stored)
          found.push(`${mark} on ${id}: ${stored} in the record, ${own.state} in its ledger`);
        if (own !== undefined && !Buffer.from(own.ret).equals(target.ret ?? Buffer.alloc(0)))
          found.push(`${mark} on ${id}: another result in its ledger`);
      }
      if (ledger.outbox().length > 0) found.push(`${id} has ${ledger.outbox().length} results that nobody took`);
      await ledger.close();
    }
    return found;
  }

  async #targets(jid: Jid): Promise<readonly Target[]> {
    const { targets } = await this.#client.call("job.record", { jid });
    const returns = new Map<string, Target>();
    for (let after: number | undefined; ;) {
      const page = await this.#client.call("job.returns", { jid, ...(after !== undefined && { after }) });
      for (const target of page.targets) returns.set(target.id, target);
      after = page.next;
      if (after === undefined) break;
    }
    return targets.map((target) => ({ ...target, ...returns.get(target.id) }));
  }

  async #find({ mark }: Marked): Promise<Jid | undefined> {
    for (let before: Jid | undefined; ;) {
      const { jobs } = await this.#client.call("job.list", { limit: 1000, ...(before !== undefined && { before }) });
      const found = jobs.find(({ job }) => String(job.arg[0]).includes(`echo ${mark} `));
      before = jobs.at(-1)?.job.jid;
      if (found !== undefined || before === undefined) return found?.job.jid;
    }
  }

  #lines(): { mark: string; id: string }[] {
    const text = readFileSync(this.#file, "utf8").trim();
    return (text === "" ? [] : text.split("\n")).map((line) => {
      const [mark = "", pid = ""] = line.split(" ");
      return { mark, id: this.#pids.get(Number(pid)) ?? `pid ${pid}` };
    });
  }
}
