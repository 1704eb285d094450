/**
 * The events of one job as a stream. The record is read first, then the event bus goes on behind it; a gap in the numbers, or
 * a quiet while, is answered by reading the record again (P8). An event's id is `<bus>.<number>.<time>`: whoever comes again
 * with it hears of what the record has moved since, a little of it twice rather than any of it never.
 */
import { storedTargets } from "../client/follow.ts";
import { MsaltError } from "../errors.ts";
import { hasResult, isTerminal } from "../job/state.ts";
import type { Target } from "../job/types.ts";
import type { Jid, MinionId } from "../wire/ids.ts";
import { type BusEvent, trimmedValue } from "../wire/local.ts";
import { tags } from "../wire/tags.ts";
import type { ApiContext } from "./context.ts";
import { iso } from "./fields.ts";
import { countedOf, targetOf, valueOf } from "./job-view.ts";
import { failureOf } from "./status.ts";
import type { Stream } from "./streams.ts";

export interface Wanted {
  readonly jid: Jid;
  readonly returns: boolean;
  /** `Last-Event-ID`. */
  readonly last: string | undefined;
}

/** What is decided at a time may be written, and heard of, so much later. */
const slackMs = 10_000;
const quietMs = 3000;
/** Each may be large. */
const returnsPage = 8;

export async function followJob(context: ApiContext, stream: Stream, wanted: Wanted): Promise<void> {
  try {
    await new Follower(context, stream, wanted).run();
  } catch (failure) {
    const { body } = failureOf(failure);
    if (!(failure instanceof MsaltError)) context.log.error("a stream failed", { failure: String(failure) });
    stream.send("error", body.error);
  } finally {
    stream.end();
  }
}

/** How far a target is: what was told of it is never taken back. */
function rankOf({ state, late }: Target): number {
  if (isTerminal(state)) return late === true ? 4 : 3;
  return { waiting: 0, sent: 1, running: 2 }[state as "waiting" | "sent" | "running"];
}

class Follower {
  readonly #context: ApiContext;
  readonly #stream: Stream;
  readonly #wanted: Wanted;
  readonly #told = new Map<MinionId, number>();
  #bus = "";
  #sequence = 0;
  #gap = false;
  #stopped = false;
  #since: number;
  #wake = (): void => undefined;

  constructor(context: ApiContext, stream: Stream, wanted: Wanted) {
    this.#context = context;
    this.#stream = stream;
    this.#wanted = wanted;
    const [, bus = "", number = "", time = ""] =
      /^([0-9a-f]{16})\.(\d{1,15})\.(\d{1,15})$/.exec(wanted.last ?? "") ?? [];
    this.#bus = bus;
    this.#sequence = Number(number);
    this.#since = time === "" ? -Infinity : Number(time) - slackMs;
  }

  async run(): Promise<void> {
    const { jid } = this.#wanted;
    const { closed } = this.#stream;
    const stop = await this.#context.master.subscribe(tags.job(jid), (event) => this.#onEvent(event));
    try {
      for (let first = true; !closed.aborted; first = false) {
        if (await this.#read(first).catch((failure: unknown) => this.#away(failure, first))) return;
        await this.#quiet();
      }
    } finally {
      stop();
    }
  }

  /** A master that is away for a while ends no stream that has begun. */
  #away(failure: unknown, first: boolean): false {
    if (first || !(failure instanceof MsaltError) || failure.code !== "ERR_MASTER_UNREACHABLE") throw failure;
    return false;
  }

