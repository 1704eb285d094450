import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hashTree, stillServing } from "../support/attack.ts";
import { Bus } from "../support/bus.ts";
import { type Proc, until } from "../support/proc.ts";

/** It ends soon, with an error and without a stack trace; its message. */
async function refusal(proc: Proc): Promise<string> {
  const said = (): string => proc.stdout + proc.stderr;
  try {
    await until(`pid ${proc.pid} to give up`, () => !proc.alive, 60_000, said);
  } finally {
    await proc.stop("SIGKILL");
  }
  const { code, stdout, stderr } = await proc.exit;
  expect({ code, stdout }).toEqual({
    code: expect.toSatisfy((value) => typeof value === "number" && value > 0),
    stdout: "",
  });
  expect(stderr).not.toMatch(/\n\s+at |a fault of msalt itself/);
  expect(stderr).toMatch(/^msalt-\w+: error: /m);
  return stderr;
}

describe("a master or minion that cannot start", () => {
  let bus: Bus;
  beforeAll(async () => {
    bus = await Bus.start({ minions: ["m1"] });
    for (const word of ["one", "two", "three"]) await bus.msalt("m1", "cmd.run", `echo ${word}`);
    await bus.minion("m1").stop();
  });
  afterAll(() => bus[Symbol.asyncDispose]());

  const ledger = (): string => join(bus.minionRoot("m1"), "var/lib/msalt/minion/ledger");
  /** Makes `damage` to a file, or to the whole folder, and puts back what was there when `check` is done. */
  async function damaged(path: string, damage: () => void, check: () => Promise<void>): Promise<void> {
    const { mode } = statSync(path);
    copyFileSync(path, `${path}.kept`);
    try {
      damage();
      await check();
    } finally {
      rmSync(path, { recursive: true, force: true });
      renameSync(`${path}.kept`, path);
      chmodSync(path, mode & 0o777);
    }
  }
  const flipByte = (path: string, at: number): void => {
    const bytes = readFileSync(path);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(path, bytes);
  };

  const damages: [string, (path: string) => void][] = [
    ["empty", (path) => truncateSync(path)],
    ["cut", (path) => truncateSync(path, statSync(path).size - 3)],
    ["altered by one bit", (path) => flipByte(path, 30)],
    ["readable by all", (path) => chmodSync(path, path.endsWith(".pub") ? 0o666 : 0o644)],
    ["gone", (path) => rmSync(path)],
    [
      "a link",
      (path) => {
        rmSync(path);
        symlinkSync(`${path}.kept`, path);
      },
    ],
  ];
  const keyFiles = ["minion.sign", "minion.box", "minion.curve", "minion.pub"];
  it.each(damages)("LF-06: a key file that is %s: the minion names it and makes no new key", async (_, damage) => {
    for (const name of keyFiles) {
      const path = join(bus.pki, "m1", name);
      await damaged(
        path,
        () => damage(path),
        async () => {
          const before = hashTree(join(bus.pki, "m1"));
          expect(await refusal(await bus.startMinion("m1", false))).toContain(path);
          expect(hashTree(join(bus.pki, "m1"))).toEqual(before);
        },
      );
    }
  });

  it("LF-06: a pin that is altered or empty is not replaced by the next master that answers", async () => {
    const path = join(bus.pki, "m1", "minion_master.pub");
    for (const damage of [() => truncateSync(path), () => flipByte(path, 40)]) {
      await damaged(path, damage, async () => {
        const before = readFileSync(path);
        const minion = await bus.startMinion("m1", false);
        await minion.says(path);
        expect(readFileSync(path)).toEqual(before);
        expect(minion.stdout).toBe("");
        await minion.stop("SIGKILL");
      });
    }
  });

  it("LF-06: a ledger with a torn end is used without it; with damage in the middle it is refused", async () => {
    await damaged(
      ledger(),
      () => truncateSync(ledger(), statSync(ledger()).size - 3),
      async () => {
        await bus.startMinion("m1");
        await stillServing(bus);
        await bus.minion("m1").stop();
      },
    );
    await damaged(
      ledger(),
      () => flipByte(ledger(), statSync(ledger()).size >> 1),
      async () => {
        const before = readFileSync(ledger());
        expect(await refusal(await bus.startMinion("m1", false))).toContain(ledger());
        expect(readFileSync(ledger())).toEqual(before);
      },
    );
    await bus.startMinion("m1");
    await stillServing(bus);
  });

  it("PF-09: a second master or minion on the same data says who is there, and harms nothing", async () => {
    expect(await refusal(bus.spawn("msalt-master"))).toContain(`pid ${bus.master?.pid}`);
    const first = bus.minion("m1");
    expect(await refusal(await bus.startMinion("m1", false))).toContain(`pid ${first.pid}`);
    bus.minions.set("m1", first);
    await stillServing(bus);
  });

  it.each([
    ...["../m1", "a/b", "a..b", "-x", "", "m 1"].map((id) => [JSON.stringify(id), id] as const),
    ["of 129 letters", "x".repeat(129)] as const,
  ])("HS-03: a minion does not start under the id %s", async (what, id) => {
    const before = readdirSync(bus.pki);
    const name = `odd-${Buffer.from(what).toString("hex")}`;
    expect(await refusal(await bus.startMinion(name, false, [`--id=${id}`]))).toMatch(/\bid\b/);
    expect(readdirSync(bus.pki)).toEqual(before);
  });

  it.each([
    ["an unknown key", "publish_prt: 4505", "publish_prt"],
    ["a value of the wrong type", "worker_threads: many", "worker_threads"],
    ["a port that is none", "timeout: -1", "timeout"],
    ["text that is not YAML", "auto_accept: [", "etc/msalt/master"],
    ["a key twice", "interface: 0.0.0.0", "duplicated"],
  ])("says what is wrong with a configuration that has %s", async (_, line, says) => {
    const file = join(bus.masterRoot, "etc/msalt/master");
    await damaged(
      file,
      () => writeFileSync(file, `${readFileSync(file, "utf8")}${line}\n`),
      async () => {
        const message = await refusal(bus.spawn("msalt-master"));
        expect(message).toContain(says);
        expect(message).toContain(file);
        expect(await bus.msalt("*", "test.ping")).toMatchObject({ code: 2, stderr: expect.stringContaining(says) });
      },
    );
    await stillServing(bus);
  });

  describe("whose master is down", () => {
    beforeAll(async () => {
      await bus.minion("m1").stop();
      await bus.master?.stop();
    });

    it.each(["publish_port", "ret_port", "enroll_port"])("a %s that is taken is named", async (name) => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(bus.ports[name], "127.0.0.1", resolve));
      const message = await refusal(await bus.startMaster(false));
      expect(message).toContain(String(bus.ports[name]));
      expect(message).toMatch(/in use/);
      await new Promise((resolve) => server.close(resolve));
    });

    it.each(damages)("LF-06: a master's key file that is %s is named, and no new key is made", async (_, damage) => {
      for (const name of ["master.sign", "master.pub"]) {
        const path = join(bus.pki, "master", name);
        await damaged(
          path,
          () => damage(path),
          async () => {
            const before = hashTree(join(bus.pki, "master"));
            expect(await refusal(await bus.startMaster(false))).toContain(path);
            expect(hashTree(join(bus.pki, "master"))).toEqual(before);
          },
        );
      }
    });

    it("LF-02: a key folder that others can write to is refused", async () => {
      const path = join(bus.pki, "master");
      chmodSync(path, 0o777);
      expect(await refusal(await bus.startMaster(false))).toContain(path);
      chmodSync(path, 0o700);
    });

    it("a record that is not one is refused, kept, and named", async () => {
      const path = join(bus.masterRoot, "var/lib/msalt/master/jobs.sqlite");
      const all = ["", "-wal", "-shm"].map((end) => `${path}${end}`);
      for (const file of all) rmSync(`${file}.kept`, { force: true });
      await damaged(
        path,
        () => writeFileSync(path, "not a database at all".repeat(1000)),
        async () => {
          const before = readFileSync(path);
          expect(await refusal(await bus.startMaster(false))).toContain(path);
          expect(readFileSync(path)).toEqual(before);
        },
      );
    });

    it("and starts again when all is mended, with every job still in its record", async () => {
      await bus.startMaster();
      await bus.startMinion("m1");
      await stillServing(bus);
      const listed = await bus.run("jobs.list_jobs", "--out=json");
      expect(listed.stdout.match(/"echo (one|two|three)"/g)).toHaveLength(3);
    });
  });
});

