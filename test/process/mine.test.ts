import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bus } from "../support/bus.ts";
import { until } from "../support/proc.ts";

let bus: Bus;
beforeAll(async () => {
  bus = await Bus.start({ minions: [] });
  await bus.startMinion(
    "web1",
    true,
    [],
    "mine_functions:\n  test.echo: first\n  who: [{mine_function: grains.get}, id]",
  );
  await bus.startMinion("db1");
});
afterAll(() => bus[Symbol.asyncDispose]());

const on = async (id: string, ...words: string[]): Promise<unknown> =>
  (JSON.parse((await bus.msalt(id, ...words, "--out=json")).stdout) as Record<string, unknown>)[id];

describe("mine", () => {
  it("keeps the functions of the configuration, for every minion to read", async () => {
    await until("the first update", async () => JSON.stringify(await on("db1", "mine.get", "*", "who")) !== "{}");
    expect(await on("db1", "mine.get", "*", "who,test.echo")).toEqual({
      who: { web1: "web1" },
      "test.echo": { web1: "first" },
    });
    expect(await on("web1", "mine.valid")).toEqual({
      "test.echo": { "test.echo": ["first"] },
      who: { "grains.get": ["id"] },
    });
  });

  it("takes more, by name and alias, and forgets what it is told to", async () => {
    expect(await on("db1", "mine.send", "test.echo", "mine")).toBe(true);
    expect(await on("db1", "mine.send", "sum", "mine_function=test.kwarg", "a=1")).toBe(true);
    expect(await on("web1", "mine.get", "id:db1", "sum", "tgt_type=grain")).toMatchObject({ db1: { a: 1 } });
    expect(await on("web1", "mine.get", "*", "test.echo")).toEqual({ web1: "first", db1: "mine" });
    expect(await on("web1", "mine.get", "*", "test.echo", "exclude_minion=True")).toEqual({ db1: "mine" });
    expect(await on("db1", "mine.delete", "sum")).toBe(true);
    expect(await on("web1", "mine.get", "*", "sum")).toEqual({});
    expect(await on("db1", "mine.send", "test.exception")).toContain("nothing is kept");
    expect(await on("db1", "mine.send", "cmd.run", "head -c 140000 /dev/zero | tr '\\0' x")).toContain(
      "at most 131072 bytes",
    );
  });

  it("says which functions of the configuration gave no value", async () => {
    await bus.startMinion("bad1", true, [], "mine_functions:\n  test.echo: kept\n  test.exception: []");
    expect(await on("bad1", "mine.update")).toMatchObject({
      failed: { "test.exception": expect.any(String) as string },
    });
    expect(await on("web1", "mine.get", "bad1", "test.echo")).toEqual({ bad1: "kept" });
    await bus.minion("bad1").stop();
    await bus.key("-y", "-d", "bad1");
  });

  it("outlasts the master, and goes with the key", async () => {
    await bus.master?.stop();
    await bus.startMaster();
    await bus.connected(["web1", "db1"]);
    expect(await on("web1", "mine.get", "*", "test.echo")).toEqual({ web1: "first", db1: "mine" });
    await bus.key("-y", "-d", "db1");
    expect(await on("web1", "mine.get", "*", "test.echo")).toEqual({ web1: "first" });
    expect(await on("web1", "mine.flush")).toBe(true);
    expect(await on("web1", "mine.get", "*", "test.echo")).toEqual({});
  });
});
