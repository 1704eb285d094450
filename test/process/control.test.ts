import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Bus } from "../support/bus.ts";
import { commandOf, pidsWith, until } from "../support/proc.ts";

const read = (file: string): string => (existsSync(file) ? readFileSync(file, "utf8") : "");
const lines = (file: string): string[] => read(file).split("\n").filter(Boolean);

/** Most of the marked sections of a log that were open at once. */
function most(log: readonly string[]): number {
  let now = 0;
  let high = 0;
  for (const line of log) {
    now += line.startsWith("in") ? 1 : -1;
    high = Math.max(high, now);
  }
  return high;
}

/** Those that run this very program and its words, and not a shell that will. */
const sleepers = (mark: string): number[] => pidsWith(mark).filter((pid) => commandOf(pid).startsWith(`sleep ${mark}`));

async function targetsOf(bus: Bus, jid: string): Promise<Record<string, unknown>> {
  const { stdout } = await bus.run("jobs.print_job", jid, "--out=json");
  return (JSON.parse(stdout) as Record<string, { Result: Record<string, unknown> }>)[jid]?.Result ?? {};
}

const six = ["m1", "m2", "m3", "m4", "m5", "m6"];

describe("batches", () => {
  it("P1, I1: survive kill -9 of the tool and of the whole master, within their window, each target once", async () => {
    // Patience: on a busy machine minions need more than the usual 5 s to come back.
    await using bus = await Bus.start({ minions: six, master: "timeout: 40" });
    const log = join(bus.root, "log");
    const cmd = `echo in >> ${log}; sleep 0.7; echo out >> ${log}`;
    const tool = bus.spawn("msalt", "*", "cmd.run", cmd, "--parallel", "2", "--show-jid");
    await tool.says("jid: ");
    const jid = /jid: (\d{20})/.exec(tool.stderr)?.[1] ?? "";
    await until("the first to begin", () => lines(log).length > 0);
    await tool.stop("SIGKILL");
    const all = [
      ...bus.pidsOf("controller"),
      ...bus.pidsOf("publisher"),
      ...bus.pidsOf("reqserver"),
      ...bus.pidsOf("worker"),
    ];
    await bus.master?.stop("SIGKILL");
    for (const pid of all) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // Gone with the supervisor.
      }
    }
    await bus.startMaster();
    const { stdout, code } = await bus.run("jobs.follow", jid, "--out=json", "--static");
    expect(Object.keys(JSON.parse(stdout) as object).toSorted()).toEqual(six);
    expect({ code, stdout }).toMatchObject({ code: 0 });
    expect(lines(log)).toHaveLength(12);
    expect(most(lines(log))).toBeLessThanOrEqual(2);
  });

  it("stop when the failure budget is spent, and say so", async () => {
    await using bus = await Bus.start({ minions: six });
    const ran = join(bus.root, "ran");
    const { code, stdout, stderr } = await bus.msalt(
      "*",
      "cmd.run",
      `echo x >> ${ran}; exit 3`,
      "-b",
      "1",
      "--fail-count",
      "1",
      "--out=json",
      "--summary",
    );
    expect(code).toBe(1);
    expect(stderr).toContain("was stopped: 2 of 6 targets failed (2 failed), more than the 1 that fail_count 1 allows");
    expect(stderr).toContain("# of minions skipped: 4");
    expect(lines(ran)).toHaveLength(2);
    const values = Object.values(JSON.parse(stdout) as Record<string, string>);
    expect(values.filter((value) => value.includes("skipped"))).toHaveLength(4);
  });
});

