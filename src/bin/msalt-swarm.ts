#!/usr/bin/env node
import { join } from "node:path";
import { swarmOptions } from "../cli/swarm-options.ts";
import { runTool } from "../cli/tool.ts";
import { loadMinionConfig } from "../config/load.ts";
import { version } from "../lib/version.ts";
import { createLog } from "../log/log.ts";
import { runSwarm } from "../swarm/swarm.ts";

await runTool("msalt-swarm", async () => {
  const options = swarmOptions(process.argv.slice(2), version);
  // Said once, not by each process.
  loadMinionConfig(options.settings);
  const log = createLog({ name: "msalt-swarm", level: "info" });
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => stop.abort());
  const ready = (processes: number): void => {
    process.stdout.write(`msalt-swarm ready minions=${options.minions} processes=${processes} pid=${process.pid}\n`);
  };
  await runSwarm(options, join(import.meta.dirname, "swarm-part.js"), log, ready, stop.signal);
  return 0;
});
