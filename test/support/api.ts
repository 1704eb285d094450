/** A client of the HTTP API as programs and browsers are: over a socket, with a token or a session. */
import { request } from "node:http";
import type { Bus } from "./bus.ts";

export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  // What a route gives is looked at by the test that asked.
  readonly body: Record<string, never> & { readonly error?: { readonly code: string; readonly message: string } };
}

export interface Told {
  readonly event: string;
  readonly id: string;
  readonly data: Record<string, never>;
}

type Headers = Readonly<Record<string, string>>;

export class ApiClient {
  port: number;
  headers: Headers;

  constructor(port: number, headers: Headers = {}) {
    this.port = port;
    this.headers = headers;
  }

  /** As the given token. */
  withToken(token: string): ApiClient {
    return new ApiClient(this.port, { authorization: `Bearer ${token}` });
  }

  async ask(method: string, path: string, body?: unknown, headers: Headers = {}): Promise<Answered> {
    const text = body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const asked = request(
        {
          host: "127.0.0.1",
          port: this.port,
          method,
          path,
          agent: false,
          headers: { ...(text !== undefined && { "content-type": "application/json" }), ...this.headers, ...headers },
        },
        (answer) => {
          let all = "";
          answer.setEncoding("utf8");
          answer.on("data", (part: string) => (all += part));
          answer.on("error", reject);
          answer.on("end", () => {
            const isJson = String(answer.headers["content-type"]).startsWith("application/json");
            const parsed: unknown = isJson ? JSON.parse(all) : { text: all };
            resolve({
              status: answer.statusCode ?? 0,
              headers: answer.headers,
              body: parsed as Answered["body"],
            });
          });
        },
      );
      asked.on("error", reject);
      asked.end(text);
    });
  }

  /** The answer of a request that succeeds. */
  async get(method: string, path: string, body?: unknown): Promise<Answered["body"]> {
    const answer = await this.ask(method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** Begins a session; later requests are its. */
  async logIn(path: "/login" | "/setup", body: Readonly<Record<string, unknown>>): Promise<Answered> {
    const answer = await this.ask("POST", path, body);
    const [cookie = ""] = (answer.headers["set-cookie"] as string[] | undefined) ?? [];
    if (answer.status < 300) {
      this.headers = { cookie: cookie.split(";")[0] ?? "", "x-csrf": String(answer.body["csrf"]) };
    }
    return answer;
  }

  /** A stream of events until it ends, or `until` says that it has heard enough. */
  stream(
    path: string,
    { headers = {}, until = () => false, onEvent = () => undefined }: StreamOptions = {},
  ): Promise<{ status: number; events: Told[] }> {
    return new Promise((resolve, reject) => {
      const events: Told[] = [];
      const options = { host: "127.0.0.1", port: this.port, path, agent: false };
      const asked = request({ ...options, headers: { ...this.headers, ...headers } }, (answer) => {
        const status = answer.statusCode ?? 0;
        let rest = "";
        let id = "";
        answer.setEncoding("utf8");
        answer.on("data", (part: string) => {
          const blocks = (rest + part).split("\n\n");
          rest = blocks.pop() ?? "";
          for (const block of blocks) {
            const field = (name: string): string | undefined => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1];
            id = field("id") ?? id;
            const data = field("data");
            if (data === undefined) continue;
            const told = { event: field("event") ?? "message", id, data: JSON.parse(data) as Told["data"] };
            events.push(told);
            onEvent(told);
            if (until(events)) return void asked.destroy();
          }
        });
        answer.on("close", () => resolve({ status, events }));
      });
      asked.on("error", (failure) => (asked.destroyed ? undefined : reject(failure)));
      asked.end();
    });
  }
}

export interface StreamOptions {
  readonly headers?: Headers;
  readonly until?: (events: readonly Told[]) => boolean;
  readonly onEvent?: (event: Told) => void;
}

export const adminPassword = "correct horse battery";

/** The API of a bus whose master was started with it, and its first administrator. */
export async function firstAdmin(bus: Bus): Promise<ApiClient> {
  const code = /\/setup#(\S+)/.exec(bus.master?.stdout ?? "")?.[1] ?? "";
  const client = new ApiClient(bus.ports["api_port"] ?? 0);
  const answer = await client.logIn("/setup", { code, name: "root", password: adminPassword });
  if (answer.status !== 201) throw new Error(`setup: ${JSON.stringify(answer.body)}`);
  return client;
}

/** A new account, logged in. */
export async function newAccount(admin: ApiClient, name: string, rules: readonly unknown[]): Promise<ApiClient> {
  const password = `password of ${name}`;
  await admin.get("POST", "/users", { name, password, role: "user", rules });
  const client = new ApiClient(admin.port);
  const answer = await client.logIn("/login", { name, password });
  if (answer.status !== 200) throw new Error(`login: ${JSON.stringify(answer.body)}`);
  return client;
}
