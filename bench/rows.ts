/** All rows, in the order of the table. */
import type { Row } from "./row.ts";
import { flood } from "./rows/flood.ts";

export const rows: readonly Row[] = [
  flood({ connections: 2000, window: 1, each: 20 }),
  flood({ connections: 50, window: 16, each: 800 }),
];
