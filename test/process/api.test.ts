import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiClient, type Told, adminPassword, firstAdmin, newAccount } from "../support/api.ts";
import { Bus } from "../support/bus.ts";
import { until } from "../support/proc.ts";

let bus: Bus;
let admin: ApiClient;
let ann: ApiClient;
let bob: ApiClient;

beforeAll(async () => {
  bus = await Bus.start({ minions: ["web1", "web2", "db1"], master: "api: {enabled: true, port: 0}" });
  admin = await firstAdmin(bus);
  ann = await newAccount(admin, "ann", ["test.ping", { "web*": ["test.*", "cmd.script_source"] }]);
  bob = await newAccount(admin, "bob", ["test.*"]);
});
afterAll(async () => bus[Symbol.asyncDispose]());

async function jobOf(client: ApiClient, body: Readonly<Record<string, unknown>>): Promise<string> {
  return String((await client.get("POST", "/jobs", body))["jid"]);
}

async function ended(client: ApiClient, jid: string): Promise<Record<string, unknown>> {
  let job: Record<string, unknown> = {};
  await until(`the end of ${jid}`, async () => {
    job = await client.get("GET", `/jobs/${jid}`);
    return job["ended"] !== undefined;
  });
  return job;
}

/** A command that goes on until there is this file. */
const waitFor = (gate: string): string => `until [ -e ${gate} ]; do sleep 0.05; done`;

