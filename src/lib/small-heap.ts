/**
 * For `node`: V8 lets a heap fill up before it looks for garbage; in a process that makes little of it that takes hours and
 * looks like a leak. So here it looks after each 2 MiB more, in place of 8, and in quiet moments, with a young generation of 1 MiB in place
 * of 16. One that opens or stores every return would be a sixth slower by it.
 */
export const smallHeap = ["--optimize-for-size", "--initial-old-space-size=4"] as const;

/** A young generation of 2 MiB, and a first full collection at 4; each moves together what is left, which is little. */
export const workingHeap = [
  "--max-semi-space-size=2",
  "--initial-old-space-size=4",
  "--compact-on-every-full-gc",
] as const;

/** For one that holds on to what it is given until it is on disk: with less, a quarter of its time would go into collections. */
export const busyHeap = ["--max-semi-space-size=8", "--initial-old-space-size=32"] as const;
