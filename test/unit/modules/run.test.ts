import { describe, expect, it } from "vitest";
import * as z from "zod";
import { MsaltError } from "../../../src/errors.ts";
import { type AnyFunction, declare, Outcome } from "../../../src/modules/declare.ts";
import { runFunction } from "../../../src/modules/run.ts";
import { call, fakeHost } from "../../support/host.ts";

const failing = (thrown: unknown) => async () => {
  throw thrown;
};
const cases: Record<string, () => Promise<unknown>> = {
  plain: async () => ({ a: 1 }),
  nothing: async () => undefined,
  unlucky: async () => ({ result: false, comment: "no" }),
  unsuccessful: async () => ({ success: false }),
  fine: async () => ({ result: true }),
  undecided: async () => ({ result: null }),
  untrue: async () => false,
  outcome: async () => new Outcome("text", 3),
  late: async () => new Outcome("text", 143, "timed_out"),
  negative: async () => new Outcome(1, -15),
  huge: async () => new Outcome(1, 256),
  broken: failing(new TypeError("bad thing")),
  refused: failing(new MsaltError("ERR_COMMAND", "cannot start", { secret: "hunter2" })),
  odd: failing("just text"),
};
const functions = new Map<string, AnyFunction>(
  Object.entries(cases).map(([name, run]) => [
    `it.${name}`,
    declare({ name: `it.${name}`, summary: "Be a case.", params: z.strictObject({}), effects: "none", run }),
  ]),
);
const run = (name: string, signal = new AbortController().signal) =>
  runFunction(functions, { fun: `it.${name}`, arg: [] }, fakeHost({ functions, signal }));

describe("runFunction", () => {
  it.each<[string, object]>([
    ["plain", { value: { a: 1 }, retcode: 0, success: true, state: "succeeded" }],
    ["nothing", { value: null, retcode: 0 }],
    ["unlucky", { value: { result: false, comment: "no" }, retcode: 1, success: false, state: "failed" }],
    ["unsuccessful", { retcode: 1, state: "failed" }],
    ["fine", { retcode: 0 }],
    ["undecided", { retcode: 0 }],
    ["untrue", { value: false, retcode: 0, success: true }],
    ["outcome", { value: "text", retcode: 3, success: false, state: "failed" }],
    ["late", { retcode: 143, success: false, state: "timed_out" }],
    ["negative", { retcode: 255, success: false }],
    ["huge", { retcode: 255, success: false }],
    ["refused", { value: "ERROR: cannot start", retcode: 1, state: "failed" }],
    ["odd", { value: "The minion function caused an exception: just text", retcode: 1 }],
  ])("gives the verdict on %s", async (name, expected) => {
    expect(await run(name)).toMatchObject(expected);
  });

  it("shows an exception with a short stack", async () => {
    const { value, retcode, success } = await run("broken");
    expect([retcode, success]).toEqual([1, false]);
    const [first, ...frames] = String(value).split("\n");
    expect(first).toBe("The minion function caused an exception: TypeError: bad thing");
    expect(frames.length).toBeGreaterThan(0);
    expect(frames.length).toBeLessThanOrEqual(5);
  });

  it.each([
    ["timeout", "timed_out"],
    [undefined, "killed"],
  ])("is never a success when it was ended: reason %s", async (reason, state) => {
    const abort = new AbortController();
    abort.abort(reason);
    expect(await run("plain", abort.signal)).toMatchObject({ state, success: false, retcode: 1 });
    expect(await run("outcome", abort.signal)).toMatchObject({ state, success: false, retcode: 3 });
  });

  it("says that a function is not available, and which one may be meant", async () => {
    const host = fakeHost();
    expect(await call(host, "nosuch.fun")).toEqual({
      value: "'nosuch.fun' is not available.",
      retcode: 1,
      success: false,
      state: "failed",
    });
    expect((await call(host, "test.pnig")).value).toBe("'test.pnig' is not available. Did you mean test.ping?");
  });

  it("answers bad arguments with the reason and the documentation", async () => {
    const { value, retcode, state } = await call(fakeHost(), "test.ping", "surplus");
    expect([retcode, state]).toEqual([1, "failed"]);
    expect(value).toMatch(
      /^Passed invalid arguments to test\.ping: ping\(\) takes 0 positional arguments but 1 was given\n\nAnswer True/,
    );
  });
});
