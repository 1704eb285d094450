import { hostname } from "node:os";
import * as z from "zod";
import { type MinionId, isMinionId } from "../wire/ids.ts";
import type { Roots } from "./master.ts";
import { schedule } from "./schedule.ts";
import { freeze, host, logLevel, minutes, port, text, wait } from "./values.ts";

const minionId = z.custom<MinionId>(
  (value) => typeof value === "string" && isMinionId(value),
  "must be letters, digits and . _ - (at most 128, a letter or digit at both ends, no `..`); a number needs quotes",
);
const mastersMessage = "must be a host name or IPv4 address, without a port, or a list of 1 to 16";
const fingerprint = z
  .string("must be text")
  .regex(
    /^([0-9a-f]{64}|[0-9a-f]{2}(:[0-9a-f]{2}){31})$/,
    "must be the whole fingerprint that msalt-key -F shows: 64 lower-case hex digits, with or without colons",
  );

const jobsMessage = "must be a whole number, 1 to 64";

/** Keys of `etc/msalt/minion`, spelt as Salt spells them. docs/configuration.md says what each means. */
export const minionFile = z.strictObject({
  /** Checked like a written one: not every host name will do. */
  id: minionId.prefault(() => hostname() as MinionId),
  master: z.union([host, z.array(host).min(1, mastersMessage).max(16, mastersMessage)], mastersMessage).default("salt"),
  master_port: port.default(4506),
  publish_port: port.default(4505),
  enroll_port: port.default(4507),
  master_finger: fingerprint.optional(),
  token: text.optional(),
  acceptance_wait_time: wait.default(10),
  shutdown_timeout: wait.default(30),
  allowed_functions: z.array(text, "must be a list of functions, such as test.*").optional(),
  max_jobs: z.int(jobsMessage).min(1, jobsMessage).max(64, jobsMessage).default(64),
  grains: z.record(z.string(), z.unknown(), "must be a map of grains").default({}),
  mine_functions: z
    .union(
      [z.array(z.string()), z.record(z.string(), z.unknown())],
      "must be a list of functions, or a map of names to arguments",
    )
    .optional(),
  mine_interval: minutes.default(60),
  schedule: schedule.default({}),
  pki_dir: text.optional(),
  cachedir: text.optional(),
  log_level: logLevel.default("info"),
});

/** The same as the code uses it: camelCase, times in milliseconds, every path whole. */
export type MinionConfig = ReturnType<typeof minionConfig>;

export function minionConfig(
  file: z.infer<typeof minionFile>,
  { root, configDir }: Roots,
  customGrains: Readonly<Record<string, unknown>>,
) {
  const { token, ...rest } = file;
  const pkiDir = file.pki_dir ?? `${configDir}/pki/minion`;
  const dataDir = file.cachedir ?? `${root}/var/lib/msalt/minion`;
  const shown: Readonly<Record<string, unknown>> = { ...rest, pki_dir: pkiDir, cachedir: dataDir };
  return freeze({
    id: file.id,
    masters: typeof file.master === "string" ? [file.master] : file.master,
    masterPort: file.master_port,
    publishPort: file.publish_port,
    enrollPort: file.enroll_port,
    masterFinger: file.master_finger,
    token,
    acceptanceWaitMs: file.acceptance_wait_time * 1000,
    shutdownTimeoutMs: file.shutdown_timeout * 1000,
    allowedFunctions: file.allowed_functions,
    maxJobs: file.max_jobs,
    grains: file.grains,
    schedule: file.schedule,
    /** From the file `grains` beside the configuration; `grainsFile` is where it is. */
    customGrains,
    grainsFile: `${configDir}/grains`,
    /** What `config.get` shows: the whole configuration under the file's names, without the token. */
    shown,
    mineIntervalMs: file.mine_interval * 60_000,
    pkiDir,
    dataDir,
    logLevel: file.log_level,
  });
}
