import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { keyCommand } from "../../../src/cli/key.ts";
import { MsaltError } from "../../../src/errors.ts";
import type { MinionId } from "../../../src/wire/ids.ts";
import { encodeKeyRecord } from "../../../src/wire/key-record.ts";
import { type KeyState, type KeyView, keyChange, keyToken } from "../../../src/wire/keys.ts";
import { host } from "../../support/keys.ts";

/** The controller as `msalt-key` sees it. */
class FakeMaster {
  keys: { state: KeyState; key: KeyView }[] = [];
  calls: unknown[] = [];
  refuses = new Map<string, string>();

  add(state: KeyState, id: string, keyName = id, deletedBefore = false): this {
    const { record, fingerprint } = host(id, keyName);
    const key = { id: id as MinionId, fingerprint, record: encodeKeyRecord(record), since: 1 };
    this.keys.push({ state, key: deletedBefore ? { ...key, deletedBefore } : key });
    return this;
  }

  async call(cmd: string, load: unknown): Promise<unknown> {
    if (cmd === "key.list") {
      const inState = (state: KeyState): KeyView[] =>
        this.keys.filter((each) => each.state === state).map(({ key }) => key);
      const [accepted, denied, pending, rejected] = (["accepted", "denied", "pending", "rejected"] as const).map(
        inState,
      );
      return { accepted, denied, pending, rejected, local: "c0:e5" };
    }
    this.calls.push(load);
    if (cmd === "key.token") return { token: "0123abcd", expires: 1_800_000_000_000 + keyToken.parse(load).expiresMs };
    const { act, keys } = keyChange.parse(load);
    return {
      results: keys.map((name) => {
        const message = this.refuses.get(name.id);
        if (message !== undefined) return { ...name, ok: false, message };
        const found = this.keys.find(({ key }) => key.fingerprint === name.fingerprint);
        if (act === "delete") this.keys = this.keys.filter((each) => each !== found);
        else if (found !== undefined) found.state = act === "accept" ? "accepted" : "rejected";
        return { ...name, ok: true, changed: true };
      }),
    };
  }
}

let master: FakeMaster;
beforeEach(() => {
  master = new FakeMaster();
});

interface Ran {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
  readonly asked: string[];
}

/** `answer` undefined: no terminal. */
async function run(argv: readonly string[], answer?: string, color = false): Promise<Ran> {
  let out = "";
  let err = "";
  const asked: string[] = [];
  const exit = await keyCommand(argv, {
    call: (cmd, load) => master.call(cmd, load),
    generate: (folder, id) => Buffer.from(`${folder} ${id}`).toString("hex"),
    rotate: (who) => Buffer.from(who).toString("hex"),
    stdout: (text) => (out += text),
    stderr: (text) => (err += text),
    ask:
      answer === undefined
        ? undefined
        : async (question) => {
            asked.push(question);
            out += question;
            return answer;
          },
    color,
  });
  return { exit, out, err, asked };
}

const finger = (id: string, keyName = id): string => host(id, keyName).fingerprint.match(/../g)?.join(":") ?? "";

const named = (...ids: string[]): unknown => ids.map((id) => ({ id, fingerprint: host(id).fingerprint }));

interface Vector {
  readonly n: number;
  readonly argv: string[];
  readonly stdin?: string;
  readonly exit: number;
  readonly stdout_first_lines: string[];
  readonly stderr_contains: string | null;
}

