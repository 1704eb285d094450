/**
 * Sends what jobs print to whoever follows them on the master (`job.output`): only what was asked for, only as far as asked, one
 * part of a job at a time. The master says how much it has and wants; nothing here touches the run or its result.
 */
import { messageOf } from "../errors.ts";
import type { Log } from "../log/log.ts";
import type { Jid } from "../wire/ids.ts";
import { limits } from "../wire/limits.ts";
import type { Load, Replies } from "../wire/loads.ts";
import { Refused } from "./link.ts";
import type { OutputLog } from "./output-log.ts";

const askMs = 10_000;
const atOnce = 4;
/** So long after its end the output of a followed job is kept for whoever has not read it all, and that of so many jobs. */
const keptMs = 60_000;
const keptJobs = 8;
/** Jobs that the master has asked about; an order for one that is not here may still come. */
const maxStreams = 1000;
/** Small parts are not sent more often. */
const gatherMs = 50;

interface Stream {
  /** As far as the master has it. */
  have: number;
  want: number;
  ended: boolean;
  /** A part is under way, or waits for its time. */
  busy: boolean;
  /** The master knows that we know. */
  heard: boolean;
}

interface Asker {
  ask(load: Load<"job.output">, timeoutMs: number): Promise<Replies["job.output"]>;
}

export interface LiveOptions {
  readonly commands: { log(jid: Jid): OutputLog | undefined; forget(jid: Jid): void };
  readonly log: Pick<Log, "debug">;
}

export class Live {
  readonly #options: LiveOptions;
  readonly #streams = new Map<Jid, Stream>();
  /** Ended jobs whose output is still here, oldest first, and what drops it. */
  readonly #kept = new Map<Jid, NodeJS.Timeout>();
  #link: Asker | undefined;
  #sending = 0;

  constructor(options: LiveOptions) {
    this.#options = options;
  }

  /** Sends over this link from now on; `undefined` while there is none. */
  use(link: Asker | undefined): void {
    this.#link = link;
    for (const stream of this.#streams.values()) stream.heard = false;
    this.#pump();
  }

  /** The master takes this job's output up to byte `until`. */
  want(jid: Jid, until: number): void {
    const stream = this.#streams.get(jid);
    if (stream !== undefined) {
      stream.want = Math.max(stream.want, until);
      stream.heard = false;
    } else {
      this.#streams.set(jid, { have: 0, want: until, ended: false, busy: false, heard: false });
      const [oldest] = this.#streams.keys();
      if (this.#streams.size > maxStreams && oldest !== undefined) this.#forget(oldest);
    }
    this.#pump();
  }

  /** The job has printed more. */
  grown(jid: Jid): void {
    if (this.#streams.has(jid)) this.#pump();
  }

  /** The job has ended: what it printed is all there is. Nobody who has not asked yet will need it: the result has it too. */
  ended(jid: Jid): void {
    const stream = this.#streams.get(jid);
    if (stream === undefined) return this.#options.commands.forget(jid);
    stream.ended = true;
    this.#kept.set(jid, setTimeout(() => this.#forget(jid), keptMs).unref());
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > keptJobs && oldest !== undefined) this.#forget(oldest);
    this.#pump();
  }

  #forget(jid: Jid): void {
    clearTimeout(this.#kept.get(jid));
    this.#kept.delete(jid);
    this.#streams.delete(jid);
    this.#options.commands.forget(jid);
  }

  #pump(): void {
    for (const [jid, stream] of this.#streams) {
      const link = this.#link;
      if (link === undefined || this.#sending >= atOnce) return;
      if (stream.busy || !this.#hasNews(jid, stream)) continue;
      stream.busy = true;
      this.#sending += 1;
      void this.#send(link, jid, stream).then((pauseMs) => {
        this.#sending -= 1;
        setTimeout(() => {
          stream.busy = false;
          this.#pump();
        }, pauseMs);
      });
    }
  }

  #hasNews(jid: Jid, { have, want, ended, heard }: Stream): boolean {
    const size = this.#options.commands.log(jid)?.size ?? 0;
    return !heard || Math.min(size, want) > have || (ended && have === size);
  }

  /** One part; after how many ms the next may go. */
  async #send(link: Asker, jid: Jid, stream: Stream): Promise<number> {
    const output = this.#options.commands.log(jid);
    const offset = stream.have;
    const room = Math.max(0, Math.min(stream.want - offset, limits.partBytes));
    const data = output?.read(offset, room) ?? new Uint8Array(0);
    const size = output?.size ?? 0;
    const isLast = stream.ended && offset + data.length === size;
    try {
      const load = { cmd: "job.output", jid, offset, data, ...(isLast && { total: size }) } as const;
      const { have, want } = await link.ask(load, askMs);
      stream.heard = true;
      stream.want = want;
      // What it has not, it asks for again; what it cannot have is nobody's.
      stream.have = Math.min(have, size);
      if (isLast && have === size) this.#forget(jid);
      return data.length === limits.partBytes ? 0 : gatherMs;
    } catch (failure) {
      this.#options.log.debug("live output was not taken", { jid, failure: messageOf(failure) });
      if (!(failure instanceof Refused)) return 1000;
      if (failure.retryMs !== undefined) return failure.retryMs;
      this.#streams.delete(jid);
      return 0;
    }
  }
}
