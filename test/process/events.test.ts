import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LocalClient } from "../../src/client/local.ts";
import type { BusEvent } from "../../src/wire/local.ts";
import { Bus } from "../support/bus.ts";
import { until } from "../support/proc.ts";

describe("the event bus", () => {
  let bus: Bus;
  let client: LocalClient;
  const seen: BusEvent[] = [];
  const of = (tag: string | RegExp): BusEvent[] =>
    seen.filter((event) => (typeof tag === "string" ? event.tag === tag : tag.test(event.tag)));

  beforeAll(async () => {
    bus = await Bus.start({ minions: [], autoAccept: false });
  });
  afterAll(async () => {
    client.close();
    await bus[Symbol.asyncDispose]();
  });

  it("fires salt/auth, salt/key and salt/minion/<id>/start as a minion comes", async () => {
    client = await LocalClient.connect(bus.sockDir);
    await client.subscribe("", (event) => seen.push(event));
    await bus.startMinion("m3", false);
    await until("m3 pends", () => of("salt/auth").length > 0);
    expect(of("salt/auth")[0]?.data).toMatchObject({ id: "m3", act: "pend", result: true, _stamp: expect.any(String) });
    expect(await bus.key("-y", "-a", "m3")).toMatchObject({ code: 0 });
    await until("its event", () => of("salt/key").length > 0);
    expect(of("salt/key")[0]?.data).toMatchObject({ id: "m3", act: "accept", status: "accepted", result: true });
    await until("m3 starts", () => of("salt/minion/m3/start").length === 1);
    await until("m3 is there", () => of("salt/presence/change").some(({ data }) => String(data["new"]) === "m3"));
  });

  it("fires new, start and ret of a job with Salt's fields, numbered without a gap", async () => {
    const gate = join(bus.root, "gate");
    const cmd = `while [ ! -e ${gate} ]; do sleep 0.1; done; echo hi`;
    const jid = await bus.submit("m3", "cmd.run", cmd, "cwd=/");
    // The minion says that it has begun while it runs, in a request of its own: one that ends meanwhile may be heard first.
    await until("its start", () => of(`salt/job/${jid}/start/m3`).length === 1, 60_000);
    writeFileSync(gate, "");
    await until("its end", () => of(`salt/job/${jid}/end`).length === 1);
    const events = of(new RegExp(`^salt/job/${jid}/`));
    expect(events.map(({ tag }) => tag.slice(`salt/job/${jid}/`.length))).toEqual(["new", "start/m3", "ret/m3", "end"]);
    expect(events.map(({ data }) => data["_seq"])).toEqual([1, 2, 3, 4]);
    const arg = [cmd, { __kwarg__: true, cwd: "/" }];
    const [fired, started, returned] = events;
    expect(fired?.data).toMatchObject({
      jid,
      tgt: "m3",
      tgt_type: "glob",
      fun: "cmd.run",
      arg,
      user: expect.any(String),
      minions: ["m3"],
      missing: [],
    });
    expect(started?.data).toMatchObject({ id: "m3", jid, fun: "cmd.run", tgt: "m3", tgt_type: "glob" });
    expect(returned?.data).toMatchObject({
      cmd: "_return",
      id: "m3",
      jid,
      fun: "cmd.run",
      fun_args: arg,
      return: "hi",
      retcode: 0,
      success: true,
    });
  });

  it("carries what a minion sends, under its own name", async () => {
    await bus.msalt("m3", "event.send", "app/deployed", "{version: 7}");
    await until("the event", () => of("salt/minion/m3/app/deployed").length === 1);
    expect(of("salt/minion/m3/app/deployed")[0]?.data).toMatchObject({
      id: "m3",
      cmd: "_minion_event",
      data: { version: 7 },
    });
  });

  it("fires salt/key for a deletion", async () => {
    await bus.key("-y", "-d", "m3");
    await until("its event", () => of("salt/key").some(({ data }) => data["act"] === "delete"));
    expect(of("salt/key").at(-1)?.data).toMatchObject({ id: "m3", act: "delete", status: "delete", result: true });
  });

  it("tells a listener when the controller was started anew, and refuses an event that is too large to hold", async () => {
    const listening = bus.spawn("msalt-run", "state.event", "x/");
    await until("it listens", async () => {
      await client.call("event.fire", { tag: "x/first", data: {} });
      return listening.stdout.includes("x/first");
    });
    const [pid = 0] = bus.pidsOf("controller");
    process.kill(pid, "SIGKILL");
    await listening.says("msalt-run: the event bus was away: events may be missing here");
    await listening.stop();
    const large = await bus.run("event.send", "x/large", JSON.stringify({ text: "x".repeat(40_000) }));
    expect(large).toMatchObject({ code: 1, stderr: expect.stringContaining("an event holds at most 32768 bytes") });
  });
});
