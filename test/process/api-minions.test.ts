import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AnyRoute } from "../../src/api/route.ts";
import { type ApiClient, firstAdmin, newAccount } from "../support/api.ts";
import { Bus } from "../support/bus.ts";
import { until } from "../support/proc.ts";
import { FakeApi } from "../support/fake-api.ts";

let bus: Bus;
let admin: ApiClient;
let ann: ApiClient;

beforeAll(async () => {
  const master = "api: {enabled: true, port: 0}";
  bus = await Bus.start({ minions: ["m1", "m2", "m3"], autoAccept: false, master });
  admin = await firstAdmin(bus);
  ann = await newAccount(admin, "ann", ["test.*"]);
});
afterAll(async () => bus[Symbol.asyncDispose]());

type Key = { readonly id: string; readonly fingerprint: string };
const keysOf = async (state: string): Promise<Key[]> => (await admin.get("GET", "/keys"))[state] as unknown as Key[];
const idsOf = (list: unknown): string[] => (list as { id: string }[]).map(({ id }) => id);

describe("keys over HTTP", () => {
  it("are accepted, rejected and deleted by administrators, by fingerprint, and at once", async () => {
    await until("three keys wait", async () => (await keysOf("pending")).length === 3);
    const pending = await keysOf("pending");
    expect(idsOf(pending)).toEqual(["m1", "m2", "m3"]);
    expect((await ann.ask("GET", "/keys")).status).toBe(403);
    expect((await ann.ask("POST", "/keys/accept", { keys: pending })).status).toBe(403);
    const names = pending.map(({ id, fingerprint }) => ({ id, fingerprint }));
    const wrong = { id: "m1", fingerprint: "0".repeat(64) };
    expect((await admin.get("POST", "/keys/accept", { keys: [wrong] }))["results"]).toMatchObject([
      { ...wrong, ok: false },
    ]);
    const { results } = await admin.get("POST", "/keys/accept", { keys: names });
    expect(results).toEqual(names.map((name) => ({ ...name, ok: true, changed: true })));
    await bus.connected(["m1", "m2", "m3"]);
    const [, , third] = names;
    await admin.get("POST", "/keys/reject", { keys: [third] });
    expect(idsOf(await keysOf("rejected"))).toEqual(["m3"]);
    await admin.get("POST", "/keys/delete", { keys: [third] });
    expect((await admin.get("GET", "/minions"))["total"]).toBe(2);
    const made = await admin.get("POST", "/keys/token", { expires_in: 60 });
    expect(Date.parse(String(made["expires"]))).toBeGreaterThan(0);
    await bus.startMinion("m4", true, ["--token", String(made["token"])]);
    expect(idsOf(await keysOf("accepted"))).toEqual(["m1", "m2", "m4"]);
  });
});

