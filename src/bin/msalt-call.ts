#!/usr/bin/env node
import { msaltCall } from "../cli/local-call.ts";
import { runTool } from "../cli/tool.ts";
import { version } from "../lib/version.ts";
import { askMinion, callSocket } from "../minion/call-server.ts";

await runTool("msalt-call", () =>
  msaltCall(process.argv.slice(2), version, {
    minion: (config, call) => askMinion(callSocket(config.dataDir), call),
    local: async (config, call, fileRoot) => {
      const { callLocally } = await import("../minion/local-call.ts");
      const stop = new AbortController();
      for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => stop.abort(name));
      return callLocally(config, call, { version, signal: stop.signal, fileRoot });
    },
  }),
);
