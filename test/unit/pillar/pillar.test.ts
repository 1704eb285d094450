import { describe, expect, it } from "vitest";
import { compilePillar } from "../../../src/pillar/compile.ts";
import { merge } from "../../../src/pillar/merge.ts";
import type { PillarReader } from "../../../src/pillar/source.ts";
import { namesOf, readTop } from "../../../src/pillar/top.ts";
import type { MinionId } from "../../../src/wire/ids.ts";

const readerOf = (files: Readonly<Record<string, string>>): PillarReader => ({
  read: (path) => {
    const text = files[path];
    return text === undefined ? undefined : { path, file: `/srv/pillar/${path}`, text };
  },
});

/** What a minion gets of these files. */
function pillarOf(files: Readonly<Record<string, string>>, id = "web1", grains?: Record<string, unknown>): unknown {
  const reader = readerOf(files);
  const top = readTop(reader);
  if (top === undefined) return undefined;
  const names = namesOf(top, [{ id: id as MinionId, grains }], { front: "web1 or G@role:front" });
  return compilePillar(names.get(id as MinionId) ?? [], top.source, reader);
}

const top = (...names: string[]): string => `base:\n  '*':\n${names.map((name) => `  - ${name}\n`).join("")}`;

describe("merge", () => {
  it("merges maps at every depth, and replaces everything else", () => {
    expect(
      merge({ a: { x: 1, y: { p: 1 } }, list: [1, 2], b: { c: 1 } }, { a: { y: { q: 2 } }, list: [3], b: 7, n: null }),
    ).toEqual({ a: { x: 1, y: { p: 1, q: 2 } }, list: [3], b: 7, n: null });
  });

  it("keeps a key called __proto__ a key", () => {
    const merged = merge(JSON.parse('{"__proto__": {"a": 1}}'), { b: 2 });
    expect(Object.getPrototypeOf(merged)).toBe(Object.prototype);
    expect(Object.keys(merged)).toEqual(["__proto__", "b"]);
  });
});

describe("top.sls", () => {
  const files = {
    "top.sls": `
base:
  'web*': [glob]
  'web1,db1': [{match: list}, list]
  'db\\d': [{match: pcre}, pcre]
  'os:Deb*': [grain, {match: grain}]
  'os:Deb': [{match: grain_pcre}, grain_pcre]
  '10.0.0.0/8': [{match: ipcidr}, ipcidr]
  front: [{match: nodegroup}, nodegroup]
  'G@os:Debian and not web*': [{match: compound}, compound]
`,
  };
  const found = (id: string, grains?: Record<string, unknown>): readonly string[] | undefined => {
    const read = readTop(readerOf(files));
    if (read === undefined) throw new Error("no top.sls");
    return namesOf(read, [{ id: id as MinionId, grains }], { front: "web1 or G@role:front" }).get(id as MinionId);
  };

  it.each<[string, Record<string, unknown> | undefined, string[]]>([
    ["web1", undefined, ["glob", "list", "nodegroup"]],
    ["db1", undefined, ["list", "pcre"]],
    ["db2", { os: "Debian" }, ["pcre", "grain", "grain_pcre", "compound"]],
    ["web2", { os: "Debian", ipv4: ["10.1.2.3"] }, ["glob", "grain", "grain_pcre", "ipcidr"]],
    ["x", { role: "front" }, ["nodegroup"]],
    ["y", { os: "Alpine" }, []],
  ])("gives %s %j the files %j", (id, grains, names) => {
    expect(found(id, grains)).toEqual(names);
  });

  it.each<[string, string, string]>([
    ["another environment", "base: {}\ndev: {'*': [a]}", "line 2: there is no environment but base"],
    ["a name without a list", "base:\n  a: [x]\n  'secret*': web", "line 3: a target must have a list of files"],
    ["an unknown match", "base:\n  'secret*': [{match: range}]", "line 2: match must be one of glob, "],
    ["pillar as a match", "base:\n  'secret*': [{match: pillar}]", "line 2: match must be one of glob, "],
    ["another option", "base:\n  'secret*': [{order: 1}]", "line 2: a list of files holds names and"],
    [
      "the pillar in a compound target",
      "base:\n  'I@secret:x': [{match: compound}]",
      "line 2: not a target of the kind",
    ],
    ["a broken target", "base:\n  '( secret': [{match: compound}]", "line 2: not a target of the kind compound"],
    ["broken YAML", "base:\n  'secret*': [", "line 2: not valid YAML"],
    ["a template", "base:\n  # {{ x }}\n", "line 2: only plain YAML is read, no templates ({{)"],
  ])("refuses %s with its line, and quotes no target", (_what, text, message) => {
    const attempt = (): unknown => pillarOf({ "top.sls": text });
    expect(attempt).toThrow(`/srv/pillar/top.sls ${message}`);
    expect(attempt).not.toThrow("secret");
    expect(attempt).toThrow(expect.objectContaining({ code: "ERR_PILLAR_INVALID" }));
  });

  it("may be missing or empty", () => {
    expect(readTop(readerOf({}))).toBeUndefined();
    expect(pillarOf({ "top.sls": "# nothing yet\n" })).toEqual({});
  });
});

