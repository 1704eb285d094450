import { loadMasterConfig } from "../config/load.ts";
import { runChild } from "../lib/child.ts";
import { createLog } from "../log/log.ts";
import { startController } from "../master/controller/controller.ts";

await runChild((settings) => {
  const config = loadMasterConfig(settings);
  const log = createLog({ name: "msalt-master/controller", level: config.logLevel });
  return startController(config, log);
});
