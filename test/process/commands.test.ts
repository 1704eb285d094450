import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Dealer } from "zeromq";
import { decode, encode } from "@msgpack/msgpack";
import { stillServing, unharmed } from "../support/attack.ts";
import { Bus } from "../support/bus.ts";
import { until } from "../support/proc.ts";
import { localLoads, minionLoads } from "../support/commands.ts";
import { RawMinion, type RawReply } from "../support/raw-minion.ts";

let bus: Bus;
beforeAll(async () => {
  bus = await Bus.start({ minions: [], autoAccept: false });
  await bus.startMinion("m1", false);
  await until("m1 pends", async () => (await bus.key("-l", "pre")).stdout.includes("m1"));
  await bus.key("-y", "-a", "m1");
  await bus.minion("m1").says("msalt-minion ready");
});
afterAll(() => bus[Symbol.asyncDispose]());

/** Each command at the same time: what comes back within a moment, or by then. */
async function askAll(raw: RawMinion, timeoutMs = 1500): Promise<(RawReply | undefined)[]> {
  return Promise.all(Object.values(minionLoads).map((load) => raw.ask({ ...load }, timeoutMs)));
}
const silence = Object.keys(minionLoads).map(() => undefined);

async function enrolled(id: string): Promise<RawMinion> {
  const raw = new RawMinion(id);
  expect(await raw.enrol(bus.ports["enroll_port"] ?? 0)).toBe(1);
  return raw;
}

describe("AZ-02: every command by every actor", () => {
  it("AZ-02: whose key is pending, rejected, or was deleted while it was connected hears nothing to any command", async () => {
    const pending = await enrolled("pending");
    const rejected = await enrolled("rejected");
    await bus.key("-y", "-r", "rejected");
    const adding = enrolled("deleted");
    await adding;
    await bus.key("-y", "-a", "deleted");
    const deleted = await rawMinionOf(await adding);
    await bus.key("-y", "-d", "deleted");
    await unharmed(bus, async () => {
      for (const raw of [pending, rejected]) raw.connect(bus.ports);
      const heard = await Promise.all([pending, rejected, deleted].map((raw) => askAll(raw)));
      expect(heard).toEqual([silence, silence, silence]);
    });
    for (const raw of [pending, rejected, deleted]) raw[Symbol.dispose]();
  });

  async function rawMinionOf(raw: RawMinion): Promise<RawMinion> {
    raw.connect(bus.ports);
    await raw.online();
    return raw;
  }

  it("AZ-02: an accepted minion is answered each command of minions, and no other", async () => {
    const raw = await enrolled("r1");
    await bus.key("-y", "-a", "r1");
    await rawMinionOf(raw);
    const answers = await askAll(raw, 20_000);
    const codes = Object.keys(minionLoads).map((cmd, n) => [cmd, answers[n]?.error ?? (answers[n]?.ok && "ok")]);
    expect(Object.fromEntries(codes)).toEqual({
      ...Object.fromEntries(Object.keys(minionLoads).map((cmd) => [cmd, "ok"])),
      "job.start": "E_NOT_TARGETED",
      "job.return": "E_SCHEMA",
      "job.output": "E_NOT_TARGETED",
      "peer.publish": "E_FORBIDDEN",
      "file.push": "E_FORBIDDEN",
    });
    for (const [cmd, { load }] of Object.entries(localLoads).filter(([name]) => !(name in minionLoads)))
      expect([cmd, (await raw.ask({ cmd, ...load }, 20_000))?.error]).toEqual([cmd, "E_COMMAND"]);
    await bus.key("-y", "-d", "r1");
    raw[Symbol.dispose]();
  });

  it("AZ-02: at local.sock no command is answered without the secret, nor any command of minions with it", async () => {
    await unharmed(bus, async () => {
      const dealer = new Dealer({ linger: 0 });
      dealer.connect(`ipc://${join(bus.sockDir, "local.sock")}`);
      const ask = async (request: Record<string, unknown>): Promise<string> => {
        await dealer.send(Buffer.from(encode(request)));
        const [frame] = await dealer.receive();
        const { error } = decode(frame ?? Buffer.alloc(0)) as { error?: { code: string } };
        return error?.code ?? "ok";
      };
      for (const [cmd, { load }] of Object.entries(localLoads)) {
        for (const secret of [undefined, Buffer.alloc(32), Buffer.alloc(0), "x".repeat(32), [1]])
          expect([cmd, await ask({ n: 1, cmd, load, ...(secret !== undefined && { secret }) })]).toEqual([
            cmd,
            "ERR_NOT_ALLOWED",
          ]);
      }
      dealer.close();
    });
  });

  it("AZ-10: a minion that has not said what it is is no target by grain, and the tool says so", async () => {
    const raw = await enrolled("new1");
    await bus.key("-y", "-a", "new1");
    await rawMinionOf(raw);
    const { stdout } = await bus.msalt("-G", "id:*", "test.ping", "--out=json", "--static");
    expect(JSON.parse(stdout)).toEqual({ m1: true });
    const preview = await bus.msalt("--dry-run", "-G", "id:*", "test.ping");
    expect(preview.stdout + preview.stderr).toContain("new1");
    raw[Symbol.dispose]();
    await stillServing(bus);
  });
});
