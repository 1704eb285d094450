/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

/** Of this run: `MSALT_TEST_SEED`, or another each time. Printed, so that a failure can be repeated. */
export function seedOfRun(): number {
  const seed = Number(process.env["MSALT_TEST_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  process.stderr.write(`MSALT_TEST_SEED=${seed}\n`);
  return seed;
}
