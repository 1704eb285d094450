/**
 * What a worker must know of each minion command: its largest body and its handler. Leave out a command, or a field of one,
 * and it does not compile. A handler turns an opened, schema-checked load into the typed command the controller gets; it
 * throws MsaltError `ERR_NOT_ALLOWED` or `ERR_WIRE_INVALID` to refuse.
 */
import type { Command, Load } from "../../wire/loads.ts";
import { limits } from "../../wire/limits.ts";
import type { MinionId } from "../../wire/ids.ts";
import { event } from "./event.ts";
import { grains } from "./grains.ts";
import { heartbeat } from "./heartbeat.ts";
import { hello } from "./hello.ts";
import { jobOutput } from "./job-output.ts";
import { jobReturn } from "./job-return.ts";
import { jobStart } from "./job-start.ts";
import { sync } from "./sync.ts";

export interface Rule<C extends Command> {
  readonly maxBytes: number;
  readonly handle: (load: Load<C>, from: MinionId) => Load<C>;
}

const small = 4096;

export const rules: { readonly [C in Command]: Rule<C> } = Object.freeze({
  hello: { maxBytes: small, handle: hello },
  sync: { maxBytes: small, handle: sync },
  "job.start": { maxBytes: small, handle: jobStart },
  "job.return": { maxBytes: limits.resultPartBytes + small, handle: jobReturn },
  "job.output": { maxBytes: limits.outputPartBytes + small, handle: jobOutput },
  heartbeat: { maxBytes: 32_768, handle: heartbeat },
  grains: { maxBytes: limits.grainsBytes, handle: grains },
  event: { maxBytes: limits.eventBytes + small, handle: event },
});
