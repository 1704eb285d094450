/**
 * What a worker must know of each minion command: its largest body and its handler. Leave out a command, or a field of one,
 * and it does not compile. A handler turns an opened, schema-checked load into the typed command the controller gets; it
 * throws MsaltError `ERR_NOT_ALLOWED` or `ERR_WIRE_INVALID` to refuse.
 */
import type { Command, Load, Replies } from "../../wire/loads.ts";
import { limits } from "../../wire/limits.ts";
import type { MinionId } from "../../wire/ids.ts";
import { type WorkerFiles, fileList, filePush, fileRead, fileStat } from "./files.ts";
import { event } from "./event.ts";
import { grains } from "./grains.ts";
import { heartbeat } from "./heartbeat.ts";
import { hello } from "./hello.ts";
import { jobOutput } from "./job-output.ts";
import { jobReturn } from "./job-return.ts";
import { jobStart } from "./job-start.ts";
import { pillar } from "./pillar.ts";
import { sync } from "./sync.ts";

export interface Rule<C extends Command> {
  readonly maxBytes: number;
  readonly handle: (load: Load<C>, from: MinionId) => Load<C>;
  /** When the controller has said yes: what this worker reads itself. */
  readonly answer?: (load: Load<C>, from: MinionId, files: WorkerFiles) => Promise<Replies[C]>;
}

const small = 4096;
const same = <T>(load: T): T => load;

export const rules: { readonly [C in Command]: Rule<C> } = Object.freeze({
  hello: { maxBytes: small, handle: hello },
  sync: { maxBytes: small, handle: sync },
  "job.start": { maxBytes: small, handle: jobStart },
  "job.return": { maxBytes: limits.partBytes + small, handle: jobReturn },
  "job.output": { maxBytes: limits.partBytes + small, handle: jobOutput },
  heartbeat: { maxBytes: 32_768, handle: heartbeat },
  grains: { maxBytes: limits.grainsBytes, handle: grains },
  "mine.set": { maxBytes: limits.mineBytes, handle: same },
  "peer.publish": { maxBytes: limits.partBytes, handle: same },
  "mine.get": { maxBytes: limits.targetBytes + 8 * small, handle: same },
  "file.stat": { maxBytes: 2 * small, handle: same, answer: fileStat },
  "file.read": { maxBytes: 2 * small, handle: same, answer: fileRead },
  "file.list": { maxBytes: 3 * small, handle: same, answer: fileList },
  "file.push": { maxBytes: limits.partBytes + 3 * small, handle: same, answer: filePush },
  pillar: { maxBytes: small, handle: pillar },
  event: { maxBytes: limits.eventBytes + small, handle: event },
});
