import { readFileSync, readdirSync } from "node:fs";
import { availableParallelism, hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { masterFile } from "../../src/config/master.ts";
import { minionFile } from "../../src/config/minion.ts";
import { errorCodes } from "../../src/errors.ts";

const root = join(import.meta.dirname, "../..");
const doc = (name: string): string => readFileSync(join(root, "docs", name), "utf8");
const rows = (text: string): string[][] =>
  [...text.matchAll(/^\| `([^`]+)` \| ([^|]+) \|/gm)].map(([, key = "", value = ""]) => [key, value.trim()]);

describe("docs/errors.md", () => {
  it("has a row for each code, and no other", () => {
    expect(rows(doc("errors.md")).map(([code]) => code)).toEqual([...errorCodes]);
  });
});

describe("docs/configuration.md", () => {
  const [, master = "", minion = ""] = doc("configuration.md").split(/^## .*$/m);

  it.each([
    ["master", master, masterFile],
    ["minion", minion, minionFile],
  ])("names every key of the %s, in order", (_name, text, schema) => {
    expect(rows(text).map(([key]) => key)).toEqual(Object.keys(schema.shape));
  });

  it.each([
    ["master", master, masterFile],
    ["minion", minion, minionFile],
  ])("gives the %s's defaults as they are", (_name, text, schema) => {
    const defaults: Readonly<Record<string, unknown>> = schema.parse({});
    for (const [key = "", written = ""] of rows(text)) {
      const value = defaults[key];
      const literal = /^`([^`<]+)`$/.exec(written)?.[1];
      if (literal !== undefined) {
        expect([key, literal]).toEqual([key, typeof value === "string" ? value : JSON.stringify(value)]);
      } else if (written === "host name") {
        expect([key, value]).toEqual([key, hostname()]);
      } else if (written === "cores, at least 2") {
        expect([key, value]).toEqual([key, Math.max(2, availableParallelism())]);
      } else {
        expect([key, value]).toEqual([key, undefined]);
        expect(written).toMatch(/^(none|all|`<(config|root)>\/.+`)$/);
      }
    }
  });
});

describe("links in the docs", () => {
  it.each([
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    ...readdirSync(join(root, "docs"))
      .filter((file) => file.endsWith(".md"))
      .map((file) => `docs/${file}`),
  ])("of %s lead somewhere", (file) => {
    const text = readFileSync(join(root, file), "utf8");
    for (const [, target = ""] of text.matchAll(/\]\(([^)#:]+)\)/g)) {
      expect(() => readFileSync(join(root, file, "..", target)), `${file} → ${target}`).not.toThrow();
    }
  });
});

describe("docs/reliability.md", () => {
  it("names every id that a test begins with, and where", () => {
    const folder = join(root, "test");
    const found = new Map<string, Set<string>>();
    const add = (id: string, file: string): void => void found.set(id, (found.get(id) ?? new Set()).add(file));
    for (const path of readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
      /(\.test|\/contract)\.ts$/.test(name),
    )) {
      const file = path.replace(/(\.test)?\.ts$/, "");
      const text = readFileSync(join(folder, path), "utf8");
      for (const [, ids = ""] of text.matchAll(/["`]((?:[A-Z]{1,2}-?\d+(?:-[A-Z]?\d+)?(?:, | and )?)+): /g)) {
        for (const [id, from, to] of ids.matchAll(/[A-Z]{2}-\d+|[PIJ](\d+)(?:-I(\d+))?/g)) {
          if (to === undefined) add(id, file);
          else for (let n = Number(from); n <= Number(to); n += 1) add(`I${n}`, file);
        }
      }
    }
    const rows = [...doc("reliability.md").matchAll(/^\| ([A-Z]{1,2}-?\d+) \| [^|]+ \| ([^|]+) \|$/gm)];
    expect(
      Object.fromEntries(rows.map(([, id = "", files = ""]) => [id, files.replaceAll("`", "").split(", ")])),
    ).toEqual(Object.fromEntries([...found].map(([id, files]) => [id, [...files].toSorted()])));
  });
});
