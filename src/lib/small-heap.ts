/**
 * For `node`: a young generation of 2 MiB instead of 16, and a first full collection early. V8 lets a heap fill up before it
 * looks for garbage; in a process that makes little of it that takes hours and looks like a leak, and many such processes share
 * a machine.
 */
export const smallHeap = ["--max-semi-space-size=2", "--initial-old-space-size=16"] as const;
