/** The API with its own database and a master that answers as it is told: for requests by injection. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from "fastify";
import { contextOf } from "../../src/api/api.ts";
import { buildApp } from "../../src/api/app.ts";
import type { ApiContext } from "../../src/api/context.ts";
import type { Master } from "../../src/api/master.ts";
import { type AnyRoute } from "../../src/api/route.ts";
import { allRoutes } from "../../src/api/routes.ts";
import { apiRecord } from "../../src/api/schema.ts";
import { MsaltError } from "../../src/errors.ts";
import { createLog } from "../../src/log/log.ts";
import { Connection } from "../../src/store/connection.ts";
import { openDatabase } from "../../src/store/database.ts";
import type { LocalCommand } from "../../src/wire/local.ts";

type Answers = { [C in LocalCommand]?: (load: never) => unknown };

/** Commands that order something, or give it away. */
const acts: ReadonlySet<string> = new Set(["publish", "job.kill", "key.change", "key.token", "event.fire"]);

export class FakeApi implements AsyncDisposable {
  readonly dir = mkdtempSync(join(tmpdir(), "msalt-api-"));
  readonly store: Connection;
  readonly context: ApiContext;
  readonly routes: readonly AnyRoute[];
  readonly app: FastifyInstance;
  readonly calls: { readonly cmd: LocalCommand; readonly load: unknown }[] = [];
  readonly log: string[] = [];
  readonly answers: Answers;
  /** The machine's clock, and the one that only goes forward. */
  wall = Date.UTC(2026, 10, 21);
  steady = 0;

  constructor(answers: Answers = {}, add: readonly AnyRoute[] = []) {
    this.answers = { "audit.note": () => ({}), "job.active": () => ({ jobs: [] }), ...answers };
    const file = `${this.dir}/api.sqlite`;
    this.store = new Connection(file, openDatabase(file, apiRecord));
    this.context = contextOf({
      store: this.store,
      master: this.#master(),
      log: createLog({ name: "test", level: "debug", write: (line) => this.log.push(line) }),
      version: "1.2.3",
      hosts: ["api.example"],
      secure: false,
      setupFile: `${this.dir}/api-setup`,
      wall: () => this.wall,
      steady: () => this.steady,
    });
    this.routes = [...allRoutes(this.context), ...add];
    this.app = buildApp(this.context, this.routes);
  }

  #master(): Master {
    return {
      call: async (cmd, load) => {
        this.calls.push({ cmd, load });
        const answer = this.answers[cmd];
        if (answer === undefined) throw new MsaltError("ERR_MASTER_UNREACHABLE", `nobody answers ${cmd}`);
        return answer(load as never) as never;
      },
      subscribe: async () => () => undefined,
    };
  }

  /** What the master was ordered to do. */
  get orders(): readonly string[] {
    return this.calls.filter(({ cmd }) => acts.has(cmd)).map(({ cmd }) => cmd);
  }

  /** Both clocks go on. */
  pass(ms: number): void {
    this.wall += ms;
    this.steady += ms;
  }

  async account(name: string, role: "admin" | "user" = "user", rules: readonly unknown[] = []): Promise<FakeUser> {
    const account = await this.context.accounts.add(name, `password of ${name}`, role, rules);
    const { who, cookie } = this.context.accounts.begin(account);
    return new FakeUser(this, { cookie: `msalt_session=${cookie}`, "x-csrf": who.csrf ?? "" });
  }

  token(name: string, scopes: readonly ("read" | "run" | "admin")[], lifeMs = 3_600_000): string {
    const account = this.context.accounts.find(name);
    if (account === undefined) throw new Error(`no account ${name}`);
    return this.context.accounts.addToken(account, "t", scopes, this.context.now() + lifeMs).text;
  }

  ask(method: string, url: string, headers: Record<string, string> = {}, body?: unknown): Promise<Injected> {
    const options: InjectOptions = {
      method: method as "GET",
      url,
      headers: { host: "localhost", ...headers },
      ...(body !== undefined && { payload: body as string | object }),
    };
    return this.app.inject(options).then(injected);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.context.streams.close();
    await this.app.close();
    this.store.close();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export interface Injected {
  readonly status: number;
  readonly code: string | undefined;
  readonly body: Readonly<Record<string, unknown>>;
  readonly text: string;
  readonly headers: LightMyRequestResponse["headers"];
}

function injected({ statusCode, headers, payload }: LightMyRequestResponse): Injected {
  const isJson = String(headers["content-type"]).startsWith("application/json");
  const body = (isJson ? JSON.parse(payload) : {}) as { error?: { code?: string } };
  return { status: statusCode, code: body.error?.code, body: { ...body }, text: payload, headers };
}

export class FakeUser {
  readonly #api: FakeApi;
  readonly headers: Record<string, string>;

  constructor(api: FakeApi, headers: Record<string, string>) {
    this.#api = api;
    this.headers = headers;
  }

  ask(method: string, url: string, body?: unknown, headers: Record<string, string> = {}): Promise<Injected> {
    return this.#api.ask(method, url, { ...this.headers, ...headers }, body);
  }
}
