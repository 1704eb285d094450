import { join } from "node:path";
import { startApi } from "../api/api.ts";
import { loadMasterConfig } from "../config/load.ts";
import { runChild } from "../lib/child.ts";
import { version } from "../lib/version.ts";
import { createLog } from "../log/log.ts";

await runChild(async (settings) => {
  const config = loadMasterConfig(settings);
  const log = createLog({ name: "msalt-master/api", level: config.logLevel });
  const api = await startApi(config, log, version, join(import.meta.dirname, "dashboard"));
  if (api.link !== undefined) process.stdout.write(`msalt-api: make the first account: ${api.link}\n`);
  return { info: { api_port: api.port }, close: () => api.close() };
});
