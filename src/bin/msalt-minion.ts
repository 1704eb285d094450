#!/usr/bin/env node
import { minionProgram } from "../cli/daemons.ts";
import { runTool } from "../cli/tool.ts";
import { loadMinionConfig } from "../config/load.ts";
import { notifySystemd } from "../lib/notify.ts";
import { version } from "../lib/version.ts";
import { createLog } from "../log/log.ts";
import { runMinion } from "../minion/minion.ts";

await runTool("msalt-minion", async () => {
  const flags = minionProgram(version)
    .parse()
    .opts<{ configDir?: string; rootDir?: string; logLevel?: string; id?: string; token?: string }>();
  const { logLevel, id, token } = flags;
  const overrides = {
    ...(logLevel !== undefined && { log_level: logLevel }),
    ...(id !== undefined && { id }),
    ...(token !== undefined && { token }),
  };
  const config = loadMinionConfig({ ...flags, overrides });
  const log = createLog({ name: "msalt-minion", level: config.logLevel });
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => stop.abort());
  await runMinion(
    {
      config,
      log,
      version,
      // A key that waits for a person must not hold up the start of the machine.
      onStarted: () => notifySystemd("READY=1"),
      onReady: () => process.stdout.write(`msalt-minion ready id=${config.id} pid=${process.pid}\n`),
    },
    stop.signal,
  );
  return 0;
});
