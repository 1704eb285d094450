import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { FakeApi } from "../../support/fake-api.ts";

const docs = readFileSync(join(import.meta.dirname, "../../../docs/api.md"), "utf8");

describe("the routes", () => {
  it("are those of docs/api.md, with the same access", async () => {
    await using api = new FakeApi();
    const documented = new Set(
      [...docs.matchAll(/`(GET|POST|PUT|PATCH|DELETE) (\/[a-z/:.]*)/g)].map(([, method, path]) => `${method} ${path}`),
    );
    expect(api.routes.map(({ method, path }) => `${method} ${path}`).filter((each) => !documented.has(each))).toEqual(
      [],
    );
    const real = new Set(api.routes.map(({ method, path }) => `${method} ${path}`));
    expect([...documented].filter((each) => !real.has(each))).toEqual([]);
    const seen: string[] = [];
    for (const [, routes = "", accesses = ""] of docs.matchAll(/^\| ((?:`[A-Z]+ \/[^|]*)+)\| ([a-z, ]+) *\|/gm)) {
      const allowed = accesses.trim().split(", ");
      for (const [, method = "", path = ""] of routes.matchAll(/`([A-Z]+) (\/[^`]*)`/g)) {
        const access = api.routes.find((each) => each.method === method && each.path === path)?.access;
        // The one of its row that is for administrators; the text says so.
        const shown = `${method} ${path}` === "DELETE /scripts/:name" && access === "admin" ? "run" : access;
        expect([method, path, allowed]).toEqual([method, path, expect.arrayContaining([shown])]);
        seen.push(`${method} ${path}`);
      }
    }
    expect(seen.toSorted()).toEqual([...real].toSorted());
  });

  it("are all in the OpenAPI document, with what they take and give", async () => {
    await using api = new FakeApi();
    const { status, body } = await api.ask("GET", "/openapi.json");
    expect(status).toBe(200);
    expect(body["openapi"]).toBe("3.1.0");
    const paths = body["paths"] as Record<string, Record<string, Record<string, unknown>>>;
    for (const { method, path, access } of api.routes) {
      const operation = paths[path.replaceAll(/:(\w+)/g, "{$1}")]?.[method.toLowerCase()];
      expect([path, operation?.["security"]]).toEqual([
        path,
        access === "open" ? [] : expect.arrayContaining([{ session: [] }]),
      ]);
    }
    const ids = Object.values(paths).flatMap((each) => Object.values(each).map(({ operationId }) => operationId));
    expect(new Set(ids).size).toBe(ids.length);
    const publish = paths["/jobs"]?.["post"] as {
      requestBody: { content: Record<string, { schema: { required: string[] } }> };
    };
    expect(publish.requestBody.content["application/json"]?.schema.required).toEqual(["tgt", "fun"]);
    const page = await api.ask("GET", "/docs");
    expect(page.text).toContain("POST /jobs/:jid/kill");
    expect(page.headers["content-security-policy"]).toContain("default-src 'none'");
  });

  it("answer every failure in one shape, and say nothing of a fault of their own", async () => {
    await using api = new FakeApi({
      "minion.list": () => {
        throw new Error("secret of the inside");
      },
    });
    const ann = await api.account("ann");
    const shape = z.strictObject({
      error: z.strictObject({ code: z.string(), message: z.string(), hint: z.string().optional() }),
    });
    const answers = [
      await ann.ask("GET", "/agents"),
      await ann.ask("GET", "/nowhere"),
      await ann.ask("GET", "/jobs/1"),
      await ann.ask("GET", "/jobs?limit=0&x=1"),
      await ann.ask("POST", "/jobs", "{", { "content-type": "application/json" }),
      await ann.ask("PUT", "/jobs", {}),
      await ann.ask("GET", "/users"),
      await api.ask("GET", "/jobs"),
    ];
    expect(answers.map(({ status }) => status)).toEqual([500, 404, 400, 400, 400, 404, 403, 401]);
    for (const { body } of answers) expect(shape.safeParse(body).error).toBeUndefined();
    expect(answers.map(({ text }) => text).join("")).not.toContain("secret of the inside");
    expect(api.log.join("")).toContain("secret of the inside");
    expect(answers[3]?.body["error"]).toMatchObject({ message: expect.stringMatching(/limit.*\bx\b/s) });
  });

  it("say 503 while the master is away", async () => {
    await using api = new FakeApi();
    const ann = await api.account("ann");
    delete api.answers["job.active"];
    for (const path of [
      "/jobs",
      "/minions",
      "/agents",
      "/metrics",
      "/events",
      "/tasks",
      "/jobs/20261121100000123456",
    ]) {
      const answer = await ann.ask("GET", path);
      expect([path, answer.status, answer.code, answer.headers["retry-after"]]).toEqual([
        path,
        503,
        "ERR_MASTER_UNREACHABLE",
        "2",
      ]);
    }
    const health = await api.ask("GET", "/healthz");
    expect([health.status, health.body]).toEqual([
      503,
      { status: "master unreachable", version: "1.2.3", setup: false },
    ]);
  });
});

describe("POST /jobs", () => {
  const accepted = { jid: "20261121100000123456", minions: ["m1"], missing: [] };

  it("hands on what was asked, as the account, with its rules", async () => {
    await using api = new FakeApi({ publish: () => accepted });
    const ann = await api.account("ann", "user", ["test.*"]);
    const root = await api.account("root", "admin");
    const full = {
      tgt: "G@os:Debian",
      tgt_type: "compound",
      fun: "cmd.run",
      arg: ["uptime"],
      kwarg: { timeout: 3 },
      timeout: 1.5,
      ttl: 10,
      parallel: "12.5%",
      batch_wait: 0.1,
      fail_rate: 0.25,
      fail_kill: true,
      metadata: { a: [1] },
    };
    expect(await ann.ask("POST", "/jobs", full)).toMatchObject({ status: 201, body: accepted });
    await root.ask("POST", "/jobs", { tgt: "*", fun: "test.ping" });
    const loads = api.calls.filter(({ cmd }) => cmd === "publish").map(({ load }) => load);
    expect(loads).toEqual([
      {
        tgt: "G@os:Debian",
        tgtType: "compound",
        fun: "cmd.run",
        arg: ["uptime", { timeout: 3, __kwarg__: true }],
        waitMs: 5000,
        timeoutMs: 1500,
        ttlMs: 10_000,
        parallel: { percent: 12.5 },
        batchWaitMs: 100,
        failCount: 0,
        failRate: 0.25,
        failKill: true,
        metadata: { a: [1] },
        user: "api:ann",
        rules: ["test.*"],
        via: "api",
      },
      { tgt: "*", tgtType: "glob", fun: "test.ping", arg: [], waitMs: 5000, user: "api:root", via: "api" },
    ]);
  });

  it("lets nobody say who asks, or by what rules", async () => {
    await using api = new FakeApi({ publish: () => accepted });
    const ann = await api.account("ann");
    for (const more of [{ user: "root" }, { rules: [".*"] }, { via: "x" }, { jid: accepted.jid }, { words: ["x"] }]) {
      expect((await ann.ask("POST", "/jobs", { tgt: "*", fun: "test.ping", ...more })).status).toBe(400);
    }
    expect(api.orders).toEqual([]);
  });

  it("stops a job whose account lost its rights while the master decided", async () => {
    let change = (): void => undefined;
    await using api = new FakeApi({
      publish: () => {
        change();
        return accepted;
      },
      "job.kill": () => ({ skipped: 0, told: [] }),
    });
    const ann = await api.account("ann", "user", ["test.*"]);
    change = () => api.context.accounts.delete("ann");
    await api.account("root", "admin");
    await ann.ask("POST", "/jobs", { tgt: "*", fun: "test.ping", parallel: 1 });
    expect(api.calls.at(-1)).toEqual({
      cmd: "job.kill",
      load: { jid: accepted.jid, user: "api:ann", gently: true, via: "api" },
    });
  });
});

describe("GET /functions", () => {
  it("gives the declarations of the modules", async () => {
    await using api = new FakeApi();
    const ann = await api.account("ann");
    const { body } = await ann.ask("GET", "/functions?match=cmd.*");
    const functions = body["functions"] as Record<string, unknown>[];
    expect(functions.map(({ name }) => name)).toContain("cmd.run");
    const one = await ann.ask("GET", "/functions/cmd.run");
    expect(one.body).toMatchObject({
      name: "cmd.run",
      effects: "some",
      schema: { type: "object", required: ["cmd"] },
      doc: expect.stringContaining("Usage: cmd.run <cmd>"),
    });
    expect((await ann.ask("GET", "/functions/cmd.nothing")).status).toBe(404);
    const all = (await ann.ask("GET", "/functions")).body["functions"] as { name: string }[];
    for (const { name } of all) {
      api.pass(100);
      expect([name, (await ann.ask("GET", `/functions/${name}`)).status]).toEqual([name, 200]);
    }
  });
});

describe("GET /jobs", () => {
  it("reads on until a page is full, and says where to go on", async () => {
    const jidOf = (n: number): string => `202611211000001${String(99_999 - n).padStart(5, "0")}`;
    const line = (n: number): unknown => ({
      job: {
        jid: jidOf(n),
        user: n % 3 === 0 ? "api:ann" : "root",
        fun: n % 2 === 0 ? "test.ping" : "cmd.run",
        arg: [],
        tgt: "*",
        tgtType: "glob",
        options: {},
        created: 0,
        notAfter: 0,
        missing: [],
      },
      targets: 1,
      ...(n % 5 === 0 && { ended: 1 }),
    });
    const all = Array.from({ length: 2500 }, (_, n) => n);
    await using api = new FakeApi({
      "job.list": ({ before, limit }: { before?: string; limit: number }) => ({
        jobs: all
          .filter((n) => before === undefined || jidOf(n) < before)
          .slice(0, limit)
          .map(line),
      }),
    });
    const ann = await api.account("ann");
    const root = await api.account("root", "admin");
    const read = async (user: typeof ann, query: string): Promise<string[]> => {
      const found: string[] = [];
      let next: string | undefined;
      do {
        const { body } = await user.ask("GET", `/jobs?${query}${next === undefined ? "" : `&before=${next}`}`);
        found.push(...(body["jobs"] as { jid: string }[]).map(({ jid }) => jid));
        next = body["next"] as string | undefined;
      } while (next !== undefined);
      return found;
    };
    const wanted = (keep: (n: number) => boolean): string[] => all.filter(keep).map(jidOf);
    expect(await read(ann, "limit=100")).toEqual(wanted((n) => n % 3 === 0));
    expect(await read(ann, "limit=100&user=root")).toEqual([]);
    expect(await read(root, "limit=1000&fun=test.*&state=ended")).toEqual(wanted((n) => n % 10 === 0));
    expect(await read(root, "limit=834&user=api:ann")).toEqual(wanted((n) => n % 3 === 0));
  });
});
