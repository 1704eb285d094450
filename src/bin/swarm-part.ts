import { loadMinionConfig } from "../config/load.ts";
import { fatalOf } from "../lib/child.ts";
import { version } from "../lib/version.ts";
import { createLog } from "../log/log.ts";
import { runPart } from "../swarm/part.ts";
import { type FromPart, type PartSettings, partVariable } from "../swarm/swarm.ts";

const text = process.env[partVariable];
if (text === undefined || process.send === undefined) {
  process.stderr.write("swarm-part: error: this program is a part of msalt-swarm, which starts it\n");
  process.exit(64);
}
const { share, settings } = JSON.parse(text) as PartSettings;
const stop = new AbortController();
// The parent alone decides when to stop, be it by its end: a terminal's Ctrl-C reaches the whole group.
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => undefined);
process.on("disconnect", () => stop.abort());
const say = (message: FromPart): void => {
  if (process.connected) process.send?.(message);
};
try {
  const config = loadMinionConfig(settings);
  const log = createLog({ name: "msalt-swarm", level: config.logLevel });
  // Beside the data of the machine's own minion.
  const dir = config.dataDir.replace(/[^/]*$/, "swarm");
  await runPart({ share, config, dir, version, log, onReady: () => say({ ready: true }) }, stop.signal);
  process.exit(0);
} catch (failure) {
  process.send({ fatal: fatalOf(failure) } satisfies FromPart, undefined, undefined, () => process.exit(1));
}
