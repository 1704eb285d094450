import { loadMasterConfig } from "../config/load.ts";
import { runChild } from "../lib/child.ts";
import { createLog } from "../log/log.ts";
import { startPublisher } from "../master/publisher/publisher.ts";

await runChild((settings) => {
  const config = loadMasterConfig(settings);
  const log = createLog({ name: "msalt-master/publisher", level: config.logLevel });
  return startPublisher(config, settings.epoch, log);
});
