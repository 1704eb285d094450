import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bus } from "../support/bus.ts";

let bus: Bus;
beforeAll(async () => {
  bus = await Bus.start({ minions: ["web1", "db1"], master: "timeout: 60\npeer:\n  web.*: [test.*, grains.get]" });
});
afterAll(() => bus[Symbol.asyncDispose]());

const on = async (id: string, ...words: string[]): Promise<unknown> =>
  (JSON.parse((await bus.msalt(id, ...words, "--out=json")).stdout) as Record<string, unknown>)[id];

describe("publish.publish", () => {
  it("runs on others what peer allows, for whom it allows it", async () => {
    expect(await on("web1", "publish.publish", "*", "test.ping", "timeout=60")).toEqual({ web1: true, db1: true });
    expect(await on("web1", "publish.publish", "id:db1", "test.echo", "16:34", "tgt_type=grain", "timeout=60")).toEqual(
      { db1: 994 },
    );
    expect(await on("web1", "publish.publish", "nobody", "test.ping")).toEqual({});
    const jobs = JSON.parse(
      (await bus.run("jobs.list_jobs", "search_function=test.echo", "--out=json")).stdout,
    ) as object;
    expect(Object.values(jobs)).toMatchObject([{ User: "minion web1" }]);
  });

  it.each([
    ["db1", "test.ping"],
    ["web1", "cmd.run"],
    ["web1", "grains.getx"],
    ["web1", "test.ping,cmd.run"],
  ])("%s may not run %s", async (id, fun) => {
    expect(await on(id, "publish.publish", "*", fun)).toContain(`does not allow ${id} to run ${fun}`);
    expect((await bus.msalt(id, "publish.publish", "*", fun)).code).toBe(1);
  });
});
