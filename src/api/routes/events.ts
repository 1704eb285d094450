import * as z from "zod";
import { compileGlob } from "../../lib/glob.ts";
import { isJid } from "../../wire/ids.ts";
import type { BusEvent } from "../../wire/local.ts";
import { tags } from "../../wire/tags.ts";
import type { Who } from "../accounts.ts";
import { type ApiContext, isAdmin, userOf } from "../context.ts";
import { ownJob } from "../own-jobs.ts";
import { type AnyRoute, route } from "../route.ts";
import { failureOf } from "../status.ts";

const maxWaiting = 10_000;
const maxOwners = 10_000;

/** What this account may hear of: decided one after the other, so that events stay in order. */
class Ears {
  readonly #context: ApiContext;
  readonly #who: Who;
  readonly #own = new Map<string, boolean>();
  #tail: Promise<void> = Promise.resolve();
  waiting = 0;

  constructor(context: ApiContext, who: Who) {
    this.#context = context;
    this.#who = who;
  }

  take(event: BusEvent, hand: (event: BusEvent) => void): void {
    this.waiting += 1;
    this.#tail = this.#tail
      .then(async () => ((await this.#mayHear(event)) ? hand(event) : undefined))
      .catch(() => undefined)
      .finally(() => (this.waiting -= 1));
  }

  async #mayHear({ tag, data }: BusEvent): Promise<boolean> {
    if (isAdmin(this.#who) || tag === tags.presenceChange || /^salt\/minion\/[^/]+\/start$/.test(tag)) return true;
    const [, jid = ""] = /^salt\/job\/([^/]+)\//.exec(tag) ?? [];
    if (!isJid(jid)) return false;
    if (tag === tags.jobNew(jid)) this.#remember(jid, data["user"] === userOf(this.#who));
    const known = this.#own.get(jid);
    if (known !== undefined) return known;
    const isOwn = await ownJob(this.#context.master, this.#who, jid).then(
      () => true,
      () => false,
    );
    this.#remember(jid, isOwn);
    return isOwn;
  }

  #remember(jid: string, isOwn: boolean): void {
    this.#own.set(jid, isOwn);
    const [oldest] = this.#own.keys();
    if (this.#own.size > maxOwners && oldest !== undefined) this.#own.delete(oldest);
  }
}

export function eventRoutes(context: ApiContext): AnyRoute[] {
  return [
    route({
      method: "GET",
      path: "/events",
      access: "read",
      summary: "The event bus, as server-sent events; accounts that are no administrators hear of their own jobs.",
      query: z.strictObject({
        tag: z.string().max(256).default(""),
        match: z.string().max(256).optional(),
      }),
      answer: "stream",
      handle: async ({ query: { tag: prefix, match }, reply }, who) => {
        const { master, streams } = context;
        streams.reserve(who);
        // So that a master that is away is answered 503, not by a stream that ends.
        await master.call("master.stats", {});
        const matches = match === undefined ? () => true : compileGlob(match);
        const stream = streams.begin(who, reply);
        const ears = new Ears(context, who);
        try {
          const onEvent = (event: BusEvent): void => {
            if (!matches(event.tag) || stream.closed.aborted) return;
            if (ears.waiting > maxWaiting) return stream.end();
            ears.take(event, ({ tag, data }) => stream.send("event", { tag, data }));
          };
          // Whoever comes again reads anew what the events are about.
          const stop = await master.subscribe(prefix, onEvent, () => stream.end());
          if (stream.closed.aborted) return stop();
          stream.closed.addEventListener("abort", stop, { once: true });
          stream.send("ready", {});
        } catch (failure) {
          stream.send("error", failureOf(failure).body.error);
          stream.end();
        }
      },
    }),
  ];
}
