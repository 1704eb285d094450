import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stillServing, unharmed } from "../support/attack.ts";
import { Bus } from "../support/bus.ts";
import { until } from "../support/proc.ts";
import { FaultyPath } from "../support/faulty-path.ts";
import { RawMinion } from "../support/raw-minion.ts";

describe("the keys of minions, as an operator sees them", () => {
  let bus: Bus;
  beforeAll(async () => {
    bus = await Bus.start({ minions: [], autoAccept: false });
  });
  afterAll(() => bus[Symbol.asyncDispose]());

  const keys = async (): Promise<Record<string, string[]>> =>
    JSON.parse((await bus.key("-L", "--out=json")).stdout) as Record<string, string[]>;
  const enrollPort = (): number => bus.ports["enroll_port"] ?? 0;
  /** Starts a minion and waits until its key is there. */
  async function pending(id: string): Promise<void> {
    await bus.startMinion(id, false);
    await until(`${id} is pending`, async () => (await keys())["minions_pre"]?.includes(id) ?? false);
  }
  async function accepted(id: string): Promise<void> {
    await pending(id);
    expect(await bus.key("-y", "-a", id)).toMatchObject({ code: 0 });
    await bus.minion(id).says("msalt-minion ready");
  }

  it("--gen-keys makes the keys that a minion then has", async () => {
    const made = await bus.key("--gen-keys", "made1", "--gen-keys-dir", bus.pki);
    const [fingerprint = "none"] = /([0-9a-f]{2}:){31}[0-9a-f]{2}/.exec(made.stdout) ?? [];
    expect(made.code).toBe(0);
    await pending("made1");
    expect((await bus.key("-f", "made1")).stdout).toContain(fingerprint);
    expect((await bus.key("--gen-keys", "../x")).code).toBe(64);
    await bus.minion("made1").stop();
    await bus.key("-y", "-d", "made1", "--rotate-aes-key", "True");
  });

  it("P6: a new minion is pending, is shown, gets no job, and works once it is accepted", async () => {
    await pending("m1");
    expect((await bus.key("-L")).stdout).toBe("Accepted Keys:\nDenied Keys:\nUnaccepted Keys:\nm1\nRejected Keys:\n");
    expect(await bus.msalt("*", "test.ping")).toMatchObject({ code: 2, stdout: "" });
    const { code, stdout } = await bus.key("-y", "-a", "m1");
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: "The following keys are going to be accepted:\nUnaccepted Keys:\nm1\nKey for minion m1 accepted.\n",
    });
    await bus.minion("m1").says("msalt-minion ready");
    await stillServing(bus);
  });

  it("shows the fingerprint that the minion logs, and the master's own that the minion pinned", async () => {
    const shown = (await bus.key("-F")).stdout.match(/[0-9a-f]{2}(:[0-9a-f]{2}){31}/g) ?? [];
    expect(shown).toHaveLength(2);
    for (const fingerprint of shown) await bus.minion("m1").says(fingerprint);
  });

  it("P6: a rejected minion gets nothing, and can be accepted later", async () => {
    await pending("m2");
    expect(await bus.key("-y", "-r", "m2")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("Key for minion m2 rejected."),
    });
    await bus.minion("m2").says("rejected");
    expect(await keys()).toMatchObject({ minions: ["m1"], minions_pre: [], minions_rejected: ["m2"] });
    expect((await bus.msalt("*", "test.ping", "--out=json")).stdout).toBe('{\n    "m1": true\n}\n');
    expect(await bus.key("-y", "-a", "m2")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("does not match any unaccepted keys"),
    });
    expect(await bus.key("-y", "--include-rejected", "-a", "m2")).toMatchObject({ code: 0 });
    await bus.minion("m2").stop("SIGKILL");
    await bus.startMinion("m2");
    await stillServing(bus, "m2");
  });

  it("HS-12: deleting a key while its job runs ends that minion's part and nobody else's", async () => {
    await accepted("m3");
    const go = join(bus.root, "go");
    const jid = await bus.submit("-L", "m1,m3", "cmd.run", `until [ -e ${go} ]; do sleep 0.05; done; echo late`);
    await bus.runs(jid, 2);
    const began = performance.now();
    expect(await bus.key("-y", "-d", "m3")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("Key for minion m3 deleted."),
    });
    process.stdout.write(
      `msalt-key -d with a running job: ${Math.round(performance.now() - began)} ms with the start of the tool\n`,
    );
    writeFileSync(go, "");
    await until("the other's result", async () => (await bus.lookup(jid))["m1"] === "late");
    expect((await bus.lookup(jid))["m3"]).not.toBe("late");
    expect((await bus.msalt("*", "test.ping", "--out=json")).stdout).not.toContain("m3");
    expect(bus.minion("m1").stderr).not.toContain("no link to the master");
    expect((await bus.lookup(jid))["m3"]).toContain("the key of this minion was deleted");
    expect((await bus.run("jobs.active")).stdout).not.toContain(jid);
    await bus.minion("m3").stop("SIGKILL");
  });

  it("HS-12: nothing of a deleted key is heard or answered, and nothing is sent to it", async () => {
    using raw = new RawMinion("gone");
    await raw.enrol(enrollPort());
    await bus.key("-y", "-a", "gone");
    raw.connect(bus.ports);
    await raw.online();
    const jid = await bus.submit("gone", "cmd.run", "true");
    await until("the order", () => raw.frames.length === 2);
    expect(await bus.key("-y", "-d", "gone")).toMatchObject({ code: 0 });
    const answers = raw.answers.length;
    expect(await raw.ask(raw.result(jid, "from the grave"), 500)).toBeUndefined();
    expect(
      await raw.ask({ cmd: "hello", protocol: 1, version: "raw", ledger: { id: Buffer.alloc(16, 7), count: 0 } }, 500),
    ).toBeUndefined();
    raw.subscribe(raw.topic);
    await bus.msalt("*", "test.ping");
    expect(raw.frames).toHaveLength(2);
    expect(raw.answers.length).toBe(answers);
    expect((await bus.run("jobs.lookup", jid)).stdout).not.toContain("grave");
    raw.connect(bus.ports);
    expect(await raw.ask({ cmd: "sync" }, 500)).toBeUndefined();
    expect(await raw.enrol(enrollPort())).toBe(1);
    expect((await bus.key("-L")).stderr).toContain("gone was deleted before");
    await bus.key("-y", "-d", "gone");
    await stillServing(bus);
  });

  it("HS-11: of two hosts with one key only the first is served while it is there", async () => {
    using first = new RawMinion("twin");
    using second = new RawMinion("twin", first);
    await first.enrol(enrollPort());
    await bus.key("-y", "-a", "twin");
    first.connect(bus.ports);
    await first.online();
    expect(await second.enrol(enrollPort())).toBe(2);
    second.connect(bus.ports);
    expect(await second.hello(Buffer.alloc(16, 8))).toMatchObject({ error: "E_FORBIDDEN" });
    expect(await first.ask({ cmd: "heartbeat", running: [], topic: first.topic, count: 0 })).toMatchObject({
      ok: { known: true },
    });
    const jid = await bus.submit("twin", "cmd.run", "true");
    await until("the order at the first", () => first.frames.length === 2);
    expect(second.frames).toEqual([]);
    expect(await first.ask(first.result(jid, "mine"))).toMatchObject({ ok: { stored: true } });
    await bus.key("-y", "-d", "twin");
  });

  it("HS-13: a worker that is stopped does not delay a deletion and is not believed again", async () => {
    using raw = new RawMinion("brief");
    await raw.enrol(enrollPort());
    await bus.key("-y", "-a", "brief");
    const [stopped = 0, ...others] = bus.pidsOf("worker");
    process.kill(stopped, "SIGSTOP");
    const began = performance.now();
    expect(await bus.key("-y", "-d", "brief")).toMatchObject({ code: 0 });
    process.stdout.write(
      `msalt-key -d with a stopped worker: ${Math.round(performance.now() - began)} ms with the start of the tool\n`,
    );
    await until("another worker took its place", () => {
      const now = bus.pidsOf("worker");
      return !now.includes(stopped) && now.length === others.length + 1;
    });
    await stillServing(bus);
  });

  it("HS-14: the id of a deleted key can be taken by a new key, which pends", async () => {
    using raw = new RawMinion("brief");
    expect(await raw.enrol(enrollPort())).toBe(1);
    expect((await bus.key("-L")).stderr).not.toContain("brief was deleted before");
    await bus.key("-y", "-a", "brief");
    raw.connect(bus.ports);
    await raw.online();
    expect(raw.frames).toHaveLength(1);
    await bus.key("-y", "-d", "brief");
  });

  it("HS-17: of two keys that pend for one id, the operator says which by its fingerprint", async () => {
    const first = new RawMinion("twin");
    const second = new RawMinion("twin");
    await first.enrol(enrollPort());
    await second.enrol(enrollPort());
    const ambiguous = await bus.key("-y", "-a", "twin");
    expect(ambiguous.code).toBe(1);
    for (const { fingerprint } of [first, second]) expect(ambiguous.stderr).toContain(fingerprint);
    expect(await keys()).toMatchObject({ minions_pre: ["twin"] });
    expect(await bus.key("-y", "-a", second.fingerprint)).toMatchObject({ code: 0 });
    expect([await first.enrol(enrollPort()), await second.enrol(enrollPort())]).toEqual([4, 2]);
    await bus.key("-y", "-d", "twin");
  });

  it("asks nobody where nobody can answer, and says which glob matched nothing", async () => {
    await unharmed(bus, async () => {
      for (const flag of ["-a", "-r", "-d"]) {
        const { code, stderr } = await bus.key(flag, "nosuch*");
        expect({ code, stderr }).toEqual({
          code: 1,
          stderr: expect.stringContaining("The key glob 'nosuch*' does not match any"),
        });
      }
      expect(await bus.key("-d", "m1")).toMatchObject({ code: 64, stderr: expect.stringContaining("not a terminal") });
      expect(await bus.key("-d", "m1", "-a", "m1")).toMatchObject({ code: 64 });
      expect(await bus.key("-l", "nosuch")).toMatchObject({ code: 64 });
    });
  });

  it("HS-18: a one-time token accepts one key once, and never crosses the wire", async () => {
    const token = (await bus.key("--token")).stdout.trim();
    expect(token).toMatch(/^\S{16,}$/);
    await using watched = await FaultyPath.to(enrollPort());
    watched.records = true;
    const direct = bus.ports;
    bus.ports = { ...direct, enroll_port: watched.port };
    await bus.startMinion("m4", true, ["--token", token]);
    bus.ports = direct;
    await stillServing(bus, "m4");
    const wire = Buffer.concat([...watched.heard.values()].flat());
    expect(wire.length).toBeGreaterThan(200);
    for (const form of [Buffer.from(token), Buffer.from(token, "hex"), Buffer.from(token, "base64")]) {
      expect(form.length > 8 && wire.includes(form)).toBe(false);
    }
    expect(await new RawMinion("late").enrol(enrollPort(), { token })).toBe(1);
    await bus.minion("m4").stop();
    await bus.key("-y", "-d", "m4,late");
  });

  it("HS-18: a token that has expired, or is not quite right, leaves the key pending", async () => {
    const brief = (await bus.key("--token", "--expires", "1s")).stdout.trim();
    const right = (await bus.key("--token")).stdout.trim();
    const flipped = (right.startsWith("0") ? "1" : "0") + right.slice(1);
    await until("it has expired", () => new Promise<boolean>((resolve) => setTimeout(resolve, 1100, true)));
    for (const token of [brief, flipped, right.toUpperCase() === right ? "x" : right.toUpperCase(), ""]) {
      const raw = new RawMinion("hopeful");
      expect([token, await raw.enrol(enrollPort(), { token })]).toEqual([token, 1]);
      await bus.key("-y", "-d", "hopeful");
    }
    const raw = new RawMinion("hopeful");
    expect(await raw.enrol(enrollPort(), { token: right })).toBe(2);
    expect(await bus.key("--token", "--expires", "soon")).toMatchObject({ code: 64 });
    await bus.key("-y", "-d", "hopeful");
  });

  it("waits for no worker to hear of a new key, but ends one that does not hear of a deleted one", async () => {
    const workers = bus.pidsOf("worker");
    const [stopped = 0] = workers;
    await pending("slow1");
    process.kill(stopped, "SIGSTOP");
    try {
      expect(await bus.key("-y", "-a", "slow1")).toMatchObject({ code: 0 });
      expect(bus.pidsOf("worker")).toEqual(workers);
      expect(await bus.key("-y", "-d", "slow1")).toMatchObject({ code: 0 });
      await until("it is gone", () => !bus.pidsOf("worker").includes(stopped));
    } finally {
      if (bus.pidsOf("worker").includes(stopped)) process.kill(stopped, "SIGCONT");
    }
    await bus.minion("slow1").stop("SIGKILL");
    await until("there are as many as before", () => bus.pidsOf("worker").length === workers.length);
  });

  it("HS-07: a minion that wants another master says so, pins nothing and is not accepted", async () => {
    const { stdout } = await bus.key("-F");
    const own = /master\.pub: +([0-9a-f:]{95})/.exec(stdout)?.[1] ?? "";
    const other = (own.startsWith("00") ? "01" : "00") + own.slice(2);
    const wrong = await bus.startMinion("picky", false, [], `master_finger: '${other}'`);
    await wrong.says(other);
    await bus.master?.says(other);
    expect(bus.master?.stderr).toContain(own);
    expect(existsSync(join(bus.pki, "picky", "minion_master.pub"))).toBe(false);
    await wrong.stop("SIGKILL");
    expect((await keys())["minions_pre"]).not.toContain("picky");
    await stillServing(bus);
    const minion = await bus.startMinion("picky", false, [], `master_finger: '${own}'`);
    await until("it pends", async () => (await keys())["minions_pre"]?.includes("picky") ?? false);
    await minion.stop("SIGKILL");
    for (const short of [own.slice(0, 47), "not a fingerprint"]) {
      const refused = await bus.startMinion("picky", false, [], `master_finger: '${short}'`);
      const { code, stderr } = await refused.exit;
      expect(code).not.toBe(0);
      expect(stderr).toContain("master_finger");
    }
  });
});
