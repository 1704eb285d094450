import { describe, expect, it } from "vitest";
import * as z from "zod";
import { buildApp } from "../../../src/api/app.ts";
import { route } from "../../../src/api/route.ts";
import { FakeApi } from "../../support/fake-api.ts";

const jid = "20261121100000123456";
/** A path that fits the parameters of a route. */
const pathOf = (path: string): string =>
  path.replace(":jid", jid).replace(":id", jid).replace(":name", "ann").replace(":version", "1");

describe("who may ask", () => {
  it("AP-01: refuses every guarded route without a token, and with one that is no good, wherever it is", async () => {
    await using api = new FakeApi({ publish: () => ({ jid, minions: [], missing: [] }) });
    await using other = new FakeApi();
    await api.account("ann", "admin");
    await other.account("ann", "admin");
    const good = api.token("ann", ["read", "run", "admin"]);
    const revoked = api.token("ann", ["read", "run", "admin"]);
    for (const { id } of api.context.accounts
      .tokens("ann")
      .filter((each) => each.id !== api.context.accounts.byToken(good)?.key.id)) {
      api.context.accounts.deleteToken(id);
    }
    const expired = api.token("ann", ["read", "run", "admin"], 1000);
    api.pass(1000);
    const foreign = other.token("ann", ["read", "run", "admin"]);
    const bad: [string, string, Record<string, string>][] = [
      ["none", "", {}],
      ["garbage", "", { authorization: "Bearer garbage" }],
      ["another scheme", "", { authorization: `Basic ${good}` }],
      ["empty", "", { authorization: "Bearer " }],
      ["expired", "", { authorization: `Bearer ${expired}` }],
      ["revoked", "", { authorization: `Bearer ${revoked}` }],
      ["foreign", "", { authorization: `Bearer ${foreign}` }],
      ["in the query", `?token=${good}&access_token=${good}&authorization=Bearer%20${good}`, {}],
      ["as a session", "", { cookie: `msalt_session=${good}` }],
    ];
    const guarded = api.routes.filter(({ access }) => access !== "open");
    expect(guarded.length).toBeGreaterThan(35);
    for (const { method, path } of guarded) {
      for (const [what, query, headers] of bad) {
        const answer = await api.ask(method, pathOf(path) + query, headers, method === "GET" ? undefined : {});
        expect([method, path, what, answer.status, answer.code]).toEqual([
          method,
          path,
          what,
          401,
          "ERR_NOT_LOGGED_IN",
        ]);
        expect(answer.text).not.toContain(jid);
        api.pass(1000);
      }
      const inPath = await api.ask(method, `/${good}${pathOf(path)}`, {}, method === "GET" ? undefined : {});
      expect([path, inPath.status]).toEqual([path, 404]);
    }
    expect(api.orders).toEqual([]);
    expect((await api.ask("GET", "/session", { authorization: `Bearer ${good}` })).status).toBe(200);
  });

  it("AP-01: gives a token its scopes and no more, and an account no more than its role", async () => {
    await using api = new FakeApi();
    await api.account("root", "admin");
    const ann = await api.account("ann");
    const order = { tgt: "*", fun: "test.ping" };
    const read = { authorization: `Bearer ${api.token("root", ["read"])}` };
    expect((await api.ask("POST", "/jobs", read, order)).status).toBe(403);
    expect((await api.ask("GET", "/users", read)).status).toBe(403);
    const granted = { authorization: `Bearer ${api.token("ann", ["read", "run", "admin"])}` };
    for (const { method, path } of api.routes.filter(({ access }) => access === "admin")) {
      const body = method === "GET" ? undefined : {};
      expect([path, (await ann.ask(method, pathOf(path), body)).status]).toEqual([path, 403]);
      expect([path, (await api.ask(method, pathOf(path), granted, body)).status]).toEqual([path, 403]);
    }
    const wanted = { name: "t", scopes: ["read", "admin"], expires_in: 3600 };
    expect((await ann.ask("POST", "/tokens", wanted)).status).toBe(403);
    expect((await api.ask("POST", "/tokens", granted, wanted)).status).toBe(403);
    expect((await ann.ask("GET", "/tokens?user=root")).status).toBe(403);
    expect(api.orders).toEqual([]);
  });

  it("AP-01: does not start with a route that does not say who may ask", async () => {
    await using api = new FakeApi();
    const bare = route({
      method: "GET",
      path: "/bare",
      access: "open",
      summary: "",
      answer: z.object({}),
      handle: () => ({}),
    });
    expect(() => buildApp(api.context, [{ ...bare, access: undefined as never }])).toThrow("does not say who may ask");
  });

  it("AP-02: takes a token until its time, and a session no longer than it was used", async () => {
    await using api = new FakeApi();
    const ann = await api.account("ann");
    for (const life of [60_000, 3_600_000]) {
      const bearer = { authorization: `Bearer ${api.token("ann", ["read"], life)}` };
      api.pass(life - 1000);
      expect((await api.ask("GET", "/session", bearer)).status).toBe(200);
      api.pass(2000);
      expect((await api.ask("GET", "/session", bearer)).status).toBe(401);
      expect((await api.ask("GET", "/session", bearer)).status).toBe(401);
    }
    // An hour has passed without a request.
    expect((await ann.ask("GET", "/session")).status).toBe(401);
    const again = await api.account("eve");
    for (let hours = 0; hours < 13; hours += 0.5) {
      const { status } = await again.ask("GET", "/session");
      expect([hours, status]).toEqual([hours, hours < 12 ? 200 : 401]);
      api.pass(1_800_000);
    }
  });

  it("AP-02: follows no jump of the machine's clock", async () => {
    await using api = new FakeApi();
    await api.account("ann");
    const bearer = { authorization: `Bearer ${api.token("ann", ["read"], 600_000)}` };
    api.wall += 365 * 86_400_000;
    expect((await api.ask("GET", "/session", bearer)).status).toBe(200);
    api.wall -= 2 * 365 * 86_400_000;
    expect((await api.ask("GET", "/session", bearer)).status).toBe(200);
    // Slower than the machine by a tenth at most.
    api.steady += 700_000;
    expect((await api.ask("GET", "/session", bearer)).status).toBe(401);
  });

  it("AP-02: answers 503 while the store is away, and everything is there when it is back", async () => {
    await using api = new FakeApi();
    const ann = await api.account("ann");
    const bearer = { authorization: `Bearer ${api.token("ann", ["read"])}` };
    const get = api.store.get.bind(api.store);
    api.store.get = () => {
      throw new Error("disk I/O error");
    };
    for (const headers of [ann.headers, bearer]) {
      const answer = await api.ask("GET", "/session", headers);
      expect([answer.status, answer.code]).toEqual([503, "ERR_STORE"]);
    }
    expect((await ann.ask("POST", "/logout")).status).toBe(503);
    api.store.get = get;
    expect((await ann.ask("GET", "/session")).status).toBe(200);
    expect((await api.ask("GET", "/session", bearer)).status).toBe(200);
  });

  it("AP-08: refuses pages of other sites, other names for this host, and forms", async () => {
    await using api = new FakeApi({ publish: () => ({ jid, minions: [], missing: [] }) });
    const ann = await api.account("ann");
    const order = { tgt: "*", fun: "test.ping" };
    const cases: [string, Record<string, string>][] = [
      ["a foreign origin", { origin: "https://evil.example" }],
      ["no origin", { origin: "null" }],
      ["another port", { origin: "http://localhost:1" }],
      ["another scheme", { origin: "https://localhost" }],
      ["a request from another site", { "sec-fetch-site": "cross-site" }],
      ["a name that somebody else has pointed here", { host: "evil.example" }],
      ["a name with an address in it", { host: "127.0.0.1.evil.example:80" }],
      ["a login in the name", { host: "localhost@evil.example" }],
      ["a wrong csrf value", { "x-csrf": "x" }],
      ["a form", { "content-type": "application/x-www-form-urlencoded" }],
      ["a form with parts", { "content-type": "multipart/form-data; boundary=x" }],
      ["a form of text", { "content-type": "text/plain" }],
    ];
    for (const [what, headers] of cases) {
      const answer = await ann.ask("POST", "/jobs", JSON.stringify(order), {
        "content-type": "application/json",
        ...headers,
      });
      expect([what, answer.status, answer.code]).toEqual([what, 403, "ERR_NOT_ALLOWED"]);
    }
    const { "x-csrf": _, ...cookieOnly } = ann.headers;
    expect((await api.ask("POST", "/jobs", cookieOnly, order)).status).toBe(403);
    expect((await api.ask("GET", "/openapi.json", { host: "evil.example" })).status).toBe(403);
    expect((await api.ask("GET", "/no-such", { host: "evil.example" })).status).toBe(403);
    expect(api.orders).toEqual([]);
    for (const host of ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "API.example"]) {
      const own = { host, origin: `http://${host}` };
      expect([host, (await ann.ask("POST", "/jobs", order, own)).status]).toEqual([host, 201]);
    }
  });

  it("lets one account not slow down another", async () => {
    await using api = new FakeApi();
    const [ann, bob] = [await api.account("ann"), await api.account("bob")];
    const statuses: number[] = [];
    for (let n = 0; n < 210; n += 1) statuses.push((await ann.ask("GET", "/session")).status);
    expect(statuses.filter((status) => status === 200).length).toBe(200);
    const refused = await ann.ask("GET", "/session");
    expect([refused.status, refused.code, refused.headers["retry-after"]]).toEqual([429, "ERR_BUSY", "1"]);
    expect((await bob.ask("GET", "/session")).status).toBe(200);
  });
});