describe("minions over HTTP", () => {
  it("are listed page by page, with the grains that are asked for", async () => {
    await bus.connected(["m1", "m2", "m4"]);
    // Their grains come after they are connected.
    for (const id of ["m1", "m2", "m4"]) await bus.minion(id).says("msalt-minion ready");
    const all = await ann.get("GET", "/minions?grains=kernel,minion_uuid,nothing");
    expect(all).toMatchObject({ total: 3, connected: 3 });
    const [first] = all["minions"] as unknown as Record<string, Record<string, unknown>>[];
    expect(first).toMatchObject({ id: "m1", connected: true, grains: { kernel: "Linux" } });
    expect(Object.keys(first?.["grains"] ?? {})).toEqual(["kernel", "minion_uuid"]);
    const found: string[] = [];
    let next: unknown = "";
    do {
      const page = await ann.get("GET", `/minions?limit=2${next === "" ? "" : `&after=${String(next)}`}`);
      found.push(...idsOf(page["minions"]));
      next = page["next"];
    } while (next !== undefined);
    expect(found).toEqual(["m1", "m2", "m4"]);
    expect(idsOf((await ann.get("GET", "/minions?tgt=m1,m2&tgt_type=list"))["minions"])).toEqual(["m1", "m2"]);
    expect(idsOf((await ann.get("GET", "/minions?tgt=kernel:Linux&tgt_type=grain"))["minions"])).toEqual(found);
    expect((await ann.ask("GET", "/minions?tgt=(&tgt_type=pcre")).body.error?.code).toBe("ERR_TARGET_INVALID");
    await bus.minion("m2").stop();
    await until("m2 is away", async () =>
      idsOf((await ann.get("GET", "/minions?state=away"))["minions"]).includes("m2"),
    );
    expect(await ann.get("POST", "/targets", { tgt: "m1,m2,m9", tgt_type: "list" })).toEqual({
      minions: [
        { id: "m1", connected: true },
        { id: "m2", connected: false },
      ],
      missing: ["m9"],
    });
    const one = await ann.get("GET", "/minions/m1");
    expect(one).toMatchObject({ id: "m1", connected: true, grains: { id: "m1" }, jobs: [] });
    for (const id of ["m9", "m3", "M1"]) expect((await ann.ask("GET", `/minions/${id}`)).status).toBe(404);
  });

  it("say which jobs they have", async () => {
    const { jid } = await admin.get("POST", "/jobs", { tgt: "m1", fun: "test.sleep", arg: [60] });
    await until("it is there", async () => JSON.stringify(await ann.get("GET", "/minions/m1")).includes(String(jid)));
    const { text } = await admin.get("GET", "/metrics");
    expect(text).toMatch(/^msalt_jobs_open 1$/m);
    expect(text).toMatch(/^msalt_minions_accepted 3$/m);
    expect(text).toMatch(/^msalt_api_requests_total\{method="GET",status="200"\} \d+$/m);
    await admin.get("POST", `/jobs/${String(jid)}/kill`, {});
  });
});

describe("answers", () => {
  it("are what the OpenAPI document says", async () => {
    await using fake = new FakeApi();
    const { jid } = await admin.get("POST", "/jobs", {
      tgt: "*",
      fun: "test.echo",
      arg: [1],
      parallel: 1,
      fail_count: 1,
    });
    const script = Buffer.from("echo").toString("base64");
    const { task_id: task } = await admin.get("POST", "/tasks", { script, targets: ["m1", "m9"] });
    await admin.get("POST", "/scripts", { name: "s", script });
    await admin.get("POST", "/tokens", { name: "t", scopes: ["read"], expires_in: 600 });
    await until("an answer", async () =>
      JSON.stringify(await admin.get("GET", `/jobs/${String(jid)}/returns`)).includes("m1"),
    );
    const paths: Record<string, string> = {
      "/jobs/:jid": `/jobs/${String(jid)}`,
      "/jobs/:jid/returns": `/jobs/${String(jid)}/returns`,
      "/minions/:id": "/minions/m1",
      "/functions/:name": "/functions/cmd.run",
      "/tasks/:id": `/tasks/${String(task)}`,
      "/scripts/:name": "/scripts/s",
      "/scripts/:name/versions/:version": "/scripts/s/versions/1",
      "/scripts/:name/diff": "/scripts/s/diff?from=1&to=1",
      "/minions": "/minions?grains=os",
    };
    const checked: string[] = [];
    for (const { method, path, answer } of fake.routes.filter(isQuestion)) {
      if (typeof answer === "string") continue;
      const body = await admin.get(method, paths[path] ?? path);
      const parsed = answer.safeParse(body);
      expect([path, parsed.error?.issues]).toEqual([path, undefined]);
      // Nothing that the document does not name.
      expect([path, parsed.data]).toEqual([path, body]);
      checked.push(path);
    }
    expect(checked.length).toBeGreaterThanOrEqual(19);
  });
});

function isQuestion({ method }: AnyRoute): boolean {
  return method === "GET";
}
