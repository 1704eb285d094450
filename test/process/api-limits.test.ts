import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { type Socket, connect } from "node:net";
import { join } from "node:path";
import { type TLSSocket, connect as connectTls } from "node:tls";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ApiClient, firstAdmin } from "../support/api.ts";
import { Bus } from "../support/bus.ts";
import { Proc, until } from "../support/proc.ts";

let bus: Bus;
let admin: ApiClient;
const mebibyte = 1_048_576;

beforeAll(async () => {
  bus = await Bus.start({ minions: ["m1"], master: "api: {enabled: true, port: 0}" });
  admin = await firstAdmin(bus);
});
afterAll(async () => bus[Symbol.asyncDispose]());

const residentBytes = (): number =>
  4096 * Number(readFileSync(`/proc/${bus.pidsOf("api")[0]}/statm`, "utf8").split(" ")[1]);

/** What comes back for these bytes until the other side closes. */
function raw(bytes: string | Uint8Array, end = true): Promise<string> {
  return new Promise((resolve) => {
    let all = "";
    const socket = connect(admin.port, "127.0.0.1");
    socket.on("data", (data) => (all += data.toString("latin1")));
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(all));
    if (end) socket.end(bytes);
    else socket.write(bytes);
  });
}

/** As `raw`; again where the connection broke while bytes were on their way, which takes an answer that was not read yet. */
async function answerTo(bytes: string | Uint8Array): Promise<string> {
  let answer = "";
  for (let tries = 0; answer === "" && tries < 5; tries += 1) answer = await raw(bytes, false);
  return answer;
}

const statuses = (text: string): string[] => [...text.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, code = ""]) => code);
const head = (method: string, path: string, ...more: string[]): string =>
  [`${method} ${path} HTTP/1.1`, "Host: localhost", "Connection: close", ...more, "", ""].join("\r\n");

