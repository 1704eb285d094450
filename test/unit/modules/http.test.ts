import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, fakeHost } from "../../support/host.ts";

const host = fakeHost();
let base: string;
let other: string;

const answers: Readonly<Record<string, RequestListener>> = {
  "/plain": (_request, response) => response.setHeader("content-type", "text/plain").end("hello wörld"),
  "/latin": (_request, response) =>
    response.setHeader("content-type", "text/plain; charset=iso-8859-1").end(Buffer.from("wörld", "latin1")),
  "/json": (_request, response) =>
    response.setHeader("content-type", "application/json; charset=utf-8").end('{"a": [1, {"b": null}]}'),
  "/no-json": (_request, response) => response.setHeader("content-type", "application/json").end("{"),
  "/xml": (_request, response) => response.setHeader("content-type", "text/xml").end("<a/>"),
  "/gzip": (_request, response) => response.setHeader("content-encoding", "gzip").end(gzipSync("packed")),
  "/bomb": (_request, response) =>
    response.setHeader("content-encoding", "gzip").end(gzipSync(Buffer.alloc(9 * 1_048_576))),
  "/gone": (_request, response) => response.writeHead(404).end("not here"),
  "/secret": ({ headers }, response) => {
    const good = headers.authorization === `Basic ${Buffer.from("alice:pa:ss").toString("base64")}`;
    response.writeHead(good ? 200 : 401).end(good ? "come in" : "who are you");
  },
  "/echo": (request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const { method, url, headers } = request;
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ method, url, headers, data: Buffer.concat(parts).toString() }));
    });
  },
  "/loop": (_request, response) => response.writeHead(302, { location: "/loop" }).end(),
  "/five": (request, response) => {
    const left = Number(new URL(request.url ?? "", base).searchParams.get("n") ?? 5);
    response.writeHead(left === 0 ? 200 : 301, left === 0 ? {} : { location: `/five?n=${left - 1}` }).end("there");
  },
  "/away": (_request, response) => response.writeHead(307, { location: `${other}/echo` }).end(),
  "/other-way": (_request, response) => response.writeHead(303, { location: "/echo" }).end(),
  "/file": (_request, response) => response.writeHead(302, { location: "file:///etc/passwd" }).end(),
  // Headers come at once, the body never.
  "/slow": (_request, response) => void response.write("some"),
  "/big": (_request, response) => response.end(Buffer.alloc(8 * 1_048_576 + 1, "x")),
  "/cut": (_request, response) => {
    response.writeHead(200, { "content-length": 100 }).write("half");
    setTimeout(() => response.destroy(), 20);
  },
};
const listener: RequestListener = (request, response) =>
  answers[(request.url ?? "").split("?")[0] ?? ""]?.(request, response);
const servers = [createServer(listener), createServer(listener)];