  /** Tells what the record holds that has not been told. @returns true when the job has ended */
  async #read(first: boolean): Promise<boolean> {
    const { master } = this.#context;
    this.#gap = false;
    const record = await master.call("job.record", { jid: this.#wanted.jid });
    const isSameBus = record.bus === this.#bus;
    // Numbers begin anew with a job that has ended, and times are those of another run of the master.
    if (first && !isSameBus) this.#since = -Infinity;
    this.#sequence = Math.max(isSameBus ? this.#sequence : 0, record.sequence);
    this.#bus = record.bus;
    if (first) this.#stream.send("job", countedOf(record, record.targets));
    if (record.stop !== undefined && !this.#stopped) {
      this.#stopped = true;
      this.#stream.send("stop", { at: iso(record.stop.at), reason: record.stop.reason });
    }
    const news = record.targets.filter((target) => this.#isNews(target));
    for (let at = 0; at < news.length && !this.#stream.closed.aborted; at += returnsPage) {
      await this.#tellAll(news.slice(at, at + returnsPage));
    }
    const open = record.targets.some(({ state }) => !isTerminal(state));
    if (open) {
      if (first || news.length > 0) this.#stream.mark(`${this.#bus}.${this.#sequence}.${record.time}`);
      return false;
    }
    this.#stream.send("end", countedOf(record, record.targets), "end");
    return true;
  }

  #isNews(target: Target): boolean {
    const { id, state, started, ended, turn } = target;
    if (rankOf(target) <= (this.#told.get(id) ?? 0)) return false;
    return Math.max(started ?? 0, ended ?? 0, turn ?? 0) >= this.#since || state === "sent";
  }

  async #tellAll(targets: readonly Target[]): Promise<void> {
    const withResult = targets.filter((target) => hasResult(target));
    const found = new Map<MinionId, Target>();
    if (this.#wanted.returns && withResult.length > 0) {
      const ids = withResult.map(({ id }) => id);
      for await (const each of storedTargets(this.#context.master, this.#wanted.jid, ids)) found.set(each.id, each);
    }
    for (const target of targets) {
      const value = found.get(target.id);
      this.#tell(target, value === undefined ? {} : { return: valueOf(value) });
    }
  }

  #tell(target: Target, more: Readonly<Record<string, unknown>>, id?: string): void {
    const rank = rankOf(target);
    if (rank <= (this.#told.get(target.id) ?? 0)) return;
    this.#told.set(target.id, rank);
    this.#stream.send("target", { ...targetOf(target), ...more }, id);
  }

  #onEvent({ tag, data }: BusEvent): void {
    const { jid } = this.#wanted;
    const number = Number(data["_seq"] ?? 0);
    const id = data["id"] as MinionId;
    if (data["_bus"] !== this.#bus || number > this.#sequence + 1) {
      // Also before the record was read for the first time: it holds this.
      this.#gap = true;
      return this.#wake();
    }
    if (number <= this.#sequence) return;
    this.#sequence = number;
    const at = Date.parse(String(data["_stamp"]));
    const mark = `${this.#bus}.${number}.${at}`;
    if (tag === tags.jobStart(jid, id)) this.#tell({ id, state: "running", started: at }, {}, mark);
    else if (tag === tags.jobRet(jid, id)) {
      const { state, retcode, success, out } = data;
      const target = {
        id,
        state: state as Target["state"],
        ended: at,
        ...(out !== "no_return" && { retcode: Number(retcode), success: success === true }),
        ...(out === "no_return" && {
          reason: String(data["return"]).replace(/^Minion did not return\. \[(.*)\]$/s, "$1"),
        }),
      };
      // What is too large for an event is in the record.
      if (this.#wanted.returns && data["return"] === trimmedValue) {
        this.#gap = true;
        return this.#wake();
      }
      const value = this.#wanted.returns && out !== "no_return" ? { return: data["return"] } : {};
      this.#tell(target, value, mark);
    } else this.#gap = true;
    this.#wake();
  }

  /** Until there is a gap, or nothing has happened for a while. */
  async #quiet(): Promise<void> {
    if (this.#gap) return;
    await new Promise<void>((resolve) => {
      const { closed } = this.#stream;
      const done = (): void => {
        clearTimeout(timer);
        closed.removeEventListener("abort", done);
        this.#wake = () => undefined;
        resolve();
      };
      const timer = setTimeout(done, quietMs);
      closed.addEventListener("abort", done, { once: true });
      this.#wake = () => {
        if (this.#gap) done();
      };
    });
  }
}
