/** What `promise` gives, or, when that takes longer than `ms`, what `onTimeout` returns or throws. The promise goes on. */
export async function withDeadline<T>(promise: Promise<T>, ms: number, onTimeout: () => T): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(resolve, ms, "late");
  });
  try {
    return await Promise.race([promise.then((value) => ({ value })), late]).then((first) =>
      first === "late" ? onTimeout() : first.value,
    );
  } finally {
    clearTimeout(timer);
  }
}

/** True after `ms`, false as soon as `signal` aborts. */
export function sleep(ms: number, signal?: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve(false);
    const end = (slept: boolean): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      resolve(slept);
    };
    const abort = (): void => end(false);
    const timer = setTimeout(end, ms, true);
    signal?.addEventListener("abort", abort, { once: true });
  });
}
