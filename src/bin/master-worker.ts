import { loadMasterConfig } from "../config/load.ts";
import { runChild } from "../lib/child.ts";
import { createLog } from "../log/log.ts";
import { startWorker } from "../master/workers/worker.ts";

await runChild((settings) => {
  const config = loadMasterConfig(settings);
  const log = createLog({ name: "msalt-master/worker", level: config.logLevel });
  return startWorker(config, settings.epoch, log);
});