describe("as Salt's own, line by line", () => {
  const vectors = readFileSync(join(import.meta.dirname, "../../vectors/salt-key.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Vector)
    .filter(({ n }) => n < 100);

  it("says and does the same, but for misses, which are errors here (DESIGN §8)", async () => {
    master.add("pending", "alpha").add("pending", "bravo").add("pending", "charlie");
    for (const { n, argv, stdin, exit, stdout_first_lines: lines, stderr_contains: stderr } of vectors) {
      const { out, err, exit: got } = await run(argv.slice(1), stdin?.trim());
      const said = out.replaceAll(/([0-9a-f]{2}:){31}[0-9a-f]{2}/g, "<fingerprint>").replace(/\n$/, "");
      const missed = argv.includes("ghost") || lines[0]?.startsWith("The key glob") === true;
      const glob = `The key glob '${argv[2] ?? ""}' does not match any `;
      const [wantedExit, wantedOut] = missed ? [1, ""] : [exit, lines.join("\n")];
      expect({ n, exit: got, said }).toEqual({ n, exit: wantedExit, said: wantedOut });
      expect(err).toContain(missed ? glob : (stderr?.replace("salt-key", "msalt-key") ?? ""));
      expect(err === "").toBe(!missed && stderr === null);
    }
  });
});

describe("listing", () => {
  beforeEach(
    () => void master.add("accepted", "m2").add("accepted", "m1").add("denied", "m1", "thief").add("pending", "new"),
  );

  it.each([
    [["-L"], "Accepted Keys:\nm2\nm1\nDenied Keys:\nm1\nUnaccepted Keys:\nnew\nRejected Keys:\n"],
    [["-l", "un"], "Unaccepted Keys:\nnew\n"],
    [["-l", "unaccepted"], "Unaccepted Keys:\nnew\n"],
    [["-l", "den"], "Denied Keys:\nm1\n"],
    [["-l", "rejected"], "Rejected Keys:\n"],
    [["-l", "acc", "-q"], ""],
    [["-l", "acc", "--out", "quiet"], ""],
  ])("%j", async (argv, out) => {
    expect(await run(argv)).toEqual({ exit: 0, out, err: "", asked: [] });
  });

  it("gives one valid document with Salt's keys", async () => {
    const { out } = await run(["-L", "--out=json"]);
    expect(JSON.parse(out)).toEqual({
      minions: ["m2", "m1"],
      minions_pre: ["new"],
      minions_rejected: [],
      minions_denied: ["m1"],
    });
  });

  it("marks a key that was deleted before, and an id with several keys, beside the data", async () => {
    master.add("pending", "back", "back", true).add("pending", "new", "other");
    const ran = await run(["-l", "pre"]);
    expect(ran.out).toBe("Unaccepted Keys:\nnew\nback\n");
    expect(ran.err).toMatch(/note: back was deleted before/);
    expect(ran.err).toMatch(/note: several unaccepted keys stand under the id new: msalt-key -f new/);
  });

  it("colours only where it is wanted", async () => {
    expect((await run(["-L"], undefined, true)).out).toContain("\u001b[0;32mAccepted Keys:\u001b[0;0m\n");
    expect((await run(["-L", "--no-color"], undefined, true)).out).not.toContain("\u001b");
    expect((await run(["-L", "--force-color"])).out).toContain("\u001b");
  });
});

describe("fingerprints and public keys", () => {
  beforeEach(() => void master.add("accepted", "m1").add("denied", "m1", "thief").add("pending", "m2"));

  it("-F shows the master's own first", async () => {
    const { out, exit } = await run(["-F"]);
    const own = "Local Keys:\nmaster.pub:  c0:e5\n";
    expect(out).toBe(
      `${own}Accepted Keys:\nm1:  ${finger("m1")}\nDenied Keys:\nm1:  ${finger("m1", "thief")}\nUnaccepted Keys:\nm2:  ${finger("m2")}\n`,
    );
    expect(exit).toBe(0);
  });

  it("-F works on an empty master", async () => {
    master.keys = [];
    expect(await run(["-F"])).toEqual({ exit: 0, out: "Local Keys:\nmaster.pub:  c0:e5\n", err: "", asked: [] });
  });

  it("-f in JSON gives a fingerprint per id", async () => {
    const { out } = await run(["-f", "m*", "--out", "json"]);
    expect(JSON.parse(out)).toEqual({
      minions: { m1: finger("m1") },
      minions_denied: { m1: finger("m1", "thief") },
      minions_pre: { m2: finger("m2") },
    });
  });

  it("gives a list where several keys stand under one id", async () => {
    master.add("pending", "m2", "other");
    const { out } = await run(["-f", "m2", "--out", "json"]);
    expect(JSON.parse(out)).toEqual({ minions_pre: { m2: [finger("m2"), finger("m2", "other")] } });
  });

  it("-p shows id, fingerprint and the public record", async () => {
    const record = Buffer.from(encodeKeyRecord(host("m2").record)).toString("base64");
    expect((await run(["-p", "m2"])).out).toBe(`Unaccepted Keys:\nm2:  ${finger("m2")}\n    ${record}\n`);
    const [m2] = Object.values<Record<string, unknown>>(
      JSON.parse((await run(["-p", "m2", "--out", "json"])).out).minions_pre,
    );
    expect(m2).toMatchObject({ fingerprint: finger("m2"), number: 1, record });
    expect(m2?.["sign"]).toBe(Buffer.from(host("m2").record.sign).toString("base64"));
  });
});

describe("accept, reject, delete", () => {
  beforeEach(
    () => void master.add("accepted", "m1").add("rejected", "m2").add("pending", "web1").add("pending", "web2"),
  );

  it.each([
    ["-a", "web*", "accept", ["web1", "web2"]],
    ["-a", "web2,web1", "accept", ["web1", "web2"]],
    ["-r", "web1", "reject", ["web1"]],
    ["-d", "m*,web1", "delete", ["m1", "web1", "m2"]],
  ])("%s %s", async (flag, glob, act, ids) => {
    expect(await run([flag, glob, "-y"])).toMatchObject({ exit: 0, err: "" });
    expect(master.calls).toEqual([{ act, keys: named(...ids) }]);
  });

  it.each([
    [["-A"], "accept", ["web1", "web2"]],
    [["-A", "--include-rejected"], "accept", ["web1", "web2", "m2"]],
    [["-A", "--include-all"], "accept", ["web1", "web2", "m2"]],
    [["-A", "--include-denied"], "accept", ["web1", "web2"]],
    [["-R"], "reject", ["web1", "web2"]],
    [["-R", "--include-accepted"], "reject", ["m1", "web1", "web2"]],
    [["-D"], "delete", ["m1", "web1", "web2", "m2"]],
  ])("%j", async (argv, act, ids) => {
    expect((await run([...argv, "-y"])).exit).toBe(0);
    expect(master.calls).toEqual([{ act, keys: named(...ids) }]);
  });

  it.each([
    [["-a", "web1"], "", true, "Proceed? [n/Y] "],
    [["-a", "web1"], "yes", true, "Proceed? [n/Y] "],
    [["-a", "web1"], "N", false, "Proceed? [n/Y] "],
    [["-r", "web1"], "", true, "Proceed? [n/Y] "],
    [["-d", "web1"], "", false, "Proceed? [N/y] "],
    [["-d", "web1"], "Y", true, "Proceed? [N/y] "],
    [["-d", "web1"], "maybe", false, "Proceed? [N/y] "],
  ])("%j answered %j: %s", async (argv, answer, goes, question) => {
    const ran = await run(argv, answer);
    expect(ran).toMatchObject({ exit: 0, asked: [question] });
    expect(master.calls).toHaveLength(goes ? 1 : 0);
    expect(ran.out.includes("Key for minion web1")).toBe(goes);
  });

  it("shows exactly what Salt shows", async () => {
    expect((await run(["-d", "m1"], "y")).out).toBe(
      "The following keys are going to be deleted:\nAccepted Keys:\nm1\nProceed? [N/y] Key for minion m1 deleted.\n",
    );
  });

  it("without a terminal and without -y asks nobody and does nothing", async () => {
    const ran = await run(["-a", "web1"]);
    expect(ran).toMatchObject({ exit: 64, out: "" });
    expect(ran.err).toMatch(/^msalt-key: error: .*-y\n$/);
    expect(master.calls).toEqual([]);
  });

  it.each([
    [["-a", "x"], "unaccepted"],
    [["-a", "m1"], "unaccepted"],
    [["-a", "x", "--include-rejected"], "unaccepted or rejected"],
    [["-r", "x", "--include-accepted"], "accepted or unaccepted"],
    [["-d", "x"], "accepted, denied, unaccepted or rejected"],
    [["-f", "x"], "accepted, denied, unaccepted or rejected"],
    [["-p", "x"], "accepted, denied, unaccepted or rejected"],
  ])("%j: an unmatched glob is an error that names the states searched", async (argv, states) => {
    expect(await run([...argv, "-y"])).toEqual({
      exit: 1,
      out: "",
      err: `The key glob '${argv[1]}' does not match any ${states} keys.\n`,
      asked: [],
    });
  });

  it("does what matched, and still fails for the part of a list that did not", async () => {
    const ran = await run(["-a", "ghost,web1", "-y"]);
    expect(ran.exit).toBe(1);
    expect(ran.err).toContain("'ghost'");
    expect(master.calls).toEqual([{ act: "accept", keys: named("web1") }]);
  });

  it("-A with nothing to accept is no error", async () => {
    master.keys = [];
    expect(await run(["-A", "-y"])).toMatchObject({ exit: 0, out: "" });
    expect(master.calls).toEqual([]);
  });

  it("HS-17: two keys for one id need the fingerprint", async () => {
    master.add("pending", "web1", "thief");
    const ran = await run(["-A", "-y"]);
    expect(ran.exit).toBe(1);
    expect(ran.err).toContain("web1");
    expect(ran.err).toContain(finger("web1"));
    expect(ran.err).toContain(finger("web1", "thief"));
    expect(master.calls).toEqual([{ act: "accept", keys: named("web2") }]);
    for (const text of [finger("web1"), host("web1").fingerprint.toUpperCase()]) {
      master.calls = [];
      master.keys.forEach((each) => (each.state = each.key.id === "web1" ? "pending" : each.state));
      expect((await run(["-a", text, "-y"])).exit).toBe(0);
      expect(master.calls).toEqual([{ act: "accept", keys: named("web1") }]);
    }
  });

  it("says what the master refused, and exits 1", async () => {
    master.refuses.set("web1", "another key of minion web1 is accepted; delete that one first");
    const ran = await run(["-a", "web*", "-y"]);
    expect(ran.exit).toBe(1);
    expect(ran.out).toMatch(/\nKey for minion web2 accepted\.\n$/);
    expect(ran.out).not.toContain("web1 accepted");
    expect(ran.err).toBe("msalt-key: error: web1: another key of minion web1 is accepted; delete that one first\n");
  });

  it("warns before a key that was deleted before is accepted", async () => {
    master.add("pending", "back", "back", true);
    expect((await run(["-a", "back", "-y"])).err).toMatch(/back was deleted before/);
  });

  it("keeps stdout one document when one is asked for", async () => {
    const accepted = await run(["-a", "web*", "-y", "--out", "json"]);
    expect(JSON.parse(accepted.out)).toEqual({ minions: ["web1", "web2"] });
    expect(accepted.err).toContain("going to be accepted");
    const deleted = await run(["-d", "m*", "-y", "--out", "json"]);
    expect(JSON.parse(deleted.out)).toEqual({ minions: ["m1"], minions_rejected: ["m2"] });
  });

  it("-q says nothing but errors", async () => {
    expect(await run(["-a", "web*", "-y", "-q"])).toMatchObject({ exit: 0, out: "", err: "" });
    expect((await run(["-a", "web*", "-y", "-q"])).err).toContain("does not match");
  });

  it("asks the master in pieces that it takes", async () => {
    master.keys = [];
    const one = host("seed");
    for (let n = 0; n < 2500; n += 1) {
      const fingerprint = n.toString(16).padStart(64, "0");
      const key = { id: `n${n}` as MinionId, fingerprint, record: encodeKeyRecord(one.record), since: 1 };
      master.keys.push({ state: "pending", key });
    }
    expect((await run(["-D", "-y", "-q"])).exit).toBe(0);
    expect(master.calls).toHaveLength(3);
    expect(master.keys).toEqual([]);
  });
});

describe("--token", () => {
  it.each([
    [[], 3_600_000],
    [["--expires", "90"], 90_000],
    [["--expires", "15m"], 900_000],
    [["--expires=7d"], 604_800_000],
    [["--uses", "200"], 3_600_000, 200],
  ])("%j prints the token alone on stdout", async (argv, expiresMs, uses = 1) => {
    const ran = await run(["--token", ...argv]);
    expect(ran).toMatchObject({ exit: 0, out: "0123abcd\n" });
    expect(ran.err).toContain(new Date(1_800_000_000_000 + expiresMs).toISOString());
    expect(master.calls).toEqual([{ expiresMs, uses }]);
    expect(ran.err).toContain(uses === 1 ? "works once" : `works for ${uses} minions`);
  });

  it.each(["0", "-1", "1.5", "", "many", "100001"])("refuses --uses=%s", async (text) => {
    const ran = await run(["--token", `--uses=${text}`]);
    expect(ran).toMatchObject({ exit: 64, out: "" });
    expect(ran.err).toContain("--uses");
  });

  it.each(["0", "1y", "-5", "", "soon"])("refuses --expires=%s", async (text) => {
    expect(await run(["--token", `--expires=${text}`])).toMatchObject({ exit: 64, out: "" });
  });
});

describe("wrong use", () => {
  it.each([
    [["--no-such-option"], "no such option: --no-such-option"],
    [["-l", "nonsense"], "'nonsense' is not a valid argument to '--list'"],
    [["-a", "x", "-d", "y"], "--accept and --delete"],
    [["-A", "-R"], "--accept-all and --reject-all"],
    [["-L", "--out", "xml"], "xml"],
    [["-a"], "--accept"],
    [["word"], "argument"],
  ])("%j exits 64 and says why on stderr", async (argv, why) => {
    const ran = await run(argv);
    expect(ran).toMatchObject({ exit: 64, out: "" });
    expect(ran.err).toMatch(/^msalt-key: error: /);
    expect(ran.err).toContain(why);
    expect(master.calls).toEqual([]);
  });

  it("shows its help on stdout", async () => {
    const ran = await run(["--help"]);
    expect(ran).toMatchObject({ exit: 0, err: "" });
    expect(ran.out).toContain("--accept <glob>");
  });
});

describe("the master's side", () => {
  it("hands on what the client threw", async () => {
    master.call = () => Promise.reject(new MsaltError("ERR_MASTER_UNREACHABLE", "nobody listens"));
    await expect(run(["-L"])).rejects.toThrow("nobody listens");
  });

  it("refuses an answer that is none", async () => {
    master.call = async () => ({ accepted: "all" });
    await expect(run(["-L"])).rejects.toThrow(expect.objectContaining({ code: "ERR_WIRE_INVALID" }));
  });
});