describe("compilePillar", () => {
  it("merges files in their order, from x.sls or x/init.sls", () => {
    const files = {
      "top.sls": top("a", "b.c", "d"),
      "a.sls": "#!yaml\nx: {one: 1, two: 1}\nlist: [1, 2]\n",
      "b/c.sls": "x: {two: 2}\nlist: [3]\n",
      "d/init.sls": "x: {three: 3}\n",
      "d.c.sls": "never: read\n",
    };
    expect(pillarOf(files)).toEqual({ x: { one: 1, two: 2, three: 3 }, list: [3] });
  });

  it("puts included files below the one that includes them, each once", () => {
    const files = {
      "top.sls": top("b", "d"),
      "b/init.sls": "include: [.near, other, {keyed: {key: 'in:here'}}]\nx: own\nz: own\n",
      "b/near.sls": "include: [.sibling]\nx: near\ny: near\n",
      "b/sibling.sls": "include: [b]\nsibling: true\n",
      "other.sls": "y: other\n",
      "keyed.sls": "k: 1\n",
      // Included before, so it does not come again over what stands above it.
      "d.sls": "include: [other]\nd: 1\n",
    };
    expect(pillarOf(files)).toEqual({ x: "own", z: "own", y: "other", sibling: true, in: { here: { k: 1 } }, d: 1 });
  });

  it.each<[string, Readonly<Record<string, string>>, string]>([
    [
      "broken YAML",
      { "a.sls": "x: 1\n y: [\n" },
      "Rendering SLS 'a' failed: /srv/pillar/a.sls line 2: not valid YAML: ",
    ],
    [
      "a key that is there twice",
      { "a.sls": "x: 1\nx: 2\n" },
      "Rendering SLS 'a' failed: /srv/pillar/a.sls line 2: not valid YAML: duplicated mapping key",
    ],
    [
      "a renderer",
      { "a.sls": "#!jinja|yaml\nx: 1\n" },
      "Rendering SLS 'a' failed: /srv/pillar/a.sls line 1: only plain YAML is read, no renderers",
    ],
    [
      "a template",
      { "a.sls": "x: 1\n{% if true %}\n{% endif %}\n" },
      "Rendering SLS 'a' failed: /srv/pillar/a.sls line 2: only plain YAML is read, no templates ({%)",
    ],
    [
      "a list",
      { "a.sls": "- x\n" },
      "Rendering SLS 'a' failed: /srv/pillar/a.sls line 1: must be a map of keys and values",
    ],
    [
      "a missing file",
      {},
      "Specified SLS 'a' in environment 'base' is not available on the master: /srv/pillar/top.sls line 4 names it",
    ],
    [
      "a missing included file",
      { "a.sls": "x: 1\ninclude:\n  - a.none\n" },
      "Specified SLS 'a.none' in environment 'base' is not available on the master: /srv/pillar/a.sls line 3 names it",
    ],
    ["an include that is no list", { "a.sls": "include: b\n" }, "/srv/pillar/a.sls line 1: include must be a list"],
    ["a name with dots in a row", { "a.sls": "include: ['x..y']\n" }, '/srv/pillar/a.sls line 1: "x..y" is no name'],
    ["a name that climbs", { "a.sls": "include: ['../../x']\n" }, "/srv/pillar/a.sls line 1: "],
    ["a name from the root", { "a.sls": "include: [/etc/passwd]\n" }, '/srv/pillar/a.sls line 1: "/etc/passwd" is no'],
  ])("is _errors alone for %s", (_what, files, message) => {
    const all = { "top.sls": top("good", "a"), "good.sls": "x: good\n", ...files };
    expect(pillarOf(all)).toEqual({ _errors: [expect.stringContaining(message)] });
  });

  it("names every file that is wrong", () => {
    expect(pillarOf({ "top.sls": top("none", "a"), "a.sls": "[" })).toEqual({
      _errors: [expect.stringContaining("'none'"), expect.stringContaining("/srv/pillar/a.sls line 1")],
    });
  });
});