describe("AP-07", () => {
  it("AP-07: answers bombs with a 4xx, and stays small and quiet", async () => {
    await admin.get("GET", "/session");
    const before = { bytes: residentBytes(), log: bus.master?.stderr.length ?? 0 };
    const bearer = `Authorization: Bearer ${String((await admin.get("POST", "/tokens", { name: "t", scopes: ["read", "run"], expires_in: 600 }))["token"])}`;
    const json = "Content-Type: application/json";
    const large = Buffer.alloc(8 * mebibyte, 0x20);
    const chunk = `10000\r\n${" ".repeat(65_536)}\r\n`;
    const bomb = gzipSync(Buffer.alloc(50 * mebibyte, 0x20));
    const deep = `{"tgt": "*", "fun": "test.echo", "arg": ${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
    const wide = JSON.stringify({ tgt: "*", fun: "test.echo", arg: Array.from({ length: 200_000 }, () => []) });
    const lengthOf = (body: string | Uint8Array): string => `Content-Length: ${Buffer.byteLength(body)}`;
    const cases: [string, string | Uint8Array, string][] = [
      ["one large header", head("GET", "/healthz", `X: ${"x".repeat(mebibyte)}`), "431"],
      ["many headers", head("GET", "/healthz", ...Array.from({ length: 5000 }, (_, n) => `X-${n}: x`)), "431"],
      ["a long path", head("GET", `/${"x".repeat(60_000)}`), "431"],
      ["a long parameter", head("GET", `/jobs/${"1".repeat(10_000)}`), "414"],
      [
        "a body of 8 MiB",
        Buffer.concat([Buffer.from(head("POST", "/jobs", bearer, json, lengthOf(large))), large]),
        "413",
      ],
      ["a body that says 1 TiB", head("POST", "/jobs", bearer, json, "Content-Length: 1099511627776"), "413"],
      [
        "endless chunks",
        `${head("POST", "/jobs", bearer, json, "Transfer-Encoding: chunked")}${chunk.repeat(100)}`,
        "413",
      ],
      [
        "a chunk of 2^60 bytes",
        `${head("POST", "/jobs", bearer, json, "Transfer-Encoding: chunked")}1000000000000000\r\n`,
        "4",
      ],
      [
        "chunk extensions",
        `${head("POST", "/jobs", bearer, json, "Transfer-Encoding: chunked")}1;${"x".repeat(200_000)}\r\n`,
        "4",
      ],
      [
        "gzip",
        Buffer.concat([
          Buffer.from(head("POST", "/jobs", bearer, json, "Content-Encoding: gzip", lengthOf(bomb))),
          bomb,
        ]),
        "4",
      ],
      [
        "parts",
        head("POST", "/jobs", bearer, "Content-Type: multipart/form-data; boundary=x", "Content-Length: 0"),
        "403",
      ],
      ["depth", `${head("POST", "/jobs", bearer, json, lengthOf(deep))}${deep}`, "400"],
      ["breadth", `${head("POST", "/jobs", bearer, json, lengthOf(wide))}${wide}`, "400"],
      ["no host", "GET /healthz HTTP/1.1\r\n\r\n", "400"],
      ["no name", "GET /healthz HTTP/1.0\r\n\r\n", "403"],
      ["no HTTP", "\x16\x03\x01\x02\x00\x01\x00", "400"],
    ];
    const answers = await Promise.all(cases.map(([, bytes]) => answerTo(bytes)));
    for (const [n, [what, , status]] of cases.entries()) {
      const [first = "none", ...more] = statuses(answers[n] ?? "");
      expect([what, first, first.startsWith(status) && first < "500", more]).toEqual([what, first, true, []]);
    }
    expect((residentBytes() - before.bytes) / mebibyte).toBeLessThan(64);
    expect((bus.master?.stderr.length ?? 0) - before.log).toBeLessThan(65_536);
    expect((await admin.ask("GET", "/session")).status).toBe(200);
  });

  it("AP-07: takes no request for two, and no two for one", async () => {
    const inner = "GET /session HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const cases: [string, string][] = [
      [
        "a length and chunks",
        `${head("POST", "/login", "Content-Length: 4", "Transfer-Encoding: chunked")}0\r\n\r\n${inner}`,
      ],
      ["two lengths", `${head("POST", "/login", "Content-Length: 0", "Content-Length: 44")}${inner}`],
      ["a length that is none", `${head("POST", "/login", "Content-Length: +0")}${inner}`],
      ["chunks by another name", `${head("POST", "/login", "Transfer-Encoding: xchunked")}0\r\n\r\n${inner}`],
      [
        "chunks twice",
        `${head("POST", "/login", "Transfer-Encoding: chunked", "Transfer-Encoding: identity")}0\r\n\r\n${inner}`,
      ],
      ["a header over two lines", `${head("POST", "/login", "X: a", " Content-Length: 0")}${inner}`],
      ["a bare line feed", "POST /login HTTP/1.1\nHost: localhost\nContent-Length: 0\n\nGET /session HTTP/1.1\n\n"],
      ["a space before the colon", `${head("POST", "/login", "Transfer-Encoding : chunked")}0\r\n\r\n${inner}`],
    ];
    for (const [what, bytes] of cases) {
      const found = statuses(await raw(bytes, false));
      expect([what, found.length, found[0]?.startsWith("4")]).toEqual([what, 1, true]);
    }
  });

  it("AP-07: lets neither slow nor idle connections keep others out", async () => {
    const before = residentBytes();
    const slow: Promise<string>[] = [
      raw("GET /healthz HTTP/1.1\r\nHost: localh", false),
      raw(`${head("POST", "/login", "Content-Type: application/json", "Content-Length: 100")}{"na`, false),
    ];
    const idle: Socket[] = [];
    let refused = 0;
    for (let n = 0; n < 5000; n += 1) {
      const socket = connect(admin.port, "127.0.0.1");
      socket.on("error", () => undefined);
      socket.on("close", () => (refused += 1));
      idle.push(socket);
      if (n % 250 === 249) {
        await new Promise((resolve) => socket.once("connect", resolve).once("close", resolve));
        expect((await admin.ask("GET", "/session")).status).toBe(200);
      }
    }
    expect((residentBytes() - before) / mebibyte).toBeLessThan(64);
    await until("most of them are closed", () => refused >= 4000, 60_000);
    // The slow ones are answered, or closed as idle ones.
    for (const answer of await Promise.all(slow)) expect(["408", undefined]).toContain(statuses(answer)[0]);
    for (const socket of idle) socket.destroy();
    expect((await admin.ask("GET", "/session")).status).toBe(200);
  });
});

describe("streams", () => {
  it("are ten for one account, and the next is refused", async () => {
    const { jid } = await admin.get("POST", "/jobs", { tgt: "m1", fun: "test.sleep", arg: [60] });
    let spoken = 0;
    const over: (events: readonly unknown[]) => boolean = () => ended;
    let ended = false;
    const streams = Array.from({ length: 10 }, () =>
      admin.stream(`/jobs/${String(jid)}/events`, {
        onEvent: ({ event }) => void (event === "job" && (spoken += 1)),
        until: over,
      }),
    );
    await until("all speak", () => spoken === 10);
    const refused = await admin.ask("GET", "/events");
    expect([refused.status, refused.body.error?.code]).toEqual([429, "ERR_BUSY"]);
    ended = true;
    await admin.get("POST", `/jobs/${String(jid)}/kill`, {});
    await Promise.all(streams);
    await until("another may listen", async () => {
      const { status } = await admin.stream("/events", { until: () => true });
      return status === 200;
    });
  });
});

