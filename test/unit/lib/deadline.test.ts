import { getEventListeners } from "node:events";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { sleep, withDeadline } from "../../../src/lib/deadline.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const never = new Promise<string>(() => undefined);

describe("withDeadline", () => {
  it("gives what the promise gives in time, and leaves no timer behind", async () => {
    await expect(withDeadline(Promise.resolve("done"), 1000, () => "late")).resolves.toBe("done");
    await expect(withDeadline(Promise.reject(new Error("broken")), 1000, () => "late")).rejects.toThrow("broken");
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([
    ["gives a value of the caller's", (): string => "late", { status: "fulfilled", value: "late" }],
    [
      "throws what the caller throws",
      (): never => {
        throw new RangeError("late");
      },
      { status: "rejected", reason: new RangeError("late") },
    ],
  ])("when time is up %s", async (_case, onTimeout, expected) => {
    const outcome = Promise.allSettled([withDeadline(never, 1000, onTimeout)]);
    await vi.advanceTimersByTimeAsync(1000);
    expect(await outcome).toEqual([expected]);
  });

  it("does not ask for the late value before time is up", async () => {
    const onTimeout = vi.fn<() => string>(() => "late");
    const pending = withDeadline(never, 1000, onTimeout);
    await vi.advanceTimersByTimeAsync(999);
    expect(onTimeout).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    await expect(pending).resolves.toBe("late");
  });

  it("lets a promise that fails after its deadline fail unheard", async () => {
    let fail: (failure: Error) => void = () => undefined;
    const slow = new Promise<string>((_resolve, reject) => {
      fail = reject;
    });
    const pending = withDeadline(slow, 10, () => "late");
    await vi.advanceTimersByTimeAsync(10);
    await expect(pending).resolves.toBe("late");
    fail(new Error("too late"));
    await vi.advanceTimersByTimeAsync(0);
  });
});

describe("sleep", () => {
  it("is true after its time", async () => {
    const slept = sleep(500);
    await vi.advanceTimersByTimeAsync(499);
    await expect(Promise.race([slept, Promise.resolve("still")])).resolves.toBe("still");
    await vi.advanceTimersByTimeAsync(1);
    await expect(slept).resolves.toBe(true);
  });

  it("is false as soon as the signal aborts, and leaves nothing behind", async () => {
    const abort = new AbortController();
    const slept = sleep(500, abort.signal);
    abort.abort();
    await expect(slept).resolves.toBe(false);
    expect(vi.getTimerCount()).toBe(0);
    await expect(sleep(500, abort.signal)).resolves.toBe(false);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("takes its listener off a signal that lives on", async () => {
    const { signal } = new AbortController();
    const slept = sleep(500, signal);
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(500);
    await slept;
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });
});
