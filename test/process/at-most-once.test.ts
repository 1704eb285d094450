import { spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { keyIdOf } from "../../src/crypto/primitives.ts";
import { encode } from "../../src/wire/codec.ts";
import { type Order, orderSignedBytes } from "../../src/wire/publication.ts";
import { Bus } from "../support/bus.ts";
import { until } from "../support/proc.ts";
import { host } from "../support/keys.ts";
import { ShiftedPrograms } from "../support/shifted.ts";

const now = 1_795_000_000_000;
const jids = ["20261121023504473347", "20261121023504473348"] as const;
const places: string[] = [];
let program: string;

beforeAll(async () => {
  // Beside the packages that it needs.
  const cache = mkdtempSync(join(import.meta.dirname, "../../node_modules/.msalt-victim-"));
  places.push(cache);
  program = join(cache, "victim.mjs");
  await build({
    entryPoints: [join(import.meta.dirname, "../support/victim.ts")],
    outfile: program,
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    logLevel: "error",
  });
});
afterAll(() => places.forEach((place) => rmSync(place, { recursive: true, force: true })));

/** A folder with signed orders: 0 and 1 run a command each that leaves a line, 2 ends job 1, 3 is job 0 when its time is over. */
function prepare(): { folder: string; ran: () => string[] } {
  const folder = mkdtempSync(join(tmpdir(), "msalt-victim-"));
  places.push(folder);
  const [master, minion] = [host("master", "master", "master"), host("m1")];
  const ran = join(folder, "ran");
  const rest = { fun: "cmd.run", user: "root", tgt: "m1", tgt_type: "glob", created: now } as const;
  const run = (jid: string, notAfter: number): Order =>
    ({ order: "run", jid, arg: [`echo ${jid} >> ${ran}`], ...rest, not_after: notAfter }) as Order;
  const all = [
    run(jids[0], now + 600_000),
    run(jids[1], now + 600_000),
    { order: "kill", jid: jids[1], signal: 15, not_after: now + 600_000 } as Order,
    run(jids[0], now - 1),
  ];
  const ownKeyId = Buffer.from(keyIdOf(minion.record.sign), "hex");
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
  const orders = all.map((order) => {
    const bytes = encode(order);
    return { jid: order.jid, bytes: hex(bytes), signature: hex(master.signer.sign(orderSignedBytes(bytes, ownKeyId))) };
  });
  const facts = { now, masterSign: hex(master.record.sign), ownSign: hex(minion.record.sign), orders };
  writeFileSync(join(folder, "orders.json"), JSON.stringify(facts));
  return { folder, ran: () => (existsSync(ran) ? readFileSync(ran, "utf8").trim().split("\n") : []) };
}

interface Life {
  readonly killed: boolean;
  readonly results: Readonly<Record<string, { seen: string; state?: string }>>;
}

async function live(folder: string, ...args: readonly string[]): Promise<Life> {
  const child = spawn(process.execPath, [program, folder, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (data: Buffer) => (text += data.toString()));
  const signal = await new Promise((resolve) => child.once("close", (_code, by) => resolve(by)));
  if (signal === "SIGKILL") return { killed: true, results: {} };
  return { killed: false, ...(JSON.parse(text) as Omit<Life, "killed">) };
}

/** What a life that was cut off and the next one have made of the orders; what is wrong with it. */
function faults(ran: readonly string[], results: Life["results"]): string[] {
  return jids.flatMap((jid) => {
    const runs = ran.filter((line) => line === jid).length;
    const { seen, state } = results[jid] ?? {};
    const found: string[] = [];
    if (runs > 1) found.push(`${jid} ran ${runs} times`);
    if (seen === "done" && !["succeeded", "lost", "killed"].includes(state ?? "")) found.push(`${jid} is ${state}`);
    if (state === "succeeded" && runs !== 1) found.push(`${jid} succeeded, ran ${runs} times`);
    if (state === "killed" && runs !== 0) found.push(`${jid} was killed before it began, ran ${runs} times`);
    if (seen !== "done") found.push(`${jid} has no result`);
    return found;
  });
}

/** Every operation on the ledger's file in turn, until a life ends by itself; how many there were, and what went wrong. */
async function sweep(when: string, sequence: string, ...more: string[]): Promise<{ lives: number; wrong: string[] }> {
  const wrong: string[] = [];
  for (let at = 0; ; at += 1) {
    const { folder, ran } = prepare();
    const { killed } = await live(folder, String(at), when, sequence, ...more);
    if (!killed) return { lives: at, wrong };
    // The network says everything again, doubled and in another order, and too late as well.
    const { results } = await live(
      folder,
      "-1",
      "before",
      `3,${sequence.split(",").toReversed().join(",")},${sequence},3`,
    );
    wrong.push(...faults(ran(), results).map((fault) => `${when} operation ${at}: ${fault}`));
  }
}

// Dozens of processes, one after the other.
const patience = 300_000;

describe("kill -9 at each operation on the ledger (PF-06)", { timeout: patience }, () => {
  it.each(["before", "in", "after"])("P2: %s it, a job runs once or is lost, and has one result", async (when) => {
    const { lives, wrong } = await sweep(when, "0,1,0");
    expect(wrong).toEqual([]);
    expect(lives).toBeGreaterThan(8);
  });

  it("P2: a job that was killed before it began never begins", async () => {
    const { lives, wrong } = await sweep("after", "2,0,1");
    expect(wrong).toEqual([]);
    expect(lives).toBeGreaterThan(6);
  });

  it("is found out when START does not reach the disk", async () => {
    const { wrong } = await sweep("before", "0,1", "forgetful");
    expect(wrong.join("\n")).toContain("ran 2 times");
  });
});

describe("the same order again and again", () => {
  it("EN-05: doubled, reordered and late, it runs once; killed first or too late, never", async () => {
    const { folder, ran } = prepare();
    const { results } = await live(folder, "-1", "before", "3,2,1,0,0,3,1,0,2,1");
    expect(ran()).toEqual([jids[0]]);
    expect(results).toEqual({
      [jids[0]]: { seen: "done", state: "succeeded" },
      [jids[1]]: { seen: "done", state: "killed" },
    });
  });
});

const hour = 3_600_000;

describe("whole minions", { timeout: patience }, () => {
  it("I1: killed again and again while they work, they run nothing twice and leave nothing open", async () => {
    await using bus = await Bus.start({ minions: ["m1"] });
    const ran = join(bus.root, "ran");
    const submitted: string[] = [];
    for (let round = 0; round < 8; round += 1) {
      for (let n = 0; n < 3; n += 1) {
        const mark = `job-${round}-${n}`;
        submitted.push(await bus.submit("m1", "cmd.run", `echo ${mark} >> ${ran}; sleep 0.0${n}; echo ${mark}`));
      }
      if (round % 2 === 1) {
        const before = existsSync(ran) ? readFileSync(ran, "utf8").length : 0;
        await until("one more has begun", () => existsSync(ran) && readFileSync(ran, "utf8").length >= before);
      }
      await bus.minion("m1").stop("SIGKILL");
      await bus.startMinion("m1");
    }
    await until(
      "no job is open",
      async () => (await bus.run("jobs.active", "--out=json")).stdout.trim() === "{}",
      120_000,
    );
    const lines = readFileSync(ran, "utf8").trim().split("\n");
    expect(lines).toHaveLength(new Set(lines).size);
    for (const jid of submitted) {
      const value = String((await bus.lookup(jid))["m1"]);
      if (value.startsWith("job-")) expect(lines).toContain(value);
      else expect(value).toContain("lost");
    }
  });

  it("SF-06: with yesterday's ledger, what was open is lost and nothing runs again", async () => {
    await using bus = await Bus.start({ minions: ["m1"] });
    const ran = join(bus.root, "ran");
    const ledger = join(bus.minionRoot("m1"), "var/lib/msalt/minion/ledger");
    expect((await bus.msalt("m1", "cmd.run", "true")).code).toBe(0);
    await bus.minion("m1").stop();
    copyFileSync(ledger, `${ledger}.yesterday`);
    await bus.startMinion("m1");
    const done = await bus.submit("m1", "cmd.run", `echo done >> ${ran}`);
    const running = await bus.submit("m1", "cmd.run", `echo running >> ${ran}; sleep 600`, "--ttl", "600");
    await until("both to begin", () => existsSync(ran) && readFileSync(ran, "utf8").split("\n").length === 3);
    await until("the first result", async () => (await bus.lookup(done))["m1"] === "");
    await bus.runs(running);
    await bus.minion("m1").stop("SIGKILL");
    copyFileSync(`${ledger}.yesterday`, ledger);
    await bus.startMinion("m1");
    await until("it is lost", async () => String((await bus.lookup(running))["m1"]).includes("ledger"));
    expect((await bus.msalt("m1", "test.ping")).code).toBe(0);
    expect(readFileSync(ran, "utf8").trim().split("\n").toSorted()).toEqual(["done", "running"]);
  });

  it.each(["master", "minion"] as const)(
    "NF-08: steps of the %s's clock neither lose, repeat nor expire a job",
    async (whose) => {
      using programs = new ShiftedPrograms();
      await using bus = await Bus.start({ minions: ["m1"], [`${whose}From`]: programs.folder });
      const ran = join(bus.root, "ran");
      const submitted: string[] = [];
      const run = async (mark: string, more = ""): Promise<void> => {
        submitted.push(await bus.submit("m1", "cmd.run", `echo ${mark} >> ${ran}; ${more} echo ${mark}`));
      };
      for (const [n, step] of [0, hour, -2 * hour, 365 * 24 * hour, 0].entries()) {
        await run(`long-${n}`, "sleep 1.5;");
        programs.shift(step);
        await run(`short-${n}`);
        const { code, stderr } = await bus.msalt("m1", "test.ping");
        expect({ step, code, stderr }).toEqual({ step, code: 0, stderr: "" });
      }
      await until("no job is open", async () => (await bus.run("jobs.active", "--out=json")).stdout.trim() === "{}");
      expect(submitted).toEqual(submitted.toSorted());
      for (const jid of submitted) expect((await bus.lookup(jid))["m1"]).toMatch(/^(long|short)-\d$/);
      expect(readFileSync(ran, "utf8").trim().split("\n")).toHaveLength(submitted.length);
    },
  );
});