const auditLog = (): Record<string, unknown>[] =>
  readFileSync(join(bus.masterRoot, "var/lib/msalt/master/audit.log"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

const statesOf = (events: readonly Told[]): [string, string][] =>
  events.filter(({ event }) => event === "target").map(({ data }) => [String(data["id"]), String(data["state"])]);

describe("a job over HTTP", () => {
  it("runs on minions, and its record and results are there", async () => {
    const { jid, minions } = await admin.get("POST", "/jobs", { tgt: "web*", fun: "test.echo", arg: ["16:34"] });
    expect(minions).toEqual(["web1", "web2"]);
    const job = await ended(admin, String(jid));
    expect(job).toMatchObject({
      user: "api:root",
      fun: "test.echo",
      arg: ["16:34"],
      counts: { succeeded: 2, done: 2 },
    });
    const { returns } = await admin.get("GET", `/jobs/${String(jid)}/returns`);
    expect(returns).toMatchObject([
      { id: "web1", retcode: 0, return: "16:34" },
      { id: "web2", retcode: 0, return: "16:34" },
    ]);
    const { jobs } = await admin.get("GET", "/jobs?fun=test.echo&limit=1");
    expect(jobs).toMatchObject([{ jid, targets: 2 }]);
  });

  it("AZ-13: is refused unless every minion it would reach is allowed, and has no jid then", async () => {
    const before = (await admin.get("GET", "/jobs?limit=1"))["jobs"];
    for (const tgt of ["*", "web1,db1", "db1"]) {
      const order = { tgt, tgt_type: tgt === "*" ? "glob" : "list", fun: "test.echo", arg: ["x"] };
      const answer = await ann.ask("POST", "/jobs", order);
      expect([tgt, answer.status, answer.body.error?.code]).toEqual([tgt, 403, "ERR_NOT_ALLOWED"]);
      expect(answer.body.error?.message).toContain("db1");
      expect(JSON.stringify(answer.body)).not.toMatch(/\d{20}/);
    }
    const compound = { tgt: "not web*", tgt_type: "compound", fun: "test.echo", arg: ["x"] };
    expect((await ann.ask("POST", "/jobs", compound)).status).toBe(403);
    for (const tgt of ["nobody", "nobody,no-one"]) {
      const answer = await ann.ask("POST", "/jobs", { tgt, tgt_type: "list", fun: "test.ping" });
      expect([tgt, answer.status, answer.body.error?.code]).toEqual([tgt, 400, "ERR_NO_MATCH"]);
    }
    expect((await ann.ask("POST", "/jobs", { tgt: "", fun: "test.ping" })).status).toBe(400);
    expect((await admin.get("GET", "/jobs?limit=1"))["jobs"]).toEqual(before);
    const order = { tgt: "web*", fun: "test.echo", arg: ["x"] };
    expect(await ended(ann, await jobOf(ann, order))).toMatchObject({ user: "api:ann", counts: { succeeded: 2 } });
    const lines = auditLog().filter(({ user, act }) => user === "api:ann" && act === "publish");
    expect(lines.filter(({ outcome }) => String(outcome).startsWith("denied: ")).length).toBeGreaterThanOrEqual(4);
    expect(lines.at(-1)).toMatchObject({ how: "api", outcome: "accepted" });
  });

  it("AZ-12: is judged by every function that it would run", async () => {
    const orders: Record<string, unknown>[] = [
      { fun: "test.ping,cmd.run", arg: [[], ["id"]] },
      { fun: "cmd.run,test.ping", arg: [["id"], []] },
      { fun: "mine.send", arg: ["cmd.run", "id"] },
      { fun: "mine.send", arg: ["x"], kwarg: { mine_function: "cmd.run" } },
      { fun: "schedule.add", arg: ["j"], kwarg: { function: "cmd.run", job_args: ["id"], seconds: 1 } },
      { fun: "publish.publish", arg: ["*", "cmd.run", "id"] },
    ];
    const carl = await newAccount(admin, "carl", [{ "web*": ["test.*", "mine.*", "schedule.*", "publish.*"] }]);
    for (const order of orders) {
      const answer = await carl.ask("POST", "/jobs", { tgt: "web1", ...order });
      expect([order["fun"], answer.status]).toEqual([order["fun"], 403]);
      expect(answer.body.error?.message).toContain("cmd.run");
    }
    const fine = { tgt: "web1", fun: "mine.send", arg: ["test.ping"] };
    expect(await ended(carl, await jobOf(carl, fine))).toMatchObject({ counts: { succeeded: 1 } });
  });

  it("AP-06: is not there for anybody else, in the same words as one that never was", async () => {
    const jid = await jobOf(ann, { tgt: "web1", fun: "test.ping" });
    const guessed = `${BigInt(jid) + 1n}`;
    const routes = [
      ["GET", ""],
      ["GET", "/returns"],
      ["GET", "/events"],
      ["POST", "/kill"],
    ] as const;
    for (const [method, path] of routes) {
      const body = method === "POST" ? {} : undefined;
      const [foreign, none] = [
        await bob.ask(method, `/jobs/${jid}${path}`, body),
        await bob.ask(method, `/jobs/${guessed}${path}`, body),
      ];
      expect([path, foreign.status]).toEqual([path, 404]);
      expect(foreign.body).toEqual(none.body);
    }
    expect((await bob.ask("GET", `/tasks/${jid}`)).status).toBe(404);
    for (const [path, status] of [
      ["/jobs/..%2f..%2fkeys", 400],
      ["/jobs/%00", 400],
      ["/jobs/../keys", 404],
    ] as const) {
      expect([path, (await bob.ask("GET", path)).status]).toEqual([path, status]);
    }
    const { jobs } = await bob.get("GET", "/jobs");
    expect(jobs).toEqual([]);
    expect((await admin.get("GET", "/jobs?user=api:ann"))["jobs"]).not.toEqual([]);
  });

  it("streams what the record holds, then what happens, and goes on where a client has stopped", async () => {
    const jid = await jobOf(ann, { tgt: "web*", fun: "test.sleep", arg: [2], parallel: 1 });
    const path = `/jobs/${jid}/events`;
    const first = await ann.stream(path, {
      until: (events) => statesOf(events).some(([, state]) => state === "succeeded"),
    });
    expect(first.events[0]).toMatchObject({ event: "job", data: { jid, counts: { total: 2 }, targets: 2 } });
    expect(statesOf(first.events).at(-1)).toEqual(["web1", "succeeded"]);
    const last = first.events.at(-1)?.id ?? "";
    const second = await ann.stream(path, { headers: { "last-event-id": last } });
    expect(second.events.at(-1)).toMatchObject({ event: "end", id: "end", data: { counts: { succeeded: 2 } } });
    expect(statesOf(second.events)).toContainEqual(["web2", "succeeded"]);
    // One that has ended is told from the record.
    await ended(ann, jid);
    const after = await ann.stream(path);
    expect(statesOf(after.events)).toEqual([
      ["web1", "succeeded"],
      ["web2", "succeeded"],
    ]);
    expect(after.events.filter(({ event }) => event === "target").map(({ data }) => data["return"])).toEqual([
      true,
      true,
    ]);
    expect((await ann.stream(path, { headers: { "last-event-id": "end" } })).status).toBe(204);
  });

  it("is killed by its owner: what waits is skipped, what runs ends", async () => {
    const jid = await jobOf(ann, { tgt: "web*", fun: "test.sleep", arg: [60], parallel: 1 });
    await until("web1 runs", async () => {
      const { targets } = await ann.get("GET", `/jobs/${jid}`);
      return JSON.stringify(targets).includes('"running"');
    });
    expect(await ann.get("POST", `/jobs/${jid}/kill`, {})).toEqual({ skipped: 1, told: ["web1"] });
    expect(await ended(ann, jid)).toMatchObject({
      stop: { reason: "killed by api:ann" },
      targets: [{ state: "killed" }, { state: "skipped" }],
    });
  });
});

describe("the event bus over HTTP", () => {
  it("is for administrators; others hear of their own jobs", async () => {
    const heard = { ann: [] as string[], admin: [] as string[] };
    const tagsOf = (events: readonly Told[]): string[] =>
      events.filter(({ event }) => event === "event").map(({ data }) => String(data["tag"]));
    let ready = 0;
    const onEvent = ({ event }: Told): void => void (event === "ready" && (ready += 1));
    // The end of the job that sleeps may be heard before the answer that gives its jid.
    const isOver = (events: readonly Told[]): boolean => {
      const begun = events.filter(({ data }) => JSON.stringify(data).includes("test.sleep"));
      const tags = tagsOf(events);
      return tagsOf(begun).some((tag) => tag.endsWith("/new") && tags.includes(tag.replace(/new$/, "end")));
    };
    const streams = [
      ann.stream("/events?tag=salt/job/", { onEvent, until: isOver }),
      admin.stream("/events?tag=salt/job/", { onEvent, until: isOver }),
    ];
    await until("both listen", () => ready === 2);
    const foreign = await jobOf(bob, { tgt: "web1", fun: "test.ping" });
    await ended(bob, foreign);
    const last = await jobOf(ann, { tgt: "web1", fun: "test.sleep", arg: [0.5] });
    const [forAnn, forAdmin] = await Promise.all(streams);
    heard.ann = tagsOf(forAnn?.events ?? []);
    heard.admin = tagsOf(forAdmin?.events ?? []);
    expect(heard.ann).toContain(`salt/job/${last}/ret/web1`);
    expect(heard.ann.filter((tag) => tag.includes(foreign))).toEqual([]);
    expect(heard.admin).toContain(`salt/job/${foreign}/ret/web1`);
  });
});

describe("accounts", () => {
  it("AP-03: whose rights end lose their sessions, tokens and streams, and their batches begin no more", async () => {
    const dora = await newAccount(admin, "dora", [{ "web*": ["test.*", "cmd.run"] }]);
    const { token } = await dora.get("POST", "/tokens", { name: "t", scopes: ["read", "run"], expires_in: 3600 });
    const program = dora.withToken(String(token));
    const gate = join(bus.root, "dora");
    const jid = await jobOf(program, { tgt: "web*", fun: "cmd.run", arg: [waitFor(gate)], parallel: 1 });
    let told = 0;
    const onEvent = ({ event }: Told): void => void (event === "job" && (told += 1));
    const streams = [dora, program].map((client) => client.stream(`/jobs/${jid}/events`, { onEvent }));
    await until("both streams speak", () => told === 2);
    await until("web1 runs", async () => JSON.stringify(await dora.get("GET", `/jobs/${jid}`)).includes('"running"'));
    expect((await admin.ask("DELETE", "/users/dora")).status).toBe(204);
    for (const client of [dora, program]) expect((await client.ask("GET", "/session")).status).toBe(401);
    for (const { events } of await Promise.all(streams)) expect(events.at(-1)?.event).not.toBe("end");
    writeFileSync(gate, "");
    expect(await ended(admin, jid)).toMatchObject({
      stop: { reason: "stopped by api:root" },
      targets: [{ state: "succeeded" }, { state: "skipped" }],
    });
    const again = await admin.ask("POST", "/users", { name: "dora", password: "another password", role: "user" });
    expect([again.status, again.body.error?.code]).toEqual([409, "ERR_EXISTS"]);
  });

  it("AP-03: log out at once, and their jobs go on", async () => {
    const erin = await newAccount(admin, "erin", ["test.*", "cmd.run"]);
    const gate = join(bus.root, "erin");
    const jid = await jobOf(erin, { tgt: "web*", fun: "cmd.run", arg: [waitFor(gate)], parallel: 1 });
    let told = 0;
    const stream = erin.stream(`/jobs/${jid}/events`, { onEvent: () => (told += 1) });
    await until("the stream speaks", () => told > 0);
    expect((await erin.ask("POST", "/logout")).status).toBe(204);
    expect((await erin.ask("GET", "/session")).status).toBe(401);
    expect((await stream).events.at(-1)?.event).not.toBe("end");
    writeFileSync(gate, "");
    expect(await ended(admin, jid)).toMatchObject({ counts: { succeeded: 2 } });
  });

  it("leave a line in the audit log for everything they do, under their names", async () => {
    const acts = (): string[] =>
      auditLog().map(({ user, how, act }) => `${String(user)} ${String(how)} ${String(act)}`);
    const lines = [
      "api:root api setup",
      "api:root api account.add",
      "api:ann api login",
      "api:dora api token.add",
      "api:root api account.delete",
      "api:erin api logout",
      "api:ann api kill",
    ];
    // What takes rights away is written after it was done.
    await expect.poll(acts, { timeout: 60_000 }).toEqual(expect.arrayContaining(lines));
    const text = JSON.stringify(auditLog());
    for (const secret of [adminPassword, "password of ann", "msalt_"]) expect(text).not.toContain(secret);
    expect((await bus.run("audit.verify")).code).toBe(0);
  });

  it("stay when the API dies, and so do their sessions", async () => {
    const [pid = 0] = bus.pidsOf("api");
    process.kill(pid, "SIGKILL");
    await until("another API answers", async () => {
      if (bus.pidsOf("api")[0] === pid) return false;
      return ann.ask("GET", "/session").then(
        ({ status }) => status === 200,
        () => false,
      );
    });
  });
});
