import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bus } from "../support/bus.ts";

/** Every file below a folder, as text. */
function textsUnder(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: "utf8" })
    .map((name) => join(dir, name))
    .flatMap((path) => {
      try {
        return statSync(path).isFile() ? [readFileSync(path, "latin1")] : [];
      } catch (failure) {
        // Both programs run, and may have just replaced or removed it.
        if ((failure as { code?: string }).code === "ENOENT") return [];
        throw failure;
      }
    });
}

describe("secrets", () => {
  let bus: Bus;
  let token: string;
  beforeAll(async () => {
    bus = await Bus.start({ minions: [], autoAccept: false, master: "log_level: all", minion: "log_level: all" });
    token = /[0-9a-f]{32}/.exec((await bus.key("--token")).stdout)?.[0] ?? "";
    await bus.startMinion("m1", true, ["--token", token]);
  });
  afterAll(() => bus[Symbol.asyncDispose]());

  it("LF-08: are in no log at any level, in no output and in no file but their own", async () => {
    expect(token).not.toBe("");
    await bus.msalt("m1", "test.ping");
    await bus.msalt("m1", "nosuch.fun");
    const shown = [await bus.msalt("m1", "config.get", "token"), await bus.msalt("m1", "cmd.run", "env")];
    const config = await bus.msalt("m1", "grains.items", "--out=json");
    const secrets = [token];
    for (const name of ["master/master.sign", "master/master.box", "master/master.curve", "m1/minion.sign"]) {
      const words = readFileSync(join(bus.pki, name), "utf8").split(/\s+/);
      secrets.push(words.toSorted((a, b) => b.length - a.length)[0] ?? "");
    }
    const local = readFileSync(join(bus.masterRoot, "run/msalt/master/local.secret"));
    secrets.push(local.toString("hex"), local.toString("base64"));
    const places = [
      ...shown.map(({ stdout, stderr }) => stdout + stderr),
      config.stdout,
      bus.master?.stderr ?? "",
      bus.minion("m1").stderr,
      ...textsUnder(join(bus.masterRoot, "var")),
      ...textsUnder(join(bus.minionRoot("m1"), "var")),
    ];
    expect(secrets.every((secret) => secret.length >= 32)).toBe(true);
    for (const secret of secrets) expect(places.filter((text) => text.includes(secret))).toEqual([]);
  });
});
