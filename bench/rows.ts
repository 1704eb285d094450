/** All rows, in the order of the table. */
import type { Row } from "./row.ts";
import { dead, ping, real, restart } from "./rows/commands.ts";
import { fanOut } from "./rows/fan-out.ts";
import { flood } from "./rows/flood.ts";
import { jobs, overrun } from "./rows/jobs.ts";
import { largeReturn } from "./rows/large-return.ts";
import { connected, memory, minionStart } from "./rows/memory.ts";
import { target } from "./rows/targets.ts";

export const rows: readonly Row[] = [
  ping,
  real,
  ...[1, 10, 100, 1000, 2000, 5000].map(fanOut),
  flood({ connections: 2000, window: 1, each: 20 }),
  flood({ connections: 50, window: 16, each: 800 }),
  jobs(1),
  jobs(16),
  overrun,
  dead,
  restart,
  ...[1, 50, 100].map(memory),
  minionStart,
  connected,
  largeReturn,
  target,
];
