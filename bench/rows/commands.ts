/** Whole command lines, as a person waits for them. */
import { setTimeout as sleep } from "node:timers/promises";
import { Bed } from "../bed.ts";
import { timed, timedWell } from "../command.ts";
import type { Cleanup, Contender, Row, Sample, Scale } from "../row.ts";
import { saltContender } from "../salt-side.ts";

const pingCost = ({ wallMs, cpuMs }: { wallMs: number; cpuMs: number }): Sample => ({
  "test.ping": wallMs / 1000,
  "test.ping CPU": cpuMs / 1000,
});
const deathTimes = (offlineMs: number, midJobMs: number): Sample => ({
  "already offline, until the command ends": offlineMs / 1000,
  "dies mid-job, until the command ends": midJobMs / 1000,
});

const empty: Contender = {
  name: "empty Node",
  sample: async () => pingCost(await timedWell([process.execPath, "-e", ""])),
};

export const ping: Row = {
  name: "ping",
  rounds: 9,
  figures: [
    { name: "test.ping", unit: "s", budget: { atMost: 0.2 } },
    { name: "test.ping CPU", unit: "s", budget: { atMost: 0.15 } },
    { name: "cmd.run true", unit: "s" },
    { name: "msalt --version", unit: "s" },
    { name: "msalt-key -L", unit: "s" },
  ],
  open: async (scale, cleanup) => {
    const bed = await withMinions(1, cleanup);
    const wall = async (...words: [string, ...string[]]): Promise<number> =>
      (await timedWell(bed.words(...words))).wallMs / 1000;
    return [
      {
        name: "msalt",
        sample: async () => {
          return {
            ...pingCost(await timedWell(bed.words("msalt", "m1", "test.ping"))),
            "cmd.run true": await wall("msalt", "m1", "cmd.run", "true"),
            "msalt --version": await wall("msalt", "--version"),
            "msalt-key -L": await wall("msalt-key", "-L"),
          };
        },
      },
      empty,
      await saltContender(scale, cleanup, 1, async (salt) => pingCost(await salt.ping())),
    ];
  },
};

export const real: Row = {
  name: "real-50",
  rounds: 5,
  figures: [
    { name: "'*' test.ping", unit: "s", budget: { atMost: 0.5 } },
    { name: "master CPU", unit: "s/1000 returns" },
  ],
  open: async (scale, cleanup) => {
    const count = many(scale);
    const bed = await withMinions(count, cleanup);
    return [
      {
        name: "msalt",
        sample: async () => {
          const before = sum(bed.cpu());
          const { wallMs, stdout } = await timedWell(bed.words("msalt", "*", "test.ping"));
          await sleep(300);
          expectAnswers(stdout, count);
          return { "'*' test.ping": wallMs / 1000, "master CPU": (sum(bed.cpu()) - before) / count };
        },
      },
      await saltContender(scale, cleanup, count, async (salt) => {
        const { wallMs, returned, masterCpuMs } = await salt.fanOut(count);
        if (returned !== count) throw new Error(`${returned} of ${count} minions answered`);
        return { "'*' test.ping": wallMs / 1000, "master CPU": masterCpuMs / count };
      }),
    ];
  },
};

export const dead: Row = {
  name: "dead-minion",
  rounds: 3,
  figures: [
    { name: "already offline, until the command ends", unit: "s", budget: { atMost: 3 } },
    { name: "dies mid-job, until the command ends", unit: "s", budget: { atMost: 20 } },
  ],
  open: async (scale, cleanup) => {
    const bed = await withMinions(2, cleanup);
    return [
      {
        name: "msalt",
        sample: async () => {
          await bed.stopMinion("m2", "SIGKILL");
          // As one who did not see it die.
          await sleep(3000);
          const offline = await timed(bed.words("msalt", "m2", "test.ping"));
          await bed.startMinion("m2");
          const running = timed(bed.words("msalt", "m2", "test.sleep", "20"));
          await sleep(1000);
          await bed.stopMinion("m2", "SIGKILL");
          const midJob = await running;
          await bed.startMinion("m2");
          for (const { code, stdout } of [offline, midJob]) {
            if (code === 0 || !stdout.includes("m2:"))
              throw new Error(`the dead minion was not named (exit ${code}): ${stdout}`);
          }
          return deathTimes(offline.wallMs, midJob.wallMs);
        },
      },
      await saltContender(scale, cleanup, 2, async (salt) => {
        const { offlineMs, midJobMs } = await salt.deadMinion();
        return deathTimes(offlineMs, midJobMs);
      }),
    ];
  },
};

export const restart: Row = {
  name: "restart-50",
  rounds: 3,
  figures: [
    { name: "answered", unit: "minions", budget: { atLeast: 50 } },
    { name: "exit status", unit: "of the command" },
    { name: "first command", unit: "s" },
  ],
  open: async (scale, cleanup) => {
    const count = many(scale);
    const bed = await withMinions(count, cleanup);
    return [
      {
        name: "msalt",
        sample: async () => {
          await bed.stopMaster();
          await bed.startMaster();
          const { code, stdout, wallMs } = await timed(bed.words("msalt", "*", "test.ping"));
          return { answered: answersIn(stdout), "exit status": code, "first command": wallMs / 1000 };
        },
      },
      await saltContender(scale, cleanup, count, async (salt) => {
        const { answered, exitCode } = await salt.restart(count);
        return { answered, "exit status": exitCode };
      }),
    ];
  },
};

const many = ({ quick }: Scale): number => (quick ? 5 : 50);
const sum = (cpu: Readonly<Record<string, number>>): number => Object.values(cpu).reduce((all, each) => all + each, 0);
const answersIn = (stdout: string): number => stdout.match(/^ {4}True$/gm)?.length ?? 0;

function expectAnswers(stdout: string, count: number): void {
  const answers = answersIn(stdout);
  if (answers !== count) throw new Error(`${answers} of ${count} minions answered`);
}

/** A master and m1 … of that many real minion processes. */
export async function withMinions(count: number, cleanup: Cleanup): Promise<Bed> {
  const bed = cleanup.use(await Bed.start());
  for (let at = 1; at <= count; at += 4) {
    const ids = Array.from({ length: Math.min(4, count - at + 1) }, (_, n) => `m${at + n}`);
    await Promise.all(ids.map((id) => bed.startMinion(id)));
  }
  return bed;
}