describe("disks and modes", () => {
  it("LF-01: under umask 000 secrets are 0600 and folders 0700", async () => {
    const umask = process.umask(0);
    try {
      await using bus = await Bus.start({ minions: ["m1"] });
      await stillServing(bus);
      const open: string[] = [];
      for (const root of [
        bus.pki,
        join(bus.masterRoot, "run"),
        join(bus.masterRoot, "var"),
        join(bus.minionRoot("m1"), "var"),
      ]) {
        for (const [name, entry] of Object.entries(hashTree(root))) {
          const mode = Number.parseInt(entry, 8);
          // A socket is guarded by the folder around it.
          if ((mode & 0o170_000) === 0o140_000) continue;
          if ((mode & (name.endsWith(".pub") ? 0o022 : 0o077)) !== 0) open.push(`${root}/${name} ${mode.toString(8)}`);
        }
      }
      expect(open).toEqual([]);
    } finally {
      process.umask(umask);
    }
  });

  const small = mkdtempSync(join(tmpdir(), "msalt-disk-"));
  const mounted = canMount(small);
  afterAll(() => {
    if (mounted) execFileSync("umount", ["-l", small]);
    rmSync(small, { recursive: true, force: true });
  });

  it.skipIf(!mounted)("SF-01: a full disk refuses new jobs, loses no result, and mends itself", async () => {
    await using bus = await Bus.start({ minions: ["m1"], dir: small });
    // Beside the keys, which are on another disk.
    const [begun, gate] = [join(bus.pki, "begun"), join(bus.pki, "gate")];
    const command = `touch ${begun}; until [ -e ${gate} ]; do sleep 0.05; done; echo kept`;
    const jid = await bus.submit("m1", "cmd.run", command);
    await until("it runs", () => existsSync(begun));
    fill(small);
    writeFileSync(gate, "");
    const refused = await bus.msalt("m1", "test.ping");
    expect(refused).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining("no new job is accepted") });
    expect((await bus.run("jobs.list_jobs", "--out=json")).stdout).toContain(jid);
    rmSync(join(small, "filler"));
    await until("the result", async () => (await bus.lookup(jid))["m1"] === "kept", 60_000);
    await stillServing(bus);
  });

  it.skipIf(!mounted)("SF-01: on a read-only disk neither master nor minion starts, and both say why", async () => {
    await using bus = await Bus.start({ minions: ["m1"], dir: small });
    await bus.minion("m1").stop();
    await bus.master?.stop();
    execFileSync("mount", ["-o", "remount,ro", small]);
    try {
      expect(await refusal(bus.spawn("msalt-master"))).toMatch(/read-only/i);
      const minion = bus.spawn("msalt-minion", "--root-dir", bus.minionRoot("m1"));
      expect(await refusal(minion)).toMatch(/read-only/i);
    } finally {
      execFileSync("mount", ["-o", "remount,rw", small]);
    }
  });
});

/** A small disk at `path`, where the system lets us have one. */
function canMount(path: string): boolean {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=32m", "tmpfs", path], { stdio: "ignore" });
    return true;
  } catch {
    process.stdout.write("a small disk cannot be mounted here: the tests of a full and a read-only disk are skipped\n");
    return false;
  }
}

function fill(path: string): void {
  try {
    for (let size = 64; size > 0; size -= 1)
      writeFileSync(join(path, "filler"), Buffer.alloc(1_048_576), { flag: "a" });
  } catch {
    // It is full now.
  }
}