describe("time", () => {
  it("--run-timeout ends the run on the minion, and what it had printed comes back", async () => {
    await using bus = await Bus.start({ minions: ["m1"] });
    const { code, stdout } = await bus.msalt(
      "m1",
      "cmd.run",
      "echo before; sleep 987654",
      "--run-timeout",
      "3",
      "--out=txt",
    );
    expect(code).toBe(1);
    expect(stdout).toContain("before");
    expect(stdout).toContain("time was up");
    expect(pidsWith("987654")).toEqual([]);
  });

  it("--ttl: who comes back later does not start it, and a minion that is offline is named at once", async () => {
    await using bus = await Bus.start({ minions: ["m1", "m2"] });
    await bus.minion("m2").stop();
    const ran = join(bus.root, "ran");
    const gate = join(bus.root, "gate");
    const cmd = `echo x >> ${ran}; while [ ! -e ${gate} ]; do sleep 0.1; done`;
    const tool = bus.spawn("msalt", "*", "cmd.run", cmd, "--ttl", "5", "--show-jid");
    await tool.says("Minion did not return. [Not connected]");
    expect(tool.stdout).not.toContain("m1:");
    const jid = /jid: (\d{20})/.exec(tool.stderr)?.[1] ?? "";
    const isGivenUp = async (): Promise<boolean> =>
      (await bus.run("jobs.lookup", jid)).stdout.includes("not started in time");
    await until("m2 given up", isGivenUp, 60_000);
    writeFileSync(gate, "");
    await bus.startMinion("m2");
    expect((await tool.exit).code).toBe(1);
    await bus.connected();
    expect((await bus.msalt("m2", "test.ping")).code).toBe(0);
    expect(lines(ran)).toHaveLength(1);
  });
});

describe("kill", () => {
  it("takes the whole process group, grandchildren that ignore TERM included, and reports from each target", async () => {
    await using bus = await Bus.start({ minions: ["m1", "m2", "m3"] });
    const mark = `4${Date.now()}`;
    const cmd = `echo partial; (trap '' TERM; sleep ${mark} & sleep ${mark}) & trap '' TERM; sleep ${mark} & wait; wait`;
    const jid = await bus.submit("*", "cmd.run", cmd, "-b", "2");
    await until("two to run", () => sleepers(mark).length === 6);
    const { stdout, code } = await bus.run("jobs.kill", jid, "--out=json");
    expect(code).toBe(0);
    const told = JSON.stringify(JSON.parse(stdout));
    expect(told).toContain("SIGKILL");
    expect(told).toContain("partial");
    expect(told).toContain('"survivors":[]');
    expect(pidsWith(mark)).toEqual([]);
    const lookup = await bus.lookup(jid);
    expect(lookup["m3"]).toContain("skipped");
    expect(lookup["m1"]).toContain("partial");
    const [m1] = Object.values(await targetsOf(bus, jid)) as { state: string }[];
    expect(m1?.state).toBe("killed");
    expect((await bus.run("jobs.kill", jid)).code).not.toBe(0);
    expect((await bus.run("jobs.kill", "2".repeat(20))).stderr).toContain("no job");
  });

  it("an absent minion refuses the job when it comes back", async () => {
    await using bus = await Bus.start({ minions: ["m1", "m2"] });
    const ran = join(bus.root, "ran");
    await bus.minion("m2").stop();
    const jid = await bus.submit("*", "cmd.run", `echo x >> ${ran}; sleep 600`, "--ttl", "600");
    await until("m1 to run", () => lines(ran).length === 1);
    await bus.run("jobs.kill", jid);
    await bus.startMinion("m2");
    expect((await bus.msalt("*", "test.ping")).code).toBe(0);
    expect(lines(ran)).toHaveLength(1);
  });

  it("saltutil.kill_all_jobs ends everything but itself", async () => {
    await using bus = await Bus.start({ minions: ["m1"] });
    const mark = `5${Date.now()}`;
    const jids = await Promise.all([1, 2].map(() => bus.submit("m1", "cmd.run", `sleep ${mark}`)));
    await until("both to run", () => sleepers(mark).length === 2);
    const { stdout, code } = await bus.msalt("m1", "saltutil.kill_all_jobs", "--out=json");
    expect(code).toBe(0);
    for (const jid of jids) expect(stdout).toContain(`Signal 9 sent to job ${jid}`);
    for (const jid of jids) {
      await until("its return", async () => String((await bus.lookup(jid))["m1"]).includes("Killed"));
    }
    expect(pidsWith(mark)).toEqual([]);
  });
});

