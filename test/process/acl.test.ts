import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { type Socket, createConnection } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { messagesOf, sendMessage } from "../../src/transport/stream.ts";
import { decode, encode } from "../../src/wire/codec.ts";
import { Bus, noOtherUsers } from "../support/bus.ts";
import { type Result, dist, until } from "../support/proc.ts";

// Two accounts that every Debian has, and one without a rule.
const ann = { name: nameOf(1), uid: 1 };
const bob = { name: nameOf(5), uid: 5 };
const stranger = { name: nameOf(2), uid: 2 };
const why = noOtherUsers();
const hasUsers = why === undefined;
if (!hasUsers) process.stdout.write(`acl.test.ts is skipped: ${why}\n`);

const rules = `publisher_acl:
  ${ann.name}:
    - test.ping
    - web*:
        - grains.item
        - cmd.run: {args: ["echo [a-z ]+$"]}
        - test.sleep
  ${bob.name}:
    - .*
publisher_acl_blacklist:
  modules: [cmd.shell, "pkg.*"]
`;

let bus: Bus;
beforeAll(async () => {
  if (!hasUsers) return;
  bus = await Bus.start({ minions: ["web1", "web2", "db1"], master: rules });
  chmodSync(bus.root, 0o755);
});
afterAll(async () => {
  if (hasUsers) await bus[Symbol.asyncDispose]();
});

function nameOf(uid: number): string {
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((each) => each.split(":")[2] === String(uid));
  return line?.split(":")[0] ?? "nobody";
}

interface Account {
  readonly uid: number;
}

function start(who: Account, file: string, args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [file, ...args], {
    uid: who.uid,
    gid: 65_534,
    cwd: "/",
    env: { PATH: "/usr/bin:/bin" },
  });
}

async function as(who: Account, tool: string, ...args: string[]): Promise<Result> {
  const child = start(who, join(dist, `${tool}.js`), ["--root-dir", bus.masterRoot, ...args]);
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (data: Buffer) => (stdout += data.toString()));
  child.stderr?.on("data", (data: Buffer) => (stderr += data.toString()));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, stdout, stderr };
}

async function jidOf(who: Account, ...args: string[]): Promise<string> {
  const { stdout, stderr } = await as(who, "msalt", "--async", ...args);
  const jid = /job ID: (\d{20})/.exec(stdout)?.[1];
  if (jid === undefined) throw new Error(`no jid: ${stdout}${stderr}`);
  return jid;
}

/** What a shell does as that user. */
async function shell(who: Account, script: string): Promise<void> {
  const child = spawn("sh", ["-c", script], { uid: who.uid, gid: 65_534, cwd: "/", stdio: "inherit" });
  await new Promise((resolve) => child.once("close", resolve));
}

