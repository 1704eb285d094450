/**
 * For `node`: V8 lets a heap fill up before it looks for garbage; in a process that makes little of it that takes hours and
 * looks like a leak. A young generation of 2 MiB in place of 16, and a first full collection at 4 MiB.
 */
export const smallHeap = ["--max-semi-space-size=2", "--initial-old-space-size=4"] as const;

/** For one that holds on to what it is given until it is on disk: with less, a quarter of its time would go into collections. */
export const busyHeap = ["--max-semi-space-size=8", "--initial-old-space-size=32"] as const;
