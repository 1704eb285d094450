/**
 * Mixed jobs for a while on many emulated minions that come and go, with three followers: nothing is lost, and no process grows.
 * `npm run soak` is the long form: 30 minutes, 1,000 minions, and a bound on the growth of memory.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { LocalClient } from "../../src/client/local.ts";
import { hasResult, isTerminal } from "../../src/job/state.ts";
import { smallHeap } from "../../src/lib/small-heap.ts";
import type { Jid } from "../../src/wire/ids.ts";
import type { LocalLoad, TargetView } from "../../src/wire/local.ts";
import { Bus } from "../support/bus.ts";
import { Proc, dist, until } from "../support/proc.ts";
import { Measure, treeOf } from "../support/measure.ts";

const minutes = Number(process.env["MSALT_SOAK_MINUTES"] ?? 1.5);
const minions = Number(process.env["MSALT_SOAK_MINIONS"] ?? 150);
const isLong = minutes >= 10;
const ms = minutes * 60_000;
/**
 * Heaps and caches fill up first. A connection takes memory with its first messages and gives it back when it ends: links are made anew
 * every two minutes, so that by then as many are young as are old, and what they take together stays as it is.
 */
const warmUpMs = isLong ? 8 * 60_000 : ms / 3;
const mibPer10Min = 1;

let bus: Bus;
let swarm: Proc;
let client: LocalClient;
const started: ChildProcess[] = [];

beforeAll(async () => {
  bus = await Bus.start({ minions: [], autoAccept: false, master: "enroll_rate: 1000000\nkeep_jobs_seconds: 300" });
  const { stdout: token } = await bus.key("--token", `--uses=${minions}`);
  const { publish_port, ret_port, enroll_port } = bus.ports;
  const ports = [`--publish-port=${publish_port}`, `--master-port=${ret_port}`, `--enroll-port=${enroll_port}`];
  const like = [
    "--minions",
    `${minions}`,
    "--id",
    "web{n}",
    "--grain",
    "dc={n%4}",
    "--disconnect-every",
    isLong ? "120" : "60",
  ];
  const to = ["--master", "127.0.0.1", ...ports, "--token", token.trim(), "--root-dir", bus.minionRoot("swarm")];
  swarm = bus.track(new Proc("msalt-swarm", [...like, ...to]));
  await swarm.says("msalt-swarm ready", 60_000 + minions * 200);
  client = await LocalClient.connect(bus.sockDir);
}, 600_000);

afterAll(async () => {
  for (const child of started) child.kill("SIGKILL");
  (client as LocalClient | undefined)?.close();
  await (swarm as Proc | undefined)?.stop();
  await bus[Symbol.asyncDispose]();
}, 60_000);

/** `msalt-run state.event` for as long as the test runs, read by nobody who would keep it. */
function follower(...tag: string[]): ChildProcess {
  const args = [join(dist, "msalt-run.js"), "--root-dir", bus.masterRoot, "state.event", ...tag, "count=100000000"];
  const child = spawn(process.execPath, [...smallHeap, ...args], { stdio: ["ignore", "ignore", "inherit"] });
  started.push(child);
  return child;
}

const all = { tgt: "*", tgtType: "glob" as const, arg: [], user: "soak", waitMs: 30_000 };
type Order = LocalLoad<"publish">;

/** What is sent in turn; `kill`: it is ended after a moment. */
const orders: readonly (Order & { readonly kill?: true })[] = [
  { ...all, fun: "test.ping" },
  { ...all, fun: "cmd.run", arg: ["uptime"], subset: Math.ceil(minions / 3) },
  { ...all, fun: "grains.items", tgt: "dc:2", tgtType: "grain" },
  { ...all, fun: "test.sleep", arg: [0.5], parallel: { percent: 10 }, tgt: "web1*" },
  { ...all, fun: "test.echo", arg: ["x".repeat(60_000)], subset: 20 },
  { ...all, fun: "test.sleep", arg: [30], kill: true, subset: 30 },
  { ...all, fun: "test.false", tgt: "web2*" },
];

it(
  `soak: loses no return and does not grow, ${minutes} minutes with ${minions} minions`,
  { timeout: ms + 180_000 },
  async () => {
    let events = 0;
    await client.subscribe("", () => (events += 1));
    const followers = [[], ["salt/job"]].map((tag) => follower(...tag));
    const pids = (): number[] =>
      [bus.master?.pid ?? 0, swarm.pid, ...followers.map(({ pid = 0 }) => pid)].flatMap(treeOf);
    const measure = new Measure();
    // Often enough to see each process just after a collection.
    const sampling = setInterval(() => measure.take(pids()), ms / 400);
    const before = pids().toSorted((a, b) => a - b);
    const jobs = new Map<Jid, { killed: boolean }>();
    const lost: string[] = [];
    let checked = 0;

    /** Every target of a job has ended as it should. */
    const check = async (jid: Jid): Promise<void> => {
      let open: readonly TargetView[] = [];
      await until(
        `the end of job ${jid}`,
        async () => {
          const { targets } = await client.call("job.record", { jid });
          open = targets.filter(({ state }) => !isTerminal(state));
          if (open.length > 0) return false;
          for (const target of targets) {
            // One that was away when the job was killed had not begun.
            const isFine = hasResult(target) || (target.state === "skipped" && jobs.get(jid)?.killed === true);
            if (!isFine) lost.push(`${jid} ${target.id} ${target.state}`);
          }
          return true;
        },
        120_000,
        () => JSON.stringify(open.slice(0, 3)),
      );
      jobs.delete(jid);
      checked += 1;
    };

    const begin = performance.now();
    for (let n = 0; performance.now() < begin + ms; n += 1) {
      const { kill, ...order } = orders[n % orders.length] ?? { ...all, fun: "test.ping" };
      const { jid } = await client.call("publish", order);
      jobs.set(jid, { killed: kill === true });
      if (kill) setTimeout(() => void client.call("job.kill", { jid, user: "soak" }).catch(() => undefined), 500);
      await new Promise((resolve) => setTimeout(resolve, isLong ? 1000 : 400));
      // Looked at while they are kept.
      const [oldest] = jobs.keys();
      if (jobs.size > 20 && oldest !== undefined) await check(oldest);
    }
    for (const jid of jobs.keys()) await check(jid);
    clearInterval(sampling);

    const growth = measure.growth(warmUpMs);
    process.stdout.write(
      `soak: ${checked} jobs, ${events} events; KiB per 10 minutes, RSS in KiB, descriptors least and most\n` +
        growth
          .map((row) => `  ${row.name}: ${row.kibPer10Min}, ${row.rssKib}, ${row.descriptors.join(" to ")}\n`)
          .join(""),
    );
    expect(lost).toEqual([]);
    expect(events).toBeGreaterThan(checked * 3);
    expect(pids().toSorted((a, b) => a - b)).toEqual(before);
    expect(growth.length).toBe(before.length);
    for (const { name, descriptors } of growth) {
      // A link that is made anew has its old sockets for a moment.
      const own = name.startsWith("swarm-part") ? minions : 30;
      expect(descriptors[1] - descriptors[0], `descriptors of ${name}`).toBeLessThan(20 + own);
    }
    // Hundreds of minions share a process; each remembers for an hour what it ran.
    const share = (name: string): number => (name.startsWith("swarm-part") ? minions / 2 : 1);
    const grown = growth.filter(({ name, kibPer10Min }) => kibPer10Min > mibPer10Min * 1024 * share(name));
    if (isLong) expect(grown).toEqual([]);
  },
);
