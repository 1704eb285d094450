/** What is looked at before a request's body: host, origin, rate, and who asks. */
import { timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import type { FastifyRequest } from "fastify";
import { MsaltError } from "../errors.ts";
import type { Accounts, Who } from "./accounts.ts";
import type { Access } from "./route.ts";
import { TooMany } from "./status.ts";
import { Rates } from "./throttle.ts";

const cookieName = "msalt_session";

export interface GateOptions {
  readonly accounts: Accounts;
  /** Names under which this host is asked; addresses are good anyway, since no other site can take them. */
  readonly hosts: readonly string[];
  readonly secure: boolean;
  /** Milliseconds that only go forward. */
  readonly steady: () => number;
}

/** An account asked for what is not its to do. */
export class Denied extends MsaltError {
  readonly account: string;

  constructor(account: string, message: string) {
    super("ERR_NOT_ALLOWED", message);
    this.account = account;
  }
}

export class Gate {
  readonly #options: GateOptions;
  readonly #hosts: ReadonlySet<string>;
  readonly #strangers: Rates;
  readonly #accounts: Rates;

  constructor(options: GateOptions) {
    this.#options = options;
    this.#hosts = new Set(["localhost", ...options.hosts].map((host) => host.toLowerCase()));
    this.#strangers = new Rates(10, 40, options.steady);
    this.#accounts = new Rates(50, 200, options.steady);
  }

  /** @throws MsaltError `ERR_NOT_ALLOWED`: a name that somebody else may have made lead here. */
  checkHost({ headers }: Pick<FastifyRequest, "headers">): void {
    const host = headers.host ?? "";
    const name = /^(\[[0-9a-f:.]+\]|[^:]*)(:\d+)?$/i.exec(host)?.[1]?.toLowerCase() ?? "";
    if (!this.#hosts.has(name) && isIP(name.replace(/^\[|\]$/g, "")) === 0) {
      throw new MsaltError("ERR_NOT_ALLOWED", "this API is not asked under that host name", {
        hint: "add the name to api: hosts in the master's configuration",
      });
    }
  }

  /** @throws MsaltError `ERR_NOT_ALLOWED`: the request comes from another site's page, or `checkHost`. */
  checkOrigin(request: Pick<FastifyRequest, "headers">): void {
    this.checkHost(request);
    const { headers } = request;
    const { host = "", origin } = headers;
    const own = `${this.#options.secure ? "https" : "http"}://${host}`;
    const site = headers["sec-fetch-site"];
    if ((origin !== undefined && origin.toLowerCase() !== own.toLowerCase()) || site === "cross-site") {
      throw new MsaltError("ERR_NOT_ALLOWED", "requests from pages of another origin are refused");
    }
    const type = headers["content-type"] ?? "";
    // What a form can send without asking.
    if (/^(application\/x-www-form-urlencoded|multipart\/form-data|text\/plain)/i.test(type)) {
      throw new MsaltError("ERR_NOT_ALLOWED", "forms are refused: send JSON");
    }
  }

  /** Undefined for routes that are open to anybody. @throws MsaltError `ERR_NOT_LOGGED_IN`, `ERR_NOT_ALLOWED`, TooMany. */
  admit(request: FastifyRequest, access: Access): Who | undefined {
    if (access === "open") {
      this.#charge(this.#strangers, request.ip);
      return undefined;
    }
    const who = this.#who(request);
    if (who === undefined) {
      this.#charge(this.#strangers, request.ip);
      throw new MsaltError("ERR_NOT_LOGGED_IN", "log in first: no token or session that is valid");
    }
    this.#charge(this.#accounts, who.account.name);
    if (who.key.kind === "session" && request.method !== "GET" && request.method !== "HEAD") {
      if (!isSame(request.headers["x-csrf"], who.csrf)) {
        throw new MsaltError("ERR_NOT_ALLOWED", "the header x-csrf is not that of this session");
      }
    }
    if (access === "session" ? who.key.kind !== "session" : !who.scopes.has(access)) {
      const needed = access === "session" ? "a session, not a token" : `the right to ${access}`;
      throw new Denied(who.account.name, `this needs ${needed}`);
    }
    return who;
  }

  #who({ headers }: FastifyRequest): Who | undefined {
    const { authorization } = headers;
    // Whoever sends a token means it: no session of a browser stands in for it.
    if (authorization !== undefined) {
      const [, token] = /^Bearer ([A-Za-z0-9_-]{1,128})$/i.exec(authorization) ?? [];
      return token === undefined ? undefined : this.#options.accounts.byToken(token);
    }
    const cookie = cookieOf(headers.cookie ?? "");
    return cookie === undefined ? undefined : this.#options.accounts.bySession(cookie);
  }

  #charge(rates: Rates, name: string): void {
    const wait = rates.charge(name);
    if (wait > 0) throw new TooMany("too many requests", wait);
  }

  /** Without `value`: takes the cookie away. */
  cookie(value: string | undefined): string {
    const life = value === undefined ? "; Max-Age=0" : "";
    const secure = this.#options.secure ? "; Secure" : "";
    return `${cookieName}=${value ?? ""}; Path=/; HttpOnly; SameSite=Strict${secure}${life}`;
  }
}

function isSame(given: string | string[] | undefined, secret: string | undefined): boolean {
  if (typeof given !== "string" || secret === undefined) return false;
  const [a, b] = [Buffer.from(given), Buffer.from(secret)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function cookieOf(header: string): string | undefined {
  const found = header.split(";").flatMap((part) => {
    const [name, value = ""] = part.trim().split("=", 2);
    return name === cookieName && /^[A-Za-z0-9_-]{43}$/.test(value) ? [value] : [];
  });
  // Two of them: one was put there by somebody else.
  return found.length === 1 ? found[0] : undefined;
}
