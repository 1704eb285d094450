import { existsSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { failpoint } from "../../../src/lib/failpoint.ts";
import { Points } from "../../support/failpoints.ts";
import { tempFolder } from "../../support/keys.ts";

/** As in a process that was started with or without the variable. */
async function inProcess(env: NodeJS.ProcessEnv): Promise<typeof failpoint> {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  vi.resetModules();
  return (await import("../../../src/lib/failpoint.ts")).failpoint;
}

let temp: ReturnType<typeof tempFolder>;
let points: Points;
beforeEach(() => {
  temp = tempFolder();
  points = new Points(temp.path);
});
afterEach(() => {
  vi.unstubAllEnvs();
  temp[Symbol.dispose]();
});

describe("a failpoint", () => {
  it("does nothing in a process that was started without the variable", async () => {
    const reach = await inProcess({});
    vi.stubEnv("MSALT_FAILPOINTS", temp.path);
    points.arm("run.end", { act: "throw" });
    expect(() => reach("run.end")).not.toThrow();
    expect(points.isReached("run.end")).toBe(false);
  });

  it("does nothing until it is armed, and then once, at the n-th time", async () => {
    const reach = await inProcess(points.env);
    reach("run.end");
    points.arm("run.end", { act: "throw", nth: 2 });
    reach("run.begin");
    reach("run.end");
    expect(points.isReached("run.end")).toBe(false);
    expect(() => reach("run.end")).toThrow("failpoint run.end");
    expect(points.isReached("run.end")).toBe(true);
    expect(() => reach("run.end")).not.toThrow();
  });

  it("does nothing in another program than the named one", async () => {
    const reach = await inProcess(points.env);
    points.arm("run.end", { act: "throw", program: "master-worker" });
    expect(() => reach("run.end")).not.toThrow();
  });

  it("happens each time until it is disarmed, where it is told so", async () => {
    const reach = await inProcess(points.env);
    points.arm("run.end", { act: "throw", always: true });
    expect(() => reach("run.end")).toThrow("failpoint run.end");
    expect(() => reach("run.end")).toThrow("failpoint run.end");
    points.disarm("run.end");
    expect(() => reach("run.end")).not.toThrow();
  });

  it("holds the process up", async () => {
    const reach = await inProcess(points.env);
    points.arm("run.end", { act: "delay", ms: 30 });
    const started = performance.now();
    reach("run.end");
    expect(performance.now() - started).toBeGreaterThan(25);
    expect(existsSync(`${temp.path}/run.end.hit`)).toBe(true);
  });
});
