import { describe, expect, it } from "vitest";
import { FakeApi } from "../../support/fake-api.ts";

const good = { name: "ann", password: "password of ann" };

describe("POST /login", () => {
  it("AP-04: refuses what is no login: unknown fields, lists, texts, what is too large", async () => {
    await using api = new FakeApi();
    await api.account("ann");
    const cases: [unknown, number][] = [
      [{ ...good, admin: true }, 400],
      [{ ...good, __proto__x: 1 }, 400],
      [{ name: ["ann"], password: good.password }, 400],
      [{ name: "ann", password: { length: 12 } }, 400],
      [{ name: "ann" }, 400],
      [[good], 400],
      ['"ann"', 400],
      ["null", 400],
      ["{", 400],
      ['{"name": "ann", "__proto__": {"password": "x"}}', 400],
      [{ name: "a".repeat(65), password: "x" }, 400],
      [{ ...good, password: "x".repeat(1_048_576) }, 413],
    ];
    for (const [body, status] of cases) {
      const headers = { "content-type": "application/json" };
      const answer = await api.ask("POST", "/login", headers, typeof body === "string" ? body : JSON.stringify(body));
      const shown = JSON.stringify(body).slice(0, 60);
      expect([shown, answer.status, answer.code]).toEqual([shown, status, "ERR_REQUEST_INVALID"]);
      expect(answer.headers["set-cookie"]).toBeUndefined();
      api.pass(1000);
    }
    expect((await api.ask("POST", "/login", { "content-type": "application/octet-stream" }, "x")).status).toBe(415);
  });

  it("AP-04: lets nobody try a hundred passwords in a row, however they come", async () => {
    await using api = new FakeApi();
    await api.account("ann");
    const statuses: number[] = [];
    for (let n = 0; n < 10; n += 1) {
      const each = Array.from({ length: 10 }, (_, k) =>
        api.ask("POST", "/login", {}, { ...good, password: `wrong ${n} ${k}` }),
      );
      statuses.push(...(await Promise.all(each)).map(({ status }) => status));
      api.pass(1000);
    }
    expect(statuses.length).toBe(100);
    expect(statuses.filter((status) => status === 401).length).toBeLessThanOrEqual(10);
    expect(new Set(statuses)).toEqual(new Set([401, 429]));
    // The right one has to wait, too, but not for ever.
    const refused = await api.ask("POST", "/login", {}, good);
    expect([refused.status, Number(refused.headers["retry-after"]) > 0]).toEqual([429, true]);
    api.pass(60_000);
    expect((await api.ask("POST", "/login", {}, good)).status).toBe(200);
    const again = await api.ask("POST", "/login", {}, { ...good, password: "wrong" });
    expect(again.status).toBe(401);
  });

  it("AP-04: takes as long for a name that there is not", async () => {
    await using api = new FakeApi();
    await api.account("ann");
    const took = async (name: string): Promise<number> => {
      const begun = performance.now();
      const { status } = await api.ask("POST", "/login", {}, { name, password: "wrong password" });
      expect(status).toBe(401);
      return performance.now() - begun;
    };
    const rounds: { known: number; unknown: number }[] = [];
    for (let n = 0; n < 4; n += 1) {
      rounds.push({ known: await took("ann"), unknown: await took(`nobody${n}`) });
      api.pass(1000);
    }
    const sum = (kind: "known" | "unknown"): number => rounds.reduce((all, each) => all + each[kind], 0);
    // Without the work for nothing it would be a hundredth.
    expect(sum("unknown") / sum("known")).toBeGreaterThan(0.1);
    expect(sum("unknown") / sum("known")).toBeLessThan(10);
  });

  it("is in the audit log before there is a session, and refused when it cannot be", async () => {
    await using api = new FakeApi();
    await api.account("ann");
    const { "audit.note": note } = api.answers;
    delete api.answers["audit.note"];
    const refused = await api.ask("POST", "/login", {}, good);
    expect([refused.status, refused.headers["set-cookie"]]).toEqual([503, undefined]);
    api.answers["audit.note"] = note ?? (() => ({}));
    const { status, headers } = await api.ask("POST", "/login", {}, good);
    expect(status).toBe(200);
    expect(String(headers["set-cookie"])).toMatch(/^msalt_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/);
  });
});

describe("the first account", () => {
  const first = { name: "root", password: "correct horse battery" };

  it("is made with the code that the first start shows, once", async () => {
    await using api = new FakeApi();
    const [, code = ""] = api.context.setup.open("http://localhost").split("#");
    expect((await api.ask("POST", "/setup", {}, { ...first, code: "wrong" })).status).toBe(401);
    expect((await api.ask("POST", "/setup", {}, { ...first, code: "" })).status).toBe(401);
    expect((await api.ask("POST", "/setup", {}, { ...first, password: "short", code })).status).toBe(400);
    const two = await Promise.all(
      [first, { ...first, name: "second" }].map((each) => api.ask("POST", "/setup", {}, { ...each, code })),
    );
    expect(new Set(two.map(({ status }) => status))).toEqual(new Set([201, 401]));
    expect(api.context.accounts.all()).toMatchObject([{ role: "admin" }]);
    expect((await api.ask("POST", "/setup", {}, { ...first, code })).status).toBe(404);
  });

  it("cannot be made while none was asked for", async () => {
    await using api = new FakeApi();
    expect((await api.ask("POST", "/setup", {}, { ...first, code: "" })).status).toBe(401);
  });
});

