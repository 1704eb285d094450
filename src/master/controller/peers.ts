/**
 * `publish.publish`: a minion runs functions on others, where the master's `peer` says that it may. Keys of `peer` are regular
 * expressions over minion ids, values lists of regular expressions over functions; both match the whole name.
 */
import { compileRegex } from "../../lib/regex.ts";
import type { JobStore } from "../../store/job-store.ts";
import type { EventBus } from "../../event/bus.ts";
import { limits } from "../../wire/limits.ts";
import type { Load, Reply } from "../../wire/loads.ts";
import type { MinionId } from "../../wire/ids.ts";
import { tags } from "../../wire/tags.ts";
import type { AuditLog } from "./audit.ts";
import { publishAudited } from "./audited.ts";
import type { Jobs } from "./jobs.ts";

type PeerRules = Readonly<Record<string, readonly string[]>>;

export interface PeersOptions {
  readonly rules: PeerRules;
  readonly jobs: Jobs;
  readonly store: JobStore;
  readonly bus: EventBus;
  readonly audit: AuditLog;
}

export class Peers {
  readonly #options: PeersOptions;
  readonly #rules: { readonly isMinion: (id: string) => boolean; readonly functions: ((fun: string) => boolean)[] }[];

  /** @throws MsaltError `ERR_TARGET_INVALID` for an expression that is none. */
  constructor(options: PeersOptions) {
    this.#options = options;
    const whole = (expression: string): ((text: string) => boolean) => compileRegex(`(?:${expression})$`);
    this.#rules = Object.entries(options.rules).map(([id, functions]) => ({
      isMinion: whole(id),
      functions: functions.map(whole),
    }));
  }

  /** @param spent is told how many milliseconds the target took */
  async publish(
    from: MinionId,
    load: Load<"peer.publish">,
    spent: (ms: number) => void,
  ): Promise<Reply<"peer.publish">> {
    const { tgt, tgt_type: tgtType, fun, arg, timeout } = load;
    const may = this.#rules.some(
      ({ isMinion, functions }) => isMinion(from) && functions.some((matches) => matches(fun)),
    );
    if (!may || fun.includes(","))
      return {
        error: "E_FORBIDDEN",
        message: `peer of the master's configuration does not allow ${from} to run ${fun}`,
      };
    const { jobs, store, bus } = this.#options;
    const began = performance.now();
    try {
      if (jobs.resolve({ tgt, tgtType }).minions.length === 0) return { ok: { data: {} } };
    } finally {
      // It is looked for twice.
      spent(2 * (performance.now() - began));
    }
    const order = { tgt, tgtType, fun, arg, user: `minion ${from}`, waitMs: timeout };
    const { jid } = await publishAudited(this.#options, order, { how: "key" });
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        bus.off("event", onEvent);
        resolve();
      };
      const onEvent = ({ tag }: { readonly tag: string }): void => {
        if (tag === tags.jobEnd(jid)) done();
      };
      const timer = setTimeout(done, timeout);
      bus.on("event", onEvent);
      // It may have ended before anybody listened, and be open no more.
      if ((jobs.find(jid)?.openCount ?? 0) === 0) done();
    });
    const { targets, next } = await store.returns(jid, undefined, limits.answerBytes);
    if (next !== undefined) return { error: "E_SIZE", message: "the answers are over 1 MiB" };
    return {
      ok: { data: Object.fromEntries(targets.flatMap(({ id, ret }) => (ret === undefined ? [] : [[id, ret]]))) },
    };
  }
}
