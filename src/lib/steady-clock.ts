/** How much faster or slower than real time the clock may run to come back to the machine's. */
const slew = 0.1;

/**
 * Milliseconds since 1970 that never go back and never jump while the process lives: what the machine's clock does, this one
 * follows by running a tenth faster or slower. So a step of it neither ends waiting jobs early nor makes new ones look old to
 * minions that remember a later time (W9, NF-08).
 * @param floor the latest time on record; the clock starts no earlier
 */
export function steadyClock(floor: number, wall: () => number, monotonic: () => number): () => number {
  let time = Math.max(floor, wall());
  let at = monotonic();
  return () => {
    const elapsed = monotonic() - at;
    at += elapsed;
    const room = elapsed * slew;
    time += elapsed + Math.min(Math.max(wall() - time - elapsed, -room), room);
    return Math.floor(time);
  };
}