describe("accounts", () => {
  it("keep one administrator that can log in", async () => {
    await using api = new FakeApi();
    const root = await api.account("root", "admin");
    for (const change of [{ role: "user" }, { disabled: true }]) {
      expect((await root.ask("PATCH", "/users/root", change)).status).toBe(403);
    }
    expect((await root.ask("DELETE", "/users/root")).status).toBe(403);
    await api.account("second", "admin");
    expect((await root.ask("PATCH", "/users/second", { disabled: true })).status).toBe(200);
    expect((await root.ask("DELETE", "/users/root")).status).toBe(403);
    expect((await root.ask("PATCH", "/users/nobody", { disabled: true })).status).toBe(404);
  });

  it("lose every way in when they are disabled, their other sessions with a new password", async () => {
    await using api = new FakeApi();
    const root = await api.account("root", "admin");
    const ann = await api.account("ann");
    const bearer = { authorization: `Bearer ${api.token("ann", ["read"])}` };
    const other = await api.ask("POST", "/login", {}, good);
    const otherCookie = String(other.headers["set-cookie"]).split(";")[0] ?? "";
    expect((await api.ask("GET", "/session", { cookie: otherCookie })).status).toBe(200);
    const wrong = await ann.ask("POST", "/session/password", { old: "wrong", new: "another password" });
    expect([wrong.status, wrong.code]).toEqual([403, "ERR_NOT_ALLOWED"]);
    const changed = await ann.ask("POST", "/session/password", { old: good.password, new: "another password" });
    expect(changed.status).toBe(204);
    expect((await api.ask("GET", "/session", { cookie: otherCookie })).status).toBe(401);
    expect((await ann.ask("GET", "/session")).status).toBe(200);
    expect((await root.ask("PATCH", "/users/ann", { disabled: true })).status).toBe(200);
    expect((await ann.ask("GET", "/session")).status).toBe(401);
    expect((await api.ask("GET", "/session", bearer)).status).toBe(401);
    expect((await api.ask("POST", "/login", {}, { name: "ann", password: "another password" })).status).toBe(401);
    // What was revoked stays so.
    expect((await root.ask("PATCH", "/users/ann", { disabled: false })).status).toBe(200);
    expect((await ann.ask("GET", "/session")).status).toBe(401);
    expect((await api.ask("GET", "/session", bearer)).status).toBe(401);
  });

  it("lose their rights also while the master is away, and their jobs when it is back", async () => {
    await using api = new FakeApi({ "target.resolve": () => ({ minions: [], missing: [], others: [], unknown: [] }) });
    const root = await api.account("root", "admin");
    const ann = await api.account("ann", "user", ["test.*"]);
    delete api.answers["audit.note"];
    delete api.answers["job.active"];
    expect((await root.ask("PATCH", "/users/ann", { rules: [] })).status).toBe(200);
    expect((await ann.ask("GET", "/session")).body["user"]).toMatchObject({ rules: [] });
    expect((await root.ask("DELETE", "/users/ann")).status).toBe(204);
    expect((await ann.ask("GET", "/session")).status).toBe(401);
    expect(api.log.join("")).toContain("not in the audit log");
    // What gives rights is not done where nobody can write it down.
    const more = { name: "eve", password: "password of eve", role: "admin" };
    expect((await root.ask("POST", "/users", more)).status).toBe(503);
    expect((await root.ask("GET", "/users")).body["users"]).toMatchObject([{ name: "root" }]);
    const jid = "20261121100000123456";
    const job = (user: string): unknown => ({ job: { jid, user }, targets: [] });
    api.answers["job.active"] = () => ({ jobs: [job("api:ann"), job("ann"), job("api:root")] });
    api.answers["job.kill"] = () => ({ skipped: 1, told: [] });
    await expect.poll(() => api.orders.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(1);
    const kills = api.calls.filter(({ cmd }) => cmd === "job.kill").map(({ load }) => load);
    expect(kills[0]).toEqual({ jid, user: "api:root", gently: true, via: "api" });
  });

  it("are refused rules that could not be read when they count", async () => {
    await using api = new FakeApi();
    const root = await api.account("root", "admin");
    await api.account("ann");
    for (const rules of [
      [5],
      [{ "web*": ["a"], "db*": ["b"] }],
      ["(["],
      [{ "web*": [{ "cmd.run": { arg: ["x"] } }] }],
      "test.*",
    ]) {
      const answer = await root.ask("PATCH", "/users/ann", { rules });
      expect([rules, answer.status, answer.code]).toEqual([rules, 400, "ERR_REQUEST_INVALID"]);
    }
  });
});
