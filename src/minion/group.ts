import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

const firstPollMs = 10;
const lastPollMs = 250;
const afterKillMs = 1000;

/** How a group was ended: the last signal it took, how long it took, and who is still there. */
export interface Ending {
  readonly signal: NodeJS.Signals;
  readonly waitMs: number;
  readonly survivors: number[];
}

/** Signals a whole process group; false when nothing of it is left. */
export function signalGroup(pgid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-pgid, signal);
  } catch (failure) {
    return (failure as { code?: string }).code === "EPERM";
  }
}

/** `first` to the group, KILL to what is left after `killAfterMs`; `survivors` outlived even that. */
export async function endGroup(pgid: number, first: NodeJS.Signals, killAfterMs: number): Promise<Ending> {
  const start = performance.now();
  const ending = (signal: NodeJS.Signals, survivors: number[] = []): Ending => ({
    signal,
    waitMs: Math.round(performance.now() - start),
    survivors,
  });
  signalGroup(pgid, first);
  if (await isGone(pgid, first === "SIGKILL" ? afterKillMs : killAfterMs)) return ending(first);
  signalGroup(pgid, "SIGKILL");
  return ending("SIGKILL", (await isGone(pgid, afterKillMs)) ? [] : membersOf(pgid));
}

async function isGone(pgid: number, withinMs: number): Promise<boolean> {
  let waited = 0;
  for (let step = firstPollMs; ; step = Math.min(2 * step, lastPollMs)) {
    // A zombie whose parent never reaps it still counts for kill(2): look closer.
    if (!signalGroup(pgid, 0) || membersOf(pgid).length === 0) return true;
    if (waited >= withinMs) return false;
    await delay(Math.min(step, withinMs - waited));
    waited += step;
  }
}

/** Living processes of a group. */
function membersOf(pgid: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const text = readFileSync(`/proc/${pid}/stat`, "latin1");
        const [state, , group] = text.slice(text.lastIndexOf(")") + 2).split(" ");
        return state !== "Z" && state !== "X" && Number(group) === pgid;
      } catch {
        return false;
      }
    });
}
