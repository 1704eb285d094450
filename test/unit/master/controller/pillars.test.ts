import { mkdirSync, mkdtempSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PillarFiles } from "../../../../src/master/controller/pillar-files.ts";
import { Pillars } from "../../../../src/master/controller/pillars.ts";
import { resolveTarget } from "../../../../src/target/target.ts";
import { decode, resultScan } from "../../../../src/wire/codec.ts";
import type { MinionId } from "../../../../src/wire/ids.ts";

const web = { id: "web1" as MinionId };
const db = { id: "db1" as MinionId };
const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("Pillars", () => {
  let dir: string;
  let pillars: Pillars;
  let errors: string[];
  const put = (path: string, text: string | Uint8Array): void => writeFileSync(join(dir, "first", path), text);

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "msalt-pillar-"));
    for (const each of ["first", "first/b", "second"]) mkdirSync(join(dir, each));
    errors = [];
    pillars = new Pillars({
      files: new PillarFiles([join(dir, "first"), join(dir, "second")]),
      nodegroups: {},
      log: { error: (_message, fields) => void errors.push(String(fields?.["failure"])) },
    });
    put("top.sls", "base:\n  '*': [common]\n  'web*': [web]\n  'os:Debian': [{match: grain}, debian]\n");
    put("common.sls", "all: true\n");
    put("web.sls", "role: web\n");
    put("debian.sls", "apt: true\n");
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it("gives each minion its own part, encoded as it reads it", () => {
    expect(pillars.of(web).data).toEqual({ all: true, role: "web" });
    expect(pillars.of(db).data).toEqual({ all: true });
    expect(decode(pillars.of(web).encoded, resultScan)).toEqual({ all: true, role: "web" });
  });

  it("sees what has changed, come and gone, and grains that have changed", async () => {
    expect(pillars.of(web)).toBe(pillars.of(web));
    put("web.sls", "role: proxy\n");
    await tick();
    expect(pillars.of(web).data).toEqual({ all: true, role: "proxy" });
    unlinkSync(join(dir, "first/web.sls"));
    writeFileSync(join(dir, "second/web.sls"), "role: second\n");
    await tick();
    expect(pillars.of(web).data).toEqual({ all: true, role: "second" });
    put("web.sls", "role: first\n");
    await tick();
    expect(pillars.of(web).data).toEqual({ all: true, role: "first" });
    expect(pillars.of({ ...web, grains: { os: "Debian" } }).data).toEqual({ all: true, role: "first", apt: true });
    unlinkSync(join(dir, "first/top.sls"));
    await tick();
    expect(pillars.of(web).data).toEqual({});
  });

  it("is what -I, -J and I@ ask, and is not made for other targets", () => {
    const hit = (...[tgt, type]: [string, "pillar" | "pillar_pcre" | "compound"]): string[] =>
      resolveTarget(tgt, type, pillars.withPillar([web, db])).minions;
    expect(hit("role:w*", "pillar")).toEqual(["web1"]);
    expect(hit("role:w.b", "pillar_pcre")).toEqual(["web1"]);
    expect(hit("I@all:True and not I@role:web", "compound")).toEqual(["db1"]);
    put("top.sls", "broken: [");
    expect(resolveTarget("*", "glob", pillars.withPillar([web, db])).minions).toEqual(["web1", "db1"]);
    expect(errors).toEqual([]);
  });

  it.each<[string, () => void, string]>([
    ["a link out of the root", () => symlinkSync("/etc/hostname", join(dir, "first/web.sls")), "leads out of its root"],
    [
      "a file in a linked folder outside",
      () => {
        mkdirSync(join(dir, "outside"));
        writeFileSync(join(dir, "outside/x.sls"), "secret: 1\n");
        symlinkSync(join(dir, "outside"), join(dir, "first/out"));
        put("web.sls", "include: [out.x]\n");
      },
      "leads out of its root",
    ],
    ["a folder", () => mkdirSync(join(dir, "first/web.sls")), "is not a file"],
    ["no UTF-8", () => put("web.sls", Uint8Array.of(0x61, 0x3a, 0x20, 0xff)), "is not UTF-8"],
    ["a file that is too large", () => put("web.sls", `a: ${"x".repeat(1_048_577)}`), "larger than 1048576 bytes"],
    [
      "a pillar that is too large",
      () => {
        put("b/one.sls", `a: ${"x".repeat(700_000)}`);
        put("b/two.sls", `b: ${"x".repeat(700_000)}`);
        put("web.sls", "include: [b.one, b.two]\n");
      },
      "over the limit of 1048576",
    ],
    ["a key that cannot be sent", () => put("web.sls", "__proto__: {a: 1}\n"), "the pillar cannot be sent"],
  ])("has nothing but the error for %s, logged once; other minions have theirs", (_what, spoil, message) => {
    unlinkSync(join(dir, "first/web.sls"));
    spoil();
    const { data } = pillars.of(web);
    expect(data).toEqual({ _errors: [expect.stringContaining(message)] });
    expect(pillars.of({ id: "web2" as MinionId }).data).toEqual(data);
    expect(errors).toEqual(data["_errors"]);
    expect(pillars.of(db).data).toEqual({ all: true });
  });

  it("follows a link that stays in its root", () => {
    unlinkSync(join(dir, "first/web.sls"));
    put("b/real.sls", "role: linked\n");
    symlinkSync("b/real.sls", join(dir, "first/web.sls"));
    expect(pillars.of(web).data).toEqual({ all: true, role: "linked" });
  });

  it("tells minions of a broken top.sls without its targets, and the log with the reason", () => {
    put("top.sls", "base:\n  '( secret': [{match: compound}, web]\n");
    expect(pillars.of(db).data).toEqual({ _errors: [expect.stringContaining("top.sls line 2: not a target")] });
    expect(JSON.stringify(pillars.of(db).data)).not.toContain("secret");
    expect(errors).toEqual([expect.stringContaining("secret")]);
  });
});
