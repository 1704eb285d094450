import { availableParallelism, hostname } from "node:os";
import { resolve } from "node:path";
import * as z from "zod";
import {
  api,
  count,
  flag,
  freeze,
  logLevel,
  megabytes,
  names,
  nodegroups,
  pillarRoots,
  port,
  publisherAcl,
  rate,
  roots,
  seconds,
  text,
  wait,
} from "./values.ts";

/** Folders that defaults and relative paths depend on. */
export interface Roots {
  readonly root: string;
  readonly configDir: string;
}

/** Keys of `etc/msalt/master`, spelt as Salt spells them. docs/configuration.md says what each means. */
export const masterFile = z.strictObject({
  id: text.default(() => hostname()),
  interface: z.ipv4("must be an IPv4 address of this host, or 0.0.0.0 for all of them").default("0.0.0.0"),
  publish_port: port.default(4505),
  ret_port: port.default(4506),
  enroll_port: port.default(4507),
  enroll: flag.default(true),
  enroll_rate: rate.default(60),
  auto_accept: flag.default(false),
  worker_threads: count.default(() => Math.max(2, availableParallelism())),
  timeout: wait.default(5),
  nodegroups: nodegroups.optional(),
  pillar_roots: pillarRoots.optional(),
  keep_jobs_seconds: seconds.default(86_400),
  show_timeout: flag.default(true),
  show_jid: flag.default(false),
  cli_summary: flag.default(false),
  file_roots: roots.optional(),
  file_recv: flag.default(false),
  file_recv_max_size: megabytes.default(100),
  peer: z.record(z.string(), z.array(z.string()), "must be a map of minion ids to lists of functions").default({}),
  api: api.optional(),
  publisher_acl: publisherAcl.default({}),
  publisher_acl_blacklist: z
    .strictObject(
      { users: names.optional(), modules: names.optional() },
      "must be a map with the keys users and modules",
    )
    .default({}),
  pki_dir: text.optional(),
  cachedir: text.optional(),
  sock_dir: text.optional(),
  log_level: logLevel.default("info"),
});

/** The same as the code uses it: camelCase, times in milliseconds, every path whole. */
export type MasterConfig = ReturnType<typeof masterConfig>;

export function masterConfig(file: z.infer<typeof masterFile>, { root, configDir }: Roots) {
  const pkiDir = file.pki_dir ?? `${configDir}/pki/master`;
  const dataDir = file.cachedir ?? `${root}/var/lib/msalt/master`;
  const sockDir = file.sock_dir ?? `${root}/run/msalt/master`;
  const http = file.api ?? api.parse({});
  const pillarDirs = (file.pillar_roots?.["base"] ?? ["srv/pillar"]).map((dir) => resolve(`${root}/`, dir));
  const shown: Readonly<Record<string, unknown>> = {
    ...file,
    pillar_roots: { base: pillarDirs },
    pki_dir: pkiDir,
    cachedir: dataDir,
    sock_dir: sockDir,
  };
  return freeze({
    id: file.id,
    interface: file.interface,
    publishPort: file.publish_port,
    retPort: file.ret_port,
    enrollPort: file.enroll_port,
    enroll: file.enroll,
    enrollRate: file.enroll_rate,
    autoAccept: file.auto_accept,
    workerThreads: file.worker_threads,
    timeoutMs: file.timeout * 1000,
    nodegroups: file.nodegroups ?? {},
    fileRoots: file.file_roots?.base ?? [`${root}/srv/salt`],
    /** Undefined: nothing is taken. */
    receivedMaxBytes: file.file_recv ? file.file_recv_max_size * 1_048_576 : undefined,
    pillarDirs,
    keepJobsMs: file.keep_jobs_seconds * 1000,
    showTimeout: file.show_timeout,
    showJid: file.show_jid,
    cliSummary: file.cli_summary,
    peer: file.peer,
    api: {
      enabled: http.enabled,
      interface: http.interface,
      port: http.port,
      tlsCert: http.tls_cert,
      tlsKey: http.tls_key,
      hosts: http.hosts,
    },
    publisherAcl: file.publisher_acl,
    publisherAclBlacklist: file.publisher_acl_blacklist,
    pkiDir,
    dataDir,
    sockDir,
    /** What `config.get` shows: all of it under the file's names. */
    shown,
    logLevel: file.log_level,
  });
}
