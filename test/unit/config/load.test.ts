import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadMasterConfig, loadMinionConfig } from "../../../src/config/load.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "msalt-config-"));
  mkdirSync(join(root, "etc/msalt/master.d"), { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true }));

const file = (name: string, text: string, mode = 0o644): string => {
  const path = join(root, "etc/msalt", name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
};
const master = (overrides = {}): ReturnType<typeof loadMasterConfig> =>
  loadMasterConfig({ rootDir: root, env: {}, overrides });
const minion = (overrides = {}): ReturnType<typeof loadMinionConfig> =>
  loadMinionConfig({ rootDir: root, env: {}, overrides });
const problem = (load: () => unknown): string => {
  try {
    load();
  } catch (failure) {
    expect(failure).toMatchObject({ code: "ERR_CONFIG_INVALID" });
    return (failure as Error).message;
  }
  throw new Error("it was taken");
};

describe("loadMasterConfig", () => {
  it("takes publisher_acl as Salt has it, and says what is no rule", () => {
    file(
      "master",
      "publisher_acl:\n  ann:\n    - test.*\n    - web*:\n        - cmd.run: {args: [null, x], kwargs: {cwd: /}}\n" +
        "publisher_acl_blacklist: {users: [root], modules: [cmd.*]}\n",
    );
    expect(master().publisherAcl).toEqual({
      ann: ["test.*", { "web*": [{ "cmd.run": { args: [null, "x"], kwargs: { cwd: "/" } } }] }],
    });
    expect(master().publisherAclBlacklist).toEqual({ users: ["root"], modules: ["cmd.*"] });
    for (const rules of [
      "test.ping",
      "{ann: test.ping}",
      "{ann: [{a: [x], b: [y]}]}",
      "{ann: [{a: [{x: {arg: [y]}}]}]}",
    ]) {
      file("master", `publisher_acl: ${rules}\n`);
      expect(problem(master)).toContain("publisher_acl");
    }
  });

  it("has a default for everything, under the root", () => {
    expect(master()).toMatchObject({
      interface: "0.0.0.0",
      publishPort: 4505,
      retPort: 4506,
      enrollPort: 4507,
      timeoutMs: 5000,
      keepJobsMs: 86_400_000,
      autoAccept: false,
      pkiDir: join(root, "etc/msalt/pki/master"),
      sockDir: join(root, "run/msalt/master"),
      dataDir: join(root, "var/lib/msalt/master"),
    });
    expect(Object.isFrozen(master())).toBe(true);
  });

  it("takes the file, then master.d in order, then the command line", () => {
    file("master", "publish_port: 1\nret_port: 1\nenroll_port: 1\ntimeout: 1\n");
    file("master.d/10-a.conf", "ret_port: 2\nenroll_port: 2\ntimeout: 2\n");
    file("master.d/20-b.conf", "enroll_port: 3\ntimeout: 3\n");
    file("master.d/ignored.txt", "no: yaml: at all\n");
    expect(master({ timeout: 4 })).toMatchObject({ publishPort: 1, retPort: 2, enrollPort: 3, timeoutMs: 4000 });
  });

  it.each(["true", "True", "yes", "on", "'yes'"])("takes %s for a flag", (word) => {
    file("master", `auto_accept: ${word}\n`);
    expect(master().autoAccept).toBe(true);
  });

  it("takes paths as they are, relative ones under the root", () => {
    file("master", "pki_dir: /k/e/y\ncachedir: data/here\n");
    expect(master()).toMatchObject({ pkiDir: "/k/e/y", dataDir: join(root, "data/here") });
  });

  it("knows the folders of the pillar, relative ones under the root", () => {
    expect(master().pillarDirs).toEqual([join(root, "srv/pillar")]);
    file("master", "pillar_roots: {base: [/a, b/c]}\n");
    expect(master().pillarDirs).toEqual(["/a", join(root, "b/c")]);
    expect(master().shown).toMatchObject({ pillar_roots: { base: ["/a", join(root, "b/c")] } });
  });

  it.each([
    "/srv/pillar",
    "[/srv/pillar]",
    "{base: /srv/pillar}",
    "{base: []}",
    "{base: ['']}",
    "{}",
    "{base: [/a], dev: [/b]}",
  ])("refuses %s as pillar_roots", (value) => {
    const path = file("master", `pillar_roots: ${value}\n`);
    expect(problem(master)).toMatch(`${path}: pillar_roots`);
  });

  it("reports every problem at once, each with file, key, what was expected and found", () => {
    const path = file("master", "publish_prot: 4505\nret_port: http\nworker_threads: 0\nauto_accept: maybe\n");
    const drop = file("master.d/x.conf", "timeout: -1\n");
    const message = problem(master);
    for (const part of [
      "5 problems",
      `${path}: unknown key "publish_prot"; did you mean publish_port?`,
      `${path}: ret_port: must be a port number, 0 to 65535 (0: any free one), found "http"`,
      `${path}: worker_threads: must be a whole number, 1 to 1024, found 0`,
      `${path}: auto_accept: must be true or false, found "maybe"`,
      `${drop}: timeout: must be a number of seconds, 0 or more, found -1`,
    ]) {
      expect(message).toContain(part);
    }
  });

  it.each(["eth0", "*", "::", "localhost", "10.0.0.256"])("refuses %j as interface", (name) => {
    file("master", `interface: ${JSON.stringify(name)}\n`);
    expect(problem(master)).toContain("interface: must be an IPv4 address of this host");
  });

  it.each(["", "# timeout: 1\n", "---\n", "\ufeff# timeout: 1\n"])(
    "takes the file %j for one that sets nothing",
    (text) => {
      file("master", text);
      file("master.d/a.conf", text);
      expect(master().timeoutMs).toBe(5000);
    },
  );

  it.each([
    ["broken YAML", "a: [1\nb: 2\n", /master line \d+: not valid YAML/],
    ["a key twice", "timeout: 1\ntimeout: 2\n", /line 2: not valid YAML: .*duplicat/],
    ["a list", "- 1\n", /must be a map of keys and values/],
    ["an anchor bomb", `a: &a [x]\nb: [${"*a, ".repeat(50)}*a]\n`, /line 2: not valid YAML/],
    ["an unknown tag", "id: !!js/function 'x'\n", /line 1: not valid YAML: .*tag/],
    ["a thousand levels", `id: ${"[".repeat(1000)}\n`, /not valid YAML/],
    ["two megabytes", `id: ${"x".repeat(2_000_000)}\n`, /larger than 1048576 bytes/],
  ])("EN-15: refuses %s, with the file", (_case, text, expected) => {
    file("master", text);
    expect(problem(master)).toMatch(expected);
  });

  it.each([0o666, 0o664, 0o646])("LF-02: does not believe a file of mode %o", (mode) => {
    const path = file("master", "timeout: 1\n", mode);
    expect(problem(master)).toContain(`${path}: can be written by others than its owner`);
  });

  it("LF-02: does not believe a folder that others can write", () => {
    file("master", "timeout: 1\n");
    chmodSync(join(root, "etc/msalt"), 0o777);
    expect(problem(master)).toContain("can be written by others");
  });

  it.each([
    ["publish_port", "70000", "must be a port number"],
    ["publish_port", "1.5", "must be a port number"],
    ["timeout", "3000000", "must be at most 2147483 seconds"],
    ["timeout", ".inf", "must be a number of seconds"],
    ["id", "12", "must be text; put it in quotes, found 12"],
    ["log_level", "loud", "must be one of quiet, "],
    ["pki_dir", "''", "must not be empty"],
    ["__proto__", "{auto_accept: true}", "unknown key"],
    ["constructor", "x", "unknown key"],
  ])("refuses %s: %s", (key, value, expected) => {
    file("master", `${key}: ${value}\n`);
    const message = problem(master);
    expect(message).toContain(key);
    expect(message).toContain(expected);
  });

  it("refuses two documents in one file", () => {
    file("master", "timeout: 1\n---\nauto_accept: true\n");
    expect(problem(master)).toContain("must be one YAML document");
  });

  it("takes the folders from the environment, an empty variable for none, an option before both", () => {
    const env = { MSALT_ROOT_DIR: root, MSALT_CONFIG_DIR: "" };
    expect(loadMasterConfig({ env }).pkiDir).toBe(join(root, "etc/msalt/pki/master"));
    expect(loadMasterConfig({ env: { MSALT_ROOT_DIR: "" } }).sockDir).toBe("/run/msalt/master");
    expect(loadMasterConfig({ env: { MSALT_CONFIG_DIR: "/nowhere" }, configDir: join(root, "x") }).pkiDir).toBe(
      join(root, "x/pki/master"),
    );
  });

  it("LF-02: reports an open file together with all that is wrong in it", () => {
    file("master", "timeout: -1\n", 0o666);
    file("master.d/x.conf", "ret_port: x\n", 0o620);
    expect(problem(master)).toContain("4 problems");
  });

  it("LF-02: does not believe an open folder, nor an open file in a folder of its own that a link leads to", () => {
    chmodSync(join(root, "etc/msalt/master.d"), 0o1777);
    mkdirSync(join(root, "open"));
    writeFileSync(join(root, "open/master"), "timeout: 1\n");
    chmodSync(join(root, "open"), 0o777);
    symlinkSync(join(root, "open/master"), join(root, "etc/msalt/master"));
    const message = problem(master);
    expect(message).toContain(`${join(root, "etc/msalt/master.d")}: can be written by others`);
    expect(message).toContain(`${join(root, "open")}: can be written by others`);
  });

  it.runIf(process.getuid?.() === 0)("LF-02: does not believe a file of somebody else", () => {
    const path = file("master", "timeout: 1\n");
    chownSync(path, 4242, 4242);
    expect(problem(master)).toContain(`${path}: belongs to neither root nor this user`);
  });

  it("refuses what stands in place of the file, without waiting for it", () => {
    const path = join(root, "etc/msalt/master");
    symlinkSync(join(root, "nothing"), path);
    expect(problem(master)).toContain(`${path}: is a link to nothing`);
    rmSync(path);
    mkdirSync(path);
    expect(problem(master)).toContain(`${path}: is not a file`);
    rmSync(path, { recursive: true });
    execFileSync("mkfifo", ["-m", "600", path]);
    expect(problem(master)).toContain(`${path}: is not a file`);
  });
});

describe("loadMinionConfig", () => {
  it("takes one master or several, and keeps the token out of what config.get shows", () => {
    file("minion", "id: web1\nmaster: [a, b]\ntoken: t0ps3cret\nshutdown_timeout: 2\n");
    expect(minion()).toMatchObject({ id: "web1", masters: ["a", "b"], token: "t0ps3cret", shutdownTimeoutMs: 2000 });
    expect(JSON.stringify(minion().shown)).not.toContain("t0ps3cret");
    expect(minion().shown).toMatchObject({ id: "web1", publish_port: 4505 });
  });

  it("lets the command line win, and holds it to the same rules", () => {
    file("minion", "id: web1\n");
    expect(minion({ id: "web2" }).id).toBe("web2");
    expect(problem(() => minion({ id: "../x" }))).toContain("the command line: id: must be letters");
  });

  it("reads custom grains from the file beside it", () => {
    file("minion", "grains: {a: 1}\n");
    file("grains", "role: web\nrack: 12\n");
    expect(minion()).toMatchObject({ grains: { a: 1 }, customGrains: { role: "web", rack: 12 } });
  });

  it.each(["ab", "AB:".repeat(31) + "AB", `${"ab:".repeat(30)}ab`, "g".repeat(64)])(
    "HS-07: refuses %s as master_finger",
    (finger) => {
      file("minion", `id: m1\nmaster_finger: '${finger}'\n`);
      expect(problem(minion)).toContain("master_finger: must be the whole fingerprint");
    },
  );

  it("never repeats a bad token", () => {
    file("minion", "id: m1\ntoken: [s3cret]\n");
    expect(problem(minion)).not.toContain("s3cret");
  });

  it("reports what is wrong with the grains file together with the rest", () => {
    const grains = file("grains", "- web\n");
    file("minion", "id: m1\nmaster_port: x\n");
    const message = problem(minion);
    expect(message).toContain(`${grains}: must be a map`);
    expect(message).toContain("master_port: must be a port number");
  });

  it("shows the whole effective configuration, and nobody changes it", () => {
    file("minion", "id: m1\ngrains: {roles: [web]}\n");
    const { shown, grains } = minion();
    expect(shown).toMatchObject({ master: "salt", master_port: 4506, cachedir: join(root, "var/lib/msalt/minion") });
    expect(shown).not.toHaveProperty("token");
    expect(Object.isFrozen(grains["roles"])).toBe(true);
  });

  it("takes both spellings of a fingerprint", () => {
    const plain = "0a".repeat(32);
    expect(minion({ id: "m1", master_finger: plain }).masterFinger).toBe(plain);
    const colons = Array(32).fill("0a").join(":");
    expect(minion({ id: "m1", master_finger: colons }).masterFinger).toBe(colons);
  });

  it.each(["12", "[]", "[a, 1]"])("refuses master: %s", (value) => {
    file("minion", `id: m1\nmaster: ${value}\n`);
    expect(problem(minion)).toContain("master: must be a host name or IPv4 address");
  });

  it.each(["db1:4506", "tcp://db1", "::1", "two words", "-db1", ""])(
    "refuses %j as master: ports have keys of their own",
    (name) => {
      file("minion", `id: m1\nmaster: ${JSON.stringify(name)}\n`);
      expect(problem(minion)).toContain("master: must be a host name or IPv4 address, without a port");
      file("minion", `id: m1\nmaster: [good, ${JSON.stringify(name)}]\n`);
      expect(problem(minion)).toContain("master");
    },
  );

  it.each(["salt", "10.0.0.1", "db-1.example.com.", "my_master"])("takes %s as master", (name) => {
    file("minion", `id: m1\nmaster: ${name}\n`);
    expect(minion().masters).toEqual([name]);
  });
});
