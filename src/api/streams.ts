/** Server-sent events: who listens, how many may, and what ends them. */
import type { FastifyReply } from "fastify";
import { MsaltError } from "../errors.ts";
import { jsonLine } from "../output/json.ts";
import type { Accounts, Who } from "./accounts.ts";
import { TooMany } from "./status.ts";

const pingMs = 15_000;
const checkMs = 1000;
const most = 100;
const mostEach = 10;
/** What waits for a reader that is too slow. */
const maxWaitingBytes = 8 * 1_048_576;

export interface Stream {
  readonly closed: AbortSignal;
  send(event: string, data: unknown, id?: string): void;
  /** Where whoever comes again goes on; says nothing. */
  mark(id: string): void;
  /** Resolves when the reader has taken most of what was sent, or is gone. */
  drained(): Promise<void>;
  end(): void;
}

interface Open {
  readonly who: Who;
  readonly end: () => void;
}

export class Streams {
  readonly #accounts: Pick<Accounts, "isCurrent">;
  readonly #open = new Set<Open>();
  readonly #watch: NodeJS.Timeout;

  constructor(accounts: Pick<Accounts, "isCurrent">) {
    this.#accounts = accounts;
    this.#watch = setInterval(() => this.check(), checkMs);
    this.#watch.unref();
  }

  get count(): number {
    return this.#open.size;
  }

  /** @throws MsaltError TooMany. */
  reserve(who: Who): void {
    const own = [...this.#open].filter((each) => each.who.account.name === who.account.name).length;
    if (this.#open.size >= most || own >= mostEach) throw new TooMany("too many open streams", pingMs);
  }

  /** Begins the answer; from now on the request is this stream's. @throws MsaltError TooMany. */
  begin(who: Who, reply: FastifyReply): Stream {
    this.reserve(who);
    reply.hijack();
    const { raw } = reply;
    const closed = new AbortController();
    const ping = setInterval(() => raw.write(": ping\n\n"), pingMs);
    const end = (): void => {
      if (closed.signal.aborted) return;
      clearInterval(ping);
      this.#open.delete(entry);
      closed.abort();
      raw.end();
    };
    const entry: Open = { who, end };
    this.#open.add(entry);
    raw.on("close", end);
    raw.on("error", end);
    raw.writeHead(200, {
      ...(reply.getHeaders() as Record<string, string>),
      "content-type": "text/event-stream; charset=utf-8",
      "x-accel-buffering": "no",
    });
    raw.flushHeaders();
    return {
      mark: (id) => {
        if (!closed.signal.aborted) raw.write(`id: ${id}\n\n`);
      },
      drained: async () => {
        if (closed.signal.aborted || !raw.writableNeedDrain) return;
        await new Promise<void>((resolve) => {
          raw.once("drain", resolve);
          closed.signal.addEventListener("abort", () => resolve(), { once: true });
        });
      },
      closed: closed.signal,
      end,
      send: (event, data, id) => {
        if (closed.signal.aborted) return;
        raw.write(`${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${jsonLine(data)}\n\n`);
        if (raw.writableLength <= maxWaitingBytes) return;
        end();
        raw.destroy();
      },
    };
  }

  /** Ends the streams of whoever would not be let in any more. */
  check(): void {
    for (const { who, end } of this.#open) if (!this.#isCurrent(who)) end();
  }

  #isCurrent(who: Who): boolean {
    try {
      return this.#accounts.isCurrent(who);
    } catch (failure) {
      // A disk that fails for a moment takes no rights away.
      if (failure instanceof MsaltError) return true;
      throw failure;
    }
  }

  close(): void {
    clearInterval(this.#watch);
    for (const { end } of this.#open) end();
  }
}
