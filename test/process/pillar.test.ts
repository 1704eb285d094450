import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decode } from "@msgpack/msgpack";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rawMinion } from "../support/attack.ts";
import { Bus } from "../support/bus.ts";

describe("the pillar", () => {
  let bus: Bus;
  const put = (path: string, text: string): void => writeFileSync(join(bus.masterRoot, "srv/pillar", path), text);
  const ask = async (...args: string[]): Promise<unknown> => {
    const { stdout, stderr } = await bus.msalt(...args, "--static", "--out=json");
    if (stdout === "") throw new Error(stderr);
    return JSON.parse(stdout) as unknown;
  };

  beforeAll(async () => {
    bus = await Bus.start({ minions: [], master: "timeout: 60" });
    mkdirSync(join(bus.masterRoot, "srv/pillar"), { recursive: true });
    put("top.sls", "base:\n  '*': [common]\n  web1: [web]\n  db1: [db]\n  'tier:gold': [{match: grain}, gold]\n");
    put("common.sls", "ntp: {servers: [10.0.0.1]}\n");
    put("web.sls", "role: web\npassword: only-web\n");
    put("db.sls", "role: db\npassword: only-db\n");
    put("gold.sls", "gold: true\n");
    await Promise.all([bus.startMinion("web1"), bus.startMinion("db1")]);
  });
  afterAll(() => bus[Symbol.asyncDispose]());

  it("is there at the first job, to each minion its own part", async () => {
    const ntp = { servers: ["10.0.0.1"] };
    expect(await ask("*", "pillar.raw")).toEqual({
      web1: { ntp, role: "web", password: "only-web" },
      db1: { ntp, role: "db", password: "only-db" },
    });
    const { stdout } = await bus.run("pillar.show_pillar", "db1", "--out=json");
    expect(JSON.parse(stdout)).toEqual({ ntp, role: "db", password: "only-db" });
    expect(await bus.run("pillar.show_pillar", "nobody")).toMatchObject({
      stderr: expect.stringContaining("no accepted minion nobody"),
    });
  });

  it("is a target", async () => {
    expect(await ask("-I", "role:web", "test.ping")).toEqual({ web1: true });
    expect(await ask("-J", "role:d.$", "test.ping")).toEqual({ db1: true });
    expect(await ask("-C", "I@role:web", "test.ping")).toEqual({ web1: true });
    expect(await ask("-C", "I@ntp:servers:10.0.0.1 and not I@role:web", "test.ping")).toEqual({ db1: true });
    expect(await bus.msalt("-I", "role:mail", "test.ping")).toMatchObject({ code: 2 });
  });

  it("is seen anew after saltutil.refresh_pillar, at once by pillar.items and by targets", async () => {
    put("web.sls", "role: proxy\n");
    expect(await ask("web1", "pillar.get", "role")).toEqual({ web1: "web" });
    expect(await ask("web1", "pillar.items")).toMatchObject({ web1: { role: "proxy" } });
    expect(await ask("web1", "pillar.get", "role")).toEqual({ web1: "web" });
    expect(await ask("-I", "role:proxy", "saltutil.refresh_pillar")).toEqual({ web1: true });
    expect(await ask("*", "pillar.item", "role", "password")).toEqual({
      web1: { role: "proxy", password: "" },
      db1: { role: "db", password: "only-db" },
    });
  });

  it("follows the grains that a minion sets", async () => {
    await ask("db1", "grains.setval", "tier", "gold");
    expect(await ask("*", "pillar.get", "gold", "bronze")).toEqual({ web1: "bronze", db1: true });
  });

  it("is the error alone while a file is broken, for its minions only", async () => {
    put("web.sls", "role: web\nbroken: [\n");
    await ask("*", "saltutil.refresh_pillar");
    const file = join(bus.masterRoot, "srv/pillar/web.sls");
    expect(await ask("*", "pillar.raw")).toEqual({
      web1: { _errors: [expect.stringMatching(`^Rendering SLS 'web' failed: ${file} line \\d: not valid YAML`)] },
      db1: expect.objectContaining({ role: "db" }),
    });
  });

  it("may hold more values than a request", async () => {
    const names = Array.from({ length: 30_000 }, (_, n) => `  n${n}: value ${n}`);
    put("web.sls", `many:\n${names.join("\n")}\n`);
    await ask("web1", "saltutil.refresh_pillar");
    expect(await ask("web1", "pillar.get", "many:n29999")).toEqual({ web1: "value 29999" });
  });

  it("goes to the key that asks, and asking costs what the answer weighs", async () => {
    put("common.sls", `common: ${"x".repeat(900_000)}\n`);
    using raw = await rawMinion(bus, "raw");
    expect(await raw.ask({ cmd: "pillar", id: "web1" })).toMatchObject({ error: "E_SCHEMA" });
    const { ok } = (await raw.ask({ cmd: "pillar" })) ?? {};
    expect(Object.keys(decode(ok?.["pillar"] as Uint8Array) as object)).toEqual(["common"]);
    const answers = await Promise.all(Array.from({ length: 60 }, () => raw.ask({ cmd: "pillar" })));
    const given = answers.filter((answer) => answer?.ok !== undefined);
    expect(given.length).toBeLessThan(50);
    expect(answers.find((answer) => answer?.error !== undefined)).toMatchObject({ error: "E_RATE" });
  });
});