describe("live output", () => {
  it("shows lines as they come, from the beginning, in every terminal, while a stopped one slows nobody", async () => {
    await using bus = await Bus.start({ minions: ["m1", "m2"] });
    const gate = join(bus.root, "gate");
    const cmd = `for i in 1 2 3; do echo line $i; done; while [ ! -e ${gate} ]; do sleep 0.1; done; echo last`;
    const first = bus.spawn("msalt", "*", "cmd.run", cmd, "--follow", "--show-jid");
    await first.says(/m1: line 3[^]*m2: line 3|m2: line 3[^]*m1: line 3/);
    const jid = /jid: (\d{20})/.exec(first.stderr)?.[1] ?? "";
    const stopped = bus.spawn("msalt-run", "jobs.follow", jid);
    await stopped.says("m1: line 3");
    stopped.child.kill("SIGSTOP");
    const second = bus.spawn("msalt-run", "jobs.follow", jid);
    await second.says(/m1: line 1\n[^]*m1: line 2\n[^]*m1: line 3\n/);
    expect(first.stdout).not.toContain("last");
    writeFileSync(gate, "");
    const [a, b] = await Promise.all([first.exit, second.exit]);
    for (const { stdout, code } of [a, b]) {
      expect(code).toBe(0);
      for (const id of ["m1", "m2"]) {
        const own = stdout.split("\n").filter((line) => line.startsWith(`${id}: `));
        expect(own).toEqual(["line 1", "line 2", "line 3", "last"].map((line) => `${id}: ${line}`));
      }
    }
    stopped.child.kill("SIGCONT");
    const { stdout } = await stopped.exit;
    expect(stdout).toContain("m2: last");
  });

  it("100 MB of output are cut with a word about it, and bloat no process", async () => {
    await using bus = await Bus.start({ minions: ["m1"] });
    const high = new Map<number, number>();
    const look = (): void => {
      const pids = ["controller", "publisher", "reqserver", "worker"] as const;
      for (const pid of [bus.minion("m1").pid, tool.pid, ...pids.flatMap((role) => bus.pidsOf(role))]) {
        const kib = Number(/VmRSS:\s+(\d+)/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0);
        high.set(pid, Math.max(high.get(pid) ?? 0, kib / 1024));
      }
    };
    const tool = bus.spawn(
      "msalt",
      "m1",
      "cmd.run",
      "yes 'some words of output on one line' | head -c 100000000",
      "--follow",
    );
    const watching = setInterval(look, 50);
    const { stdout, code } = await tool.exit;
    clearInterval(watching);
    expect(code).toBe(0);
    expect(stdout.length).toBeGreaterThan(7_000_000);
    expect(stdout.length).toBeLessThan(30_000_000);
    expect(stdout).toMatch(/output (cut|over)/);
    expect(high.size).toBeGreaterThanOrEqual(6);
    expect(Math.max(...high.values())).toBeLessThan(250);
    expect((await bus.msalt("m1", "test.ping")).code).toBe(0);
  });
});

describe("progress", () => {
  it("keeps one status line on a terminal, and none elsewhere", async () => {
    await using bus = await Bus.start({ minions: ["m1", "m2"] });
    const args = (seconds: number): string[] => ["m*", "cmd.run", `sleep ${seconds}`, "-b", "1"];
    const plain = await bus.msalt(...args(2.5));
    expect(plain.stdout + plain.stderr).not.toContain("done");
    const shown = await bus.onTerminal("msalt", ...args(6));
    expect(shown).toMatch(/0\/2 done · 1 running · 1 waiting/);
    expect(shown).toMatch(/1\/2 done · 1 running/);
  });
});