const audit = (): Record<string, unknown>[] =>
  readFileSync(join(bus.masterRoot, "var/lib/msalt/master/audit.log"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe.skipIf(!hasUsers)("users that publisher_acl names", () => {
  it("run what a rule allows, on the minions that it names", async () => {
    expect(await as(ann, "msalt", "*", "test.ping", "--out=json", "--static")).toMatchObject({ code: 0 });
    const allowed = await as(ann, "msalt", "web*", "cmd.run", "echo hello", "--out=json", "--static");
    expect(allowed).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(allowed.stdout)).toEqual({ web1: "hello", web2: "hello" });
    expect((await as(ann, "msalt", "web*", "grains.item", "id")).code).toBe(0);
    expect((await as(ann, "msalt", "web1", "test.ping,cmd.run", ",", "echo both")).code).toBe(0);
  });

  it.each([
    ["another function", ["web1", "test.version"], "is not allowed to run test.version"],
    ["a function whose name begins so", ["web1", "grains.items"], "is not allowed to run grains.items"],
    ["other arguments", ["web1", "cmd.run", "rm x"], "is not allowed to run cmd.run"],
    ["more than the pattern ends with", ["web1", "cmd.run", "echo x; id"], "is not allowed to run cmd.run"],
    ["a word that is guessed to be something else", ["web1", "cmd.run", "echo x #; id"], "is not allowed to run"],
    ["a minion inside a glob", ["*", "cmd.run", "echo x"], "is not allowed to run cmd.run on db1"],
    ["a minion behind a target by grain", ["-G", "id:db*", "cmd.run", "echo x"], "on db1"],
    ["one function of several", ["web1", "test.ping,cmd.run", ",", "id"], "is not allowed to run cmd.run"],
    ["what the blacklist names", ["web1", "cmd.shell", "echo x"], "publisher_acl_blacklist forbids cmd.shell"],
    ["what is left when the others are taken away", ["-C", "not web*", "cmd.run", "echo x"], "on db1"],
    ["one minion of a list", ["-L", "web1,db1", "cmd.run", "echo x"], "on db1"],
    ["a range with one minion too many", ["-E", "(web|db)1", "cmd.run", "echo x"], "on db1"],
    ["a function inside of a batch", ["-b", "1", "web*", "test.version"], "is not allowed to run test.version"],
  ])("AZ-12, AZ-13: may not run %s", async (_case, words, text) => {
    const { code, stdout, stderr } = await as(ann, "msalt", ...words);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(text);
  });

  it("may not do what the master's own user does", async () => {
    for (const words of [
      ["msalt-key", "-L"],
      ["msalt-key", "-D", "-y"],
      ["msalt-run", "jobs.active"],
      ["msalt-run", "event.send", "a"],
    ]) {
      const [tool = "", ...args] = words;
      const { code, stderr } = await as(bob, tool, ...args);
      expect([words, code]).toEqual([words, 2]);
      expect(stderr).toContain("not permitted");
    }
    expect((await as(stranger, "msalt", "*", "test.ping")).stderr).toContain("publisher_acl has no rule for user");
  });

  it("see and end their own jobs, and nobody else's", async () => {
    const jid = await jidOf(ann, "web1", "test.sleep", "300");
    expect((await as(ann, "msalt-run", "jobs.print_job", jid)).stdout).toContain(`User:\n        ${ann.name}`);
    expect((await as(ann, "msalt-run", "jobs.list_jobs")).stdout).toContain(jid);
    for (const runner of ["jobs.lookup", "jobs.print_job", "jobs.kill"]) {
      const { code, stdout, stderr } = await as(bob, "msalt-run", runner, jid);
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
      expect(stderr).toContain(`is not in the record, or not a job of ${bob.name}`);
    }
    expect((await as(bob, "msalt-run", "jobs.list_jobs")).stdout).not.toContain(jid);
    expect((await as(ann, "msalt-run", "jobs.kill", jid)).stdout).toContain("killed");
  });
});

describe.skipIf(!hasUsers)("a user whose job goes on", () => {
  it("gets its answer although the master restarts meanwhile", async () => {
    const [controller = 0] = bus.pidsOf("controller");
    const answer = as(ann, "msalt", "web1", "test.sleep", "10", "-t", "60", "--out=json");
    await until("the job runs", async () => (await bus.run("jobs.active")).stdout.includes("test.sleep"));
    process.kill(controller, "SIGKILL");
    expect(await answer).toMatchObject({ code: 0, stdout: expect.stringContaining("true") });
  });

  it("is told that its output cannot be seen live", async () => {
    const { code, stdout, stderr } = await as(ann, "msalt", "web1", "cmd.run", "echo live", "--follow");
    expect({ code, stdout }).toEqual({ code: 0, stdout: "web1:\n    live\n" });
    expect(stderr).toBe("Live output is for the master's own user; the answers follow as they come.\n");
  });
});

describe.skipIf(!hasUsers)("the proof of a user", () => {
  const folder = (): string => `${bus.sockDir}-users`;

  /** Connects, lets `prove` make what it likes of the name, and gives what the master says. */
  async function answerTo(prove: (path: string, name: string) => void | Promise<void>): Promise<unknown> {
    const socket: Socket = createConnection({ path: join(folder(), "users.sock") });
    try {
      const messages = messagesOf(socket, () => 65_536);
      const hear = async (): Promise<Record<string, unknown>> =>
        decode((await messages.next()).value ?? encode(null)) as Record<string, unknown>;
      const name = String((await hear())["proof"]);
      await prove(join(folder(), "proof", name), name);
      await sendMessage(socket, encode({ made: true }));
      const { user, error } = await hear();
      return user ?? (error as { code: string }).code;
    } finally {
      socket.destroy();
    }
  }

  it("is a new directory of its own, which is gone afterwards", async () => {
    expect(await answerTo((path) => shell(bob, `mkdir -m 700 ${path}`))).toBe(bob.name);
    expect(readdirSync(join(folder(), "proof"))).toEqual([]);
    expect(lstatSync(folder()).mode & 0o7777).toBe(0o755);
    expect(lstatSync(join(folder(), "proof")).mode & 0o7777).toBe(0o1733);
  });

  let used = "";
  it.each<[string, (path: string, name: string) => void | Promise<void>]>([
    ["nothing", () => undefined],
    ["a file", (path) => shell(bob, `touch ${path}; chmod 700 ${path}`)],
    ["a link to somebody's directory", (path) => shell(bob, `ln -s /var/cache ${path}`)],
    [
      "a link of root to a directory of bob",
      async (path) => {
        await shell(bob, `mkdir -m 700 ${path}.real`);
        symlinkSync(`${path}.real`, path);
      },
    ],
    [
      "a directory that others can write, as one that was moved here has to be",
      (path) => shell(bob, `mkdir ${path}; chmod 777 ${path}`),
    ],
    [
      "the name of another proof",
      async (path, name) => {
        used = name;
        await shell(bob, `mkdir -m 700 ${path}; rmdir ${path}`);
      },
    ],
    ["that name, used again", () => shell(bob, `mkdir -m 700 ${join(folder(), "proof", used)}`)],
  ])("is not %s", async (_case, prove) => {
    expect(await answerTo(prove)).toBe("ERR_NOT_ALLOWED");
  });

  it("is no directory that was there before", async () => {
    const old = join(folder(), "proof", "old");
    await shell(bob, `mkdir -m 700 ${old}; sleep 1.2`);
    expect(await answerTo((path) => renameSync(old, path))).toBe("ERR_NOT_ALLOWED");
  });

  it("of a directory of somebody else is that of somebody else", async () => {
    expect(await answerTo((path) => shell(stranger, `mkdir -m 700 ${path}`))).toBe("ERR_NOT_ALLOWED");
    expect(await answerTo((path) => mkdirSync(path, { mode: 0o700 }))).toBe("ERR_NOT_ALLOWED");
  });

  it("is forgotten with its connection, and 200 strangers keep nobody out", async () => {
    const sockets = Array.from({ length: 200 }, () => createConnection({ path: join(folder(), "users.sock") }));
    for (const socket of sockets) socket.on("error", () => undefined);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect((await as(ann, "msalt", "web1", "test.ping")).code).toBe(0);
    for (const socket of sockets) socket.destroy();
    expect((await bus.msalt("web1", "test.ping")).code).toBe(0);
  });

  it("leaves nothing behind but what was no proof", () => {
    for (const name of readdirSync(join(folder(), "proof"))) {
      const path = join(folder(), "proof", name);
      if (lstatSync(path).isDirectory()) rmdirSync(path);
    }
    expect(lstatSync(folder()).uid).toBe(0);
  });
});

describe.skipIf(!hasUsers)("the audit log", () => {
  it("holds what was done and what was denied, with the user that was proved", async () => {
    const lines = audit();
    const by = (user: string, act: string): Record<string, unknown>[] =>
      lines.filter((line) => line["user"] === user && line["act"] === act);
    expect(by(ann.name, "publish")[0]).toMatchObject({
      how: "uid 1",
      fun: "test.ping",
      minions: { count: 3, names: ["db1", "web1", "web2"] },
      outcome: "accepted",
    });
    const denied = by(ann.name, "publish").filter(({ outcome }) => String(outcome).startsWith("denied: "));
    expect(denied.length).toBe(13);
    expect(by(bob.name, "denied").map(({ fun }) => fun)).toEqual([
      "key.list",
      "key.list",
      "job.active",
      "event.fire",
      "job.record",
      "job.record",
      "job.kill",
    ]);
    expect(by(ann.name, "kill")).toMatchObject([{ outcome: "accepted" }]);
    expect(by("root", "publish")[0]).toMatchObject({ how: "owner", outcome: "accepted" });
    expect((await bus.run("audit.verify")).stdout).toContain(`${lines.length}`);
    expect((await bus.run("audit.tail", "1", "--out=json")).stdout).toContain('"act": "publish"');
  });

  it("goes on after a restart, and a user is told when there is no master", async () => {
    await bus.master?.stop();
    const { code, stderr } = await as(ann, "msalt", "web1", "test.ping");
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining("cannot be contacted: no socket at") });
    await bus.startMaster();
    await bus.connected();
    expect((await as(ann, "msalt", "web1", "test.ping")).code).toBe(0);
    const verified = await bus.run("audit.verify", "--out=json");
    expect(JSON.parse(verified.stdout)).toMatchObject({ lines: audit().length, unbroken: true });
    const file = join(bus.masterRoot, "var/lib/msalt/master/audit.log");
    writeFileSync(`${file}.changed`, readFileSync(file, "utf8").replace(`"user":"${ann.name}"`, '"user":"root"'));
    const changed = await bus.run("audit.verify", `${file}.changed`);
    expect({ code: changed.code, stderr: changed.stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/line \d+ of \d+ cannot be believed/),
    });
    expect((await as(ann, "msalt-run", "audit.tail")).stderr).toContain("not permitted");
  });
});