beforeAll(async () => {
  [base = "", other = ""] = await Promise.all(
    servers.map(async (server) => {
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    }),
  );
});
afterAll(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

const query = (path: string, ...words: string[]) => call(host, "http.query", `${base}${path}`, ...words);
const value = async (path: string, ...words: string[]): Promise<Record<string, unknown>> =>
  (await query(path, ...words)).value as Record<string, unknown>;
const echo = async (path: string, ...words: string[]): Promise<unknown> =>
  (await value(path, "decode=True", ...words))["dict"];

describe("what comes back", () => {
  it("is the body, and status, headers and text when asked for", async () => {
    expect(await query("/plain")).toMatchObject({ value: { body: "hello wörld" }, retcode: 0, success: true });
    expect(await value("/plain")).toEqual({ body: "hello wörld" });
    expect(await value("/plain", "status=True", "headers=True", "text=True")).toEqual({
      body: "hello wörld",
      text: "hello wörld",
      status: 200,
      headers: expect.objectContaining({ "Content-Type": "text/plain", Connection: "close" }),
    });
    expect(await value("/latin")).toEqual({ body: "wörld" });
    expect(await value("/gzip")).toEqual({ body: "packed" });
    expect(await value("/plain", "HEAD", "status=True")).toEqual({ body: "", status: 200 });
  });

  it("is decoded as its type says, or as told", async () => {
    expect((await value("/json", "decode=True"))["dict"]).toEqual({ a: [1, { b: null }] });
    expect(await value("/plain", "decode=True")).toEqual({ body: "hello wörld", text: "hello wörld" });
    expect(await query("/no-json", "decode=True")).toMatchObject({
      retcode: 1,
      value: { body: "{", error: expect.stringContaining("the body is no JSON") },
    });
    expect((await value("/plain", "decode=True", "decode_type=json"))["error"]).toContain("no JSON");
    expect((await value("/xml", "decode=True"))["error"]).toBe("xml is not decoded on this minion, only json is");
    expect((await query("/json", "decode=True", "decode_type=toml")).retcode).toBe(1);
  });

  it("of a failure has status, error and body", async () => {
    expect(await query("/gone")).toMatchObject({
      value: { body: "not here", error: "HTTP 404: Not Found", status: 404 },
      retcode: 1,
      success: false,
    });
  });
});

describe("what is sent", () => {
  it("is method, parameters, body and headers", async () => {
    const text = '{"a": 1}';
    expect(
      await echo("/echo?x=1", "post", "params={q: a b, n: 5}", `data=${text}`, "header_dict={x-one: two}"),
    ).toEqual({
      method: "POST",
      url: "/echo?x=1&q=a+b&n=5",
      data: text,
      headers: expect.objectContaining({
        "content-length": String(text.length),
        "content-type": "application/x-www-form-urlencoded",
        "user-agent": "msalt/1.2.3 http.query()",
        "x-one": "two",
      }),
    });
    expect(await echo("/echo", "PUT", "data=ü", "header_dict={content-type: text/x}")).toMatchObject({
      data: "ü",
      method: "PUT",
      headers: { "content-length": "2", "content-type": "text/x" },
    });
  });

  it("has name and password", async () => {
    expect(await value("/secret", "username=alice", "password=pa:ss")).toEqual({ body: "come in" });
    expect(await value("/secret", "username=alice", "password=wrong")).toMatchObject({ status: 401 });
    expect(await value("/secret")).toMatchObject({ error: "HTTP 401: Unauthorized" });
  });

  it("is nothing but http and https", async () => {
    expect((await call(host, "http.query", "file:///etc/passwd")).value).toContain("file: is not queried");
    expect((await call(host, "http.query", "no url")).value).toContain('"no url" is no URL');
    expect((await query("/plain", "connect")).value).toContain("must be a method");
  });
});

describe("redirects", () => {
  it("are followed five times", async () => {
    expect(await value("/five")).toEqual({ body: "there" });
    expect(await value("/five?n=6")).toEqual({ error: expect.stringContaining("more than 5 redirects") });
    expect((await value("/loop"))["error"]).toContain("more than 5 redirects");
    expect((await value("/file"))["error"]).toContain("file: is not queried");
  });

  it("keep method and body only where the status says so", async () => {
    expect(await echo("/away", "POST", "data=x")).toMatchObject({ method: "POST", data: "x" });
    const seen = (await echo("/other-way", "POST", "data=x")) as { headers: object };
    expect(seen).toMatchObject({ method: "GET", data: "" });
    expect(Object.keys(seen.headers)).not.toContain("content-length");
  });

  it("take no secrets to another place", async () => {
    const words = ["username=alice", "password=x", "header_dict={Cookie: c, X-Mine: y}"];
    const away = (await echo("/away", ...words)) as { headers: object };
    expect(away.headers).toMatchObject({ "x-mine": "y" });
    expect(Object.keys(away.headers)).not.toEqual(expect.arrayContaining(["authorization"]));
    expect(Object.keys(away.headers)).not.toEqual(expect.arrayContaining(["cookie"]));
    expect(await echo("/other-way", ...words)).toMatchObject({
      headers: { authorization: expect.stringContaining("Basic "), cookie: "c" },
    });
  });
});

describe("what does not come", () => {
  it("in time is a failure", async () => {
    const start = performance.now();
    expect(await query("/slow", "timeout=0.2")).toMatchObject({
      retcode: 1,
      value: { error: "HTTP 599: Timeout after 0.2 seconds", status: 599 },
    });
    expect(performance.now() - start).toBeLessThan(20_000);
  });

  it("whole is a failure", async () => {
    expect((await value("/cut"))["error"]).toContain("the connection was closed before the answer was whole");
  });

  it("in size is a failure", async () => {
    expect(await query("/big")).toMatchObject({
      retcode: 1,
      value: { error: expect.stringMatching(/the body has more than 8323072 bytes/) },
    });
    expect((await value("/bomb"))["error"]).toContain("the body has more than 8323072 bytes");
  });

  it("for nobody listens is a failure", async () => {
    const idle = createTcpServer();
    await new Promise<void>((resolve) => idle.listen(0, "127.0.0.1", resolve));
    const { port } = idle.address() as AddressInfo;
    await new Promise((resolve) => idle.close(resolve));
    expect((await call(host, "http.query", `http://127.0.0.1:${port}/`, "status=True")).value).toEqual({
      error: `127.0.0.1:${port}: connection refused (ECONNREFUSED)`,
      status: 0,
    });
  });

  it("before the job is ended is left", async () => {
    const abort = new AbortController();
    const asking = call(fakeHost({ signal: abort.signal }), "http.query", `${base}/slow`);
    setTimeout(() => abort.abort("timeout"), 50);
    expect(await asking).toMatchObject({ state: "timed_out", success: false });
  });
});
