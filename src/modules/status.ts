/** `status` and `ps`: what a system is doing. Linux; read from /proc and the usual tools. */
import { readFileSync, readdirSync } from "node:fs";
import { loadavg, uptime } from "node:os";
import * as z from "zod";
import { MsaltError } from "../errors.ts";
import { userNames } from "./accounts.ts";
import { type AnyFunction, declare } from "./declare.ts";
import { fact, outputOf } from "./facts.ts";
import { sleep } from "./sleep.ts";

const none = z.strictObject({});

function linesOf(file: string): string[] {
  return readFileSync(file, "utf8").split("\n").filter(Boolean);
}

/** `Name: value unit` lines, as in /proc/meminfo. */
function meminfo(): Record<string, { value: string; unit: string }> {
  const rows = linesOf("/proc/meminfo").map((line) => /^([^:]+):\s+(\d+)(?: (\w+))?$/.exec(line));
  return Object.fromEntries(
    rows.flatMap((row) => (row === null ? [] : [[row[1] ?? "", { value: row[2] ?? "", unit: row[3] ?? "" }]])),
  );
}

function cpuinfo(): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const line of linesOf("/proc/cpuinfo")) {
    const [key = "", value = ""] = line.split(":").map((part) => part.trim());
    if (key in found) continue;
    found[key] = key === "flags" || key === "Features" ? value.split(" ") : value;
  }
  return found;
}

function uptimeFacts(): Record<string, unknown> {
  const seconds = Math.floor(uptime());
  const since = new Date(Date.now() - seconds * 1000);
  const [days, rest] = [Math.floor(seconds / 86_400), seconds % 86_400];
  const clock = `${Math.floor(rest / 3600)}:${String(Math.floor((rest % 3600) / 60)).padStart(2, "0")}`;
  return { seconds, since_iso: since.toISOString(), since_t: Math.floor(since.getTime() / 1000), days, time: clock };
}

interface Process {
  readonly pid: number;
  readonly ppid: number;
  readonly name: string;
  readonly state: string;
  readonly uid: number;
  readonly cmdline: string;
  /** Clock ticks in user and kernel mode. */
  readonly ticks: number;
  readonly rssPages: number;
}

/** Processes that live now; one that ends while it is looked at is left out. */
function processes(): Process[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name): Process[] => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, "utf8");
        const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        const status = readFileSync(`/proc/${name}/status`, "utf8");
        return [
          {
            pid: Number(name),
            ppid: Number(fields[1]),
            name: stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")")),
            state: fields[0] ?? "",
            uid: Number(/^Uid:\s+(\d+)/m.exec(status)?.[1] ?? 0),
            cmdline: readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0").join(" ").trim(),
            ticks: Number(fields[11]) + Number(fields[12]),
            rssPages: Number(fields[21]),
          },
        ];
      } catch {
        return [];
      }
    });
}

export const statusFunctions: readonly AnyFunction[] = [
  fact("status.uptime", "Give how long the system has been up.", none, async () => uptimeFacts()),
  fact("status.loadavg", "Give the load averages.", none, async () => {
    const [one, five, fifteen] = loadavg().map((value) => Math.round(value * 100) / 100);
    return { "1-min": one, "5-min": five, "15-min": fifteen };
  }),
  fact("status.meminfo", "Give what /proc/meminfo says.", none, async () => meminfo()),
  fact("status.cpuinfo", "Give what /proc/cpuinfo says of the first processor.", none, async () => cpuinfo()),
  fact("status.nproc", "Give the number of processors.", none, async (_args, host) =>
    Number(await outputOf(host, "nproc")),
  ),
  fact("status.procs", "Give the processes by their numbers.", none, async () => {
    const names = userNames();
    return Object.fromEntries(
      processes().map(({ pid, uid, cmdline, name }) => [
        String(pid),
        { cmd: cmdline || `[${name}]`, user: names.get(uid) ?? String(uid) },
      ]),
    );
  }),
  fact(
    "status.pid",
    "Give the numbers of the processes whose command line holds a text, one a line.",
    z.strictObject({ sig: z.string() }),
    async ({ sig }, host) =>
      processes()
        .filter(({ pid, cmdline }) => pid !== process.pid && cmdline.includes(sig) && !cmdline.includes(host.job.jid))
        .map(({ pid }) => pid)
        .join("\n"),
    "sshd",
  ),
];

