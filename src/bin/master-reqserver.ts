import { loadMasterConfig } from "../config/load.ts";
import { runChild } from "../lib/child.ts";
import { createLog } from "../log/log.ts";
import { startReqserver } from "../master/reqserver/reqserver.ts";

await runChild((settings) => {
  const config = loadMasterConfig(settings);
  const log = createLog({ name: "msalt-master/reqserver", level: config.logLevel });
  return startReqserver(config, settings.epoch, log);
});
