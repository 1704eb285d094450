#!/usr/bin/env node
import { join } from "node:path";
import { masterProgram } from "../cli/daemons.ts";
import { runTool } from "../cli/tool.ts";
import { loadMasterConfig } from "../config/load.ts";
import { ensureOwnKeys } from "../crypto/keystore.ts";
import { takeLock } from "../lib/lock-file.ts";
import { notifySystemd } from "../lib/notify.ts";
import { version } from "../lib/version.ts";
import { createLog } from "../log/log.ts";
import { Supervisor } from "../master/master.ts";

await runTool("msalt-master", async () => {
  const flags = masterProgram(version).parse().opts<{ configDir?: string; rootDir?: string; logLevel?: string }>();
  const overrides = flags.logLevel === undefined ? {} : { log_level: flags.logLevel };
  const config = loadMasterConfig({ ...flags, overrides });
  const log = createLog({ name: "msalt-master", level: config.logLevel });
  const unlock = takeLock(join(config.dataDir, "lock"), "msalt-master");
  try {
    ensureOwnKeys(config.pkiDir, "master", config.id);
    const settings = {
      overrides,
      ...(flags.configDir !== undefined && { configDir: flags.configDir }),
      ...(flags.rootDir !== undefined && { rootDir: flags.rootDir }),
    };
    const stop = new Promise<string>((resolve) => {
      for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => resolve(name));
    });
    const supervisor = new Supervisor({ config, scripts: import.meta.dirname, settings, log });
    const started = supervisor.start();
    const first = await Promise.race([started, stop]);
    if (first === undefined) {
      const ports = Object.entries(supervisor.ports).map(([name, port]) => `${name}=${port}`);
      process.stdout.write(`msalt-master ready ${ports.join(" ")} pid=${process.pid}\n`);
      notifySystemd("READY=1");
      log.info("stopping", { signal: await stop });
    }
    notifySystemd("STOPPING=1");
    started.catch(() => undefined);
    await supervisor.stop();
    return 0;
  } finally {
    unlock();
  }
});