export const psFunctions: readonly AnyFunction[] = [
  fact(
    "ps.pgrep",
    "Give the numbers of the processes whose name matches a regular expression; full=True looks at the command line.",
    z.strictObject({ pattern: z.string(), user: z.string().optional(), full: z.boolean().default(false) }),
    async ({ pattern, user, full }, host) => {
      const options = [...(full ? ["-f"] : []), ...(user === undefined ? [] : ["-u", user])];
      const { stdout, pid } = await host.command({ argv: ["pgrep", ...options, "--", pattern] });
      const found = stdout.split("\n").filter(Boolean).map(Number);
      return found.filter((each) => each !== pid);
    },
    "sshd",
  ),
  fact(
    "ps.top",
    "Give the busiest processes over an interval of seconds.",
    z.strictObject({ num_processes: z.int().min(1).default(5), interval: z.number().min(0.1).max(600).default(3) }),
    async ({ num_processes: count, interval }, { signal }) => {
      const before = new Map(processes().map(({ pid, ticks }) => [pid, ticks]));
      await sleep(interval * 1000, signal);
      const names = userNames();
      return processes()
        .map((each) => ({ ...each, spent: each.ticks - (before.get(each.pid) ?? each.ticks) }))
        .toSorted((a, b) => b.spent - a.spent)
        .slice(0, count)
        .map(({ pid, name, uid, spent, rssPages, state, cmdline }) => ({
          cmd: cmdline || `[${name}]`,
          "cpu.percent": Math.round(spent / interval),
          "mem.rss": rssPages * 4096,
          pid,
          status: state,
          user: names.get(uid) ?? String(uid),
        }));
    },
    "num_processes=3 interval=1",
  ),
  fact(
    "ps.proc_info",
    "Give name, parent, state, user and command line of a process.",
    z.strictObject({ pid: z.int().min(1) }),
    async ({ pid }) => {
      const found = processes().find((each) => each.pid === pid);
      if (found === undefined) throw new MsaltError("ERR_COMMAND", `no process ${pid} on this minion`);
      const { name, ppid, state, uid, cmdline, rssPages } = found;
      const user = userNames().get(uid) ?? String(uid);
      return { cmdline, name, pid, ppid, rss: rssPages * 4096, status: state, username: user };
    },
    "2322",
  ),
  declare({
    name: "ps.kill_pid",
    summary: "Send a signal to a process; say whether it was there.",
    examples: ["msalt 'minion' ps.kill_pid 2000 signal=9"],
    params: z.strictObject({ pid: z.int().min(1), signal: z.int().min(0).max(64).default(15) }),
    effects: "some",
    run: async ({ pid, signal }) => {
      try {
        return process.kill(pid, signal);
      } catch (failure) {
        if ((failure as { code?: string }).code === "ESRCH") return false;
        throw new MsaltError("ERR_COMMAND", `process ${pid}: ${(failure as Error).message}`);
      }
    },
  }),
  fact("ps.virtual_memory", "Give total, available, used and free memory in bytes.", none, async () => {
    const info = meminfo();
    const bytes = (name: string): number => Number(info[name]?.value ?? 0) * 1024;
    const [total, available, free] = [bytes("MemTotal"), bytes("MemAvailable"), bytes("MemFree")];
    const percent = Math.round(((total - available) / total) * 1000) / 10;
    return {
      available,
      buffers: bytes("Buffers"),
      cached: bytes("Cached"),
      free,
      percent,
      total,
      used: total - available,
    };
  }),
];