describe("the master", () => {
  it("may go and come back: the API says so, and its streams go on", async () => {
    const { jid } = await admin.get("POST", "/jobs", { tgt: "m1", fun: "test.sleep", arg: [6] });
    let spoken = 0;
    const stream = admin.stream(`/jobs/${String(jid)}/events`, { onEvent: () => (spoken += 1) });
    await until("the stream speaks", () => spoken > 0);
    const [pid = 0] = bus.pidsOf("controller");
    process.kill(pid, "SIGKILL");
    await until("another controller", () => bus.pidsOf("controller").some((each) => each !== pid));
    const { events } = await stream;
    expect(events.at(-1)).toMatchObject({ event: "end", data: { counts: { succeeded: 1 } } });
    await until("health", async () => (await admin.ask("GET", "/healthz")).status === 200);
  });
});

describe("msalt-api by itself", () => {
  const alone = (root: string): Proc => bus.track(new Proc("msalt-api", ["--root-dir", root]));
  const openssl = ((): boolean => {
    try {
      execFileSync("openssl", ["version"]);
      return true;
    } catch {
      return false;
    }
  })();

  it("is refused beyond this machine without TLS, and on a port that is taken", async () => {
    const root = join(bus.root, "alone");
    bus.configure(root, "master", "api: {interface: 0.0.0.0, port: 0}");
    const open = await alone(root).exit;
    expect([open.code, open.stderr]).toEqual([2, expect.stringContaining("tls_cert")]);
    bus.configure(root, "master", `api: {port: ${admin.port}}`);
    const taken = await alone(root).exit;
    expect([taken.code, taken.stderr]).toEqual([1, expect.stringContaining("another program listens")]);
  });

  it("says that there is no master, and that another one uses its files", async () => {
    const root = join(bus.root, "alone");
    bus.configure(root, "master", `api: {port: 0}\nsock_dir: ${root}/later`);
    const api = alone(root);
    await api.says("msalt-api ready");
    const other = new ApiClient(Number(/api_port=(\d+)/.exec(api.stdout)?.[1]));
    expect(await other.ask("GET", "/healthz")).toMatchObject({
      status: 503,
      body: { status: "master unreachable", setup: true },
    });
    const second = await alone(root).exit;
    expect([second.code, second.stderr]).toEqual([1, expect.stringContaining("in use")]);
    expect((await api.stop()).code).toBe(0);
  });

  it.runIf(openssl)("speaks TLS, and then its cookies are for TLS only", async () => {
    const root = join(bus.root, "tls");
    const [cert, key] = [join(bus.root, "cert.pem"), join(bus.root, "key.pem")];
    const subject = ["-subj", "/CN=localhost", "-days", "2", "-nodes"];
    execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", ...subject, "-keyout", key, "-out", cert], {
      stdio: "ignore",
    });
    bus.configure(
      root,
      "master",
      `api: {interface: 0.0.0.0, port: 0, tls_cert: ${cert}, tls_key: ${key}}\nsock_dir: ${bus.sockDir}`,
    );
    const api = alone(root);
    await api.says("msalt-api ready");
    const port = Number(/api_port=(\d+)/.exec(api.stdout)?.[1]);
    const code = /\/setup#(\S+)/.exec(api.stdout)?.[1];
    expect(api.stdout).toContain("https://");
    const body = JSON.stringify({ code, name: "root", password: "correct horse battery" });
    const answer = await overTls(port, cert, [
      "POST /setup HTTP/1.1",
      "Host: localhost",
      `Origin: https://localhost`,
      "Content-Type: application/json",
      `Content-Length: ${body.length}`,
      "Connection: close",
      "",
      body,
    ]);
    expect(statuses(answer)).toEqual(["201"]);
    expect(answer).toMatch(/set-cookie: msalt_session=[\w-]+; Path=\/; HttpOnly; SameSite=Strict; Secure/i);
    expect((await api.stop()).code).toBe(0);
    writeFileSync(key, "damaged");
    const damaged = await alone(root).exit;
    expect([damaged.code, damaged.stderr]).toEqual([2, expect.stringContaining("TLS")]);
  });
});

function overTls(port: number, cert: string, lines: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let all = "";
    const socket: TLSSocket = connectTls({ port, host: "127.0.0.1", servername: "localhost", ca: readFileSync(cert) });
    socket.on("data", (data: Buffer) => (all += data.toString()));
    socket.on("error", reject);
    socket.on("close", () => resolve(all));
    socket.write(lines.join("\r\n"));
  });
}
