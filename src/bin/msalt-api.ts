#!/usr/bin/env node
import { join } from "node:path";
import { startApi } from "../api/api.ts";
import { apiProgram } from "../cli/daemons.ts";
import { runTool } from "../cli/tool.ts";
import { loadMasterConfig } from "../config/load.ts";
import { notifySystemd } from "../lib/notify.ts";
import { version } from "../lib/version.ts";
import { createLog } from "../log/log.ts";

await runTool("msalt-api", async () => {
  const flags = apiProgram(version).parse().opts<{ configDir?: string; rootDir?: string; logLevel?: string }>();
  process.umask(0o077);
  const overrides = flags.logLevel === undefined ? {} : { log_level: flags.logLevel };
  const config = loadMasterConfig({ ...flags, overrides });
  const log = createLog({ name: "msalt-api", level: config.logLevel });
  const stop = new Promise<string>((resolve) => {
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => resolve(name));
  });
  const api = await startApi(config, log, version, join(import.meta.dirname, "dashboard"));
  if (api.link !== undefined) process.stdout.write(`msalt-api: make the first account: ${api.link}\n`);
  process.stdout.write(`msalt-api ready api_port=${api.port} pid=${process.pid}\n`);
  notifySystemd("READY=1");
  log.info("stopping", { signal: await stop });
  notifySystemd("STOPPING=1");
  await api.close();
  return 0;
});
