/** Starts and stops the HTTP API. */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { createSecureContext } from "node:tls";
import type { MasterConfig } from "../config/master.ts";
import { MsaltError, messageOf } from "../errors.ts";
import { steadyClock } from "../lib/steady-clock.ts";
import type { Log } from "../log/log.ts";
import { Connection } from "../store/connection.ts";
import { openDatabase } from "../store/database.ts";
import { Accounts } from "./accounts.ts";
import { type TlsFiles, buildApp } from "./app.ts";
import type { ApiContext } from "./context.ts";
import { addDashboard } from "./dashboard.ts";
import { Gate } from "./gate.ts";
import { inFlight } from "./in-flight.ts";
import { type Master, MasterLink } from "./master.ts";
import { Metrics } from "./metrics.ts";
import { allRoutes } from "./routes.ts";
import { apiRecord } from "./schema.ts";
import { Scripts } from "./scripts.ts";
import { Setup } from "./setup.ts";
import { Streams } from "./streams.ts";
import { BackOff } from "./throttle.ts";

export interface RunningApi {
  readonly port: number;
  /** Where the first account is made, while there is none. */
  readonly link: string | undefined;
  close(): Promise<void>;
}

interface Parts {
  readonly store: Connection;
  readonly master: Master;
  readonly log: Log;
  readonly version: string;
  readonly hosts: readonly string[];
  readonly secure: boolean;
  readonly setupFile: string;
  /** Ms since 1970. */
  readonly wall: () => number;
  /** Ms of no particular beginning. */
  readonly steady: () => number;
}

/** All that routes touch, put together. */
export function contextOf({ store, master, log, version, hosts, secure, setupFile, wall, steady }: Parts): ApiContext {
  const now = steadyClock(new Accounts(store, wall).latest, wall, steady);
  const accounts = new Accounts(store, now);
  return {
    master,
    activeJobs: inFlight(() => master.call("job.active", {})),
    accounts,
    scripts: new Scripts(store, now),
    gate: new Gate({ accounts, hosts, secure, steady }),
    streams: new Streams(accounts),
    setup: new Setup(setupFile),
    metrics: new Metrics(),
    log,
    backOff: { names: new BackOff(5, steady), addresses: new BackOff(20, steady) },
    version,
    now,
    steady,
  };
}

/**
 * @param dashboard folder with the files of the dashboard
 * @throws MsaltError `ERR_CONFIG_INVALID`, `ERR_PORT_IN_USE`, `ERR_STORE`.
 */
export async function startApi(
  config: MasterConfig,
  log: Log,
  version: string,
  dashboard: string,
): Promise<RunningApi> {
  const { api, dataDir, sockDir } = config;
  const tls = tlsOf(api);
  const file = `${dataDir}/api.sqlite`;
  const store = new Connection(file, openDatabase(file, apiRecord));
  const master = new MasterLink(sockDir);
  const context = contextOf({
    store,
    master,
    log,
    version,
    hosts: [hostname(), ...api.hosts],
    secure: tls !== undefined,
    setupFile: `${dataDir}/api-setup`,
    wall: Date.now,
    steady: () => performance.now(),
  });
  const app = buildApp(context, allRoutes(context), tls);
  addDashboard(app, context.gate, dashboard);
  const close = async (): Promise<void> => {
    context.streams.close();
    await app.close();
    master.close();
    store.close();
  };
  try {
    await app.listen({ host: api.interface, port: api.port });
  } catch (cause) {
    await close();
    throw listenError(cause, `${api.interface}:${api.port}`);
  }
  const address = app.server.address();
  const port = typeof address === "object" && address !== null ? address.port : api.port;
  const shown = api.interface === "0.0.0.0" ? hostname() : api.interface;
  const origin = `${tls === undefined ? "http" : "https"}://${shown}:${port}`;
  if (!context.accounts.isEmpty) context.setup.close();
  const link = context.accounts.isEmpty ? context.setup.open(origin) : undefined;
  log.info("listening", { origin });
  return { port, link, close };
}

function tlsOf({ tlsCert, tlsKey }: MasterConfig["api"]): TlsFiles | undefined {
  if (tlsCert === undefined || tlsKey === undefined) return undefined;
  try {
    const files = { cert: readFileSync(tlsCert), key: readFileSync(tlsKey) };
    createSecureContext(files);
    return files;
  } catch (cause) {
    const text = `api: the TLS certificate or its key cannot be used: ${messageOf(cause)}`;
    throw new MsaltError("ERR_CONFIG_INVALID", text, {}, { cause });
  }
}

function listenError(cause: unknown, where: string): MsaltError {
  const { code } = cause as { code?: string };
  const inUse = code === "EADDRINUSE";
  return new MsaltError(
    inUse ? "ERR_PORT_IN_USE" : "ERR_CONFIG_INVALID",
    inUse ? `another program listens on ${where}` : `cannot listen on ${where}: ${messageOf(cause)}`,
    { hint: "set another port under api in the master's configuration" },
    { cause },
  );
}
