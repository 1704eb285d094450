/** What the kernel says of processes: CPU and memory. */
import { readFileSync, readdirSync } from "node:fs";

/** Linux gives CPU in ticks of 10 ms to every program. */
const tickMs = 10;

export function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").split(" ").filter(Boolean).map(Number),
  );
}

/** A process and all below it. */
export function treeOf(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(treeOf)];
}

/** Its words, with spaces between. */
export function commandOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
}

/** User and system time of a living process, in steps of 10 ms; its ended children are not in it. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name in brackets may hold spaces; state, the third field, follows it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * tickMs;
}

/** Proportional set size of these processes together. */
export function pssMiB(pids: readonly number[]): number {
  const kib = pids.map((pid) => Number(/^Pss: +(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1]));
  return kib.reduce((sum, each) => sum + each, 0) / 1024;
}
