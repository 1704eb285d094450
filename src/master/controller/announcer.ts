import type { EventBus } from "../../event/bus.ts";
import type { OpenJob } from "../../job/open-job.ts";
import type { Target } from "../../job/types.ts";
import { failpoint } from "../../lib/failpoint.ts";
import { tags } from "../../wire/tags.ts";

export interface AnnouncerOptions {
  readonly bus: EventBus;
  /** Names this process among event numbers: numbers of another one do not compare. */
  readonly busId: string;
  readonly now: () => number;
}

/** Fires the events of jobs, numbered within each job so that a listener sees a gap (I10). Only after the commit. */
export class Announcer {
  readonly #options: AnnouncerOptions;

  constructor(options: AnnouncerOptions) {
    this.#options = options;
  }

  fire(open: OpenJob, tag: string, data: Record<string, unknown>, raw?: Uint8Array): void {
    const { bus, busId, now } = this.#options;
    failpoint("job.announce");
    open.sequence += 1;
    if (!bus.isHeard) return;
    const numbered = { ...data, _seq: open.sequence, _bus: busId };
    bus.fire({ tag, data: numbered, ...(raw !== undefined && { raw }) }, new Date(now()).toISOString());
  }

  /** `salt/job/<jid>/ret/<id>` with Salt's fields; `raw` is the encoded return value. */
  returned(open: OpenJob, target: Target, raw: Uint8Array): void {
    const { id, retcode = 1, success = false, state, out, kill } = target;
    const { jid, fun, arg } = open.job;
    const verdict = { retcode, success, state, ...(out !== undefined && { out }), ...(kill !== undefined && { kill }) };
    this.fire(open, tags.jobRet(jid, id), { cmd: "_return", id, jid, fun, fun_args: arg, ...verdict }, raw);
  }
}
