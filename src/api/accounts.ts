/** Accounts, tokens and sessions in `api.sqlite`. Every change is synced when it is made. */
import { createHash, randomBytes } from "node:crypto";
import { MsaltError } from "../errors.ts";
import type { Connection } from "../store/connection.ts";
import type { Row } from "../store/database.ts";
import { isPassword, hashPassword } from "./passwords.ts";

export type Role = "admin" | "user";
export const scopes = ["read", "run", "admin"] as const;
export type Scope = (typeof scopes)[number];

/** Times in ms since 1970. */
export interface Account {
  readonly name: string;
  readonly role: Role;
  /** As `publisher_acl` writes them. */
  readonly rules: readonly unknown[];
  readonly disabled: boolean;
  readonly created: number;
  readonly changed: number;
}

export interface Token {
  readonly id: string;
  readonly account: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly created: number;
  readonly expires: number;
  readonly used?: number;
}

/** Who asks, and by what right. */
export interface Who {
  readonly account: Account;
  readonly scopes: ReadonlySet<Scope>;
  /** The session or the token. */
  readonly key: { readonly kind: "session" | "token"; readonly id: string; readonly name?: string };
  readonly expires: number;
  /** Of a session. */
  readonly csrf?: string;
}

const sessionMs = 12 * 3_600_000;
const idleMs = 3_600_000;
/** When a session or token was used last is written down no more often. */
const usedMs = 60_000;
const tokenPrefix = "msalt_";

const sha256 = (text: string): Buffer => createHash("sha256").update(text).digest();
const secret = (): string => randomBytes(32).toString("base64url");
const idOf = (): string => randomBytes(8).toString("hex");

export function scopesOf({ role }: Account): readonly Scope[] {
  return role === "admin" ? scopes : ["read", "run"];
}

function accountOf(row: Row): Account {
  return {
    name: String(row["name"]),
    role: row["role"] === "admin" ? "admin" : "user",
    rules: JSON.parse(String(row["rules"])) as unknown[],
    disabled: row["disabled"] === 1,
    created: Number(row["created"]),
    changed: Number(row["changed"]),
  };
}

function tokenOf(row: Row): Token {
  return {
    id: String(row["id"]),
    account: String(row["account"]),
    name: String(row["name"]),
    scopes: JSON.parse(String(row["scopes"])) as Scope[],
    created: Number(row["created"]),
    expires: Number(row["expires"]),
    ...(row["used"] !== null && { used: Number(row["used"]) }),
  };
}

export class Accounts {
  readonly #store: Connection;
  readonly #now: () => number;

  /** @param now ms since 1970; must not go back */
  constructor(store: Connection, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  /** True while nobody can log in, nor ever could. */
  get isEmpty(): boolean {
    return this.#store.read(() => this.#store.get("SELECT 1 FROM accounts LIMIT 1") === undefined);
  }

  all(): Account[] {
    const sql = "SELECT * FROM accounts WHERE deleted IS NULL ORDER BY name";
    return this.#store.read(() => this.#store.all(sql).map(accountOf));
  }

  find(name: string): Account | undefined {
    const row = this.#row(name);
    return row === undefined ? undefined : accountOf(row);
  }

  #row(name: string): Row | undefined {
    return this.#store.read(() => this.#store.get("SELECT * FROM accounts WHERE name = ? AND deleted IS NULL", name));
  }

  /** @throws MsaltError `ERR_EXISTS`: a name is never given twice, so that nobody inherits the jobs of somebody else. */
  async add(name: string, password: string, role: Role, rules: readonly unknown[]): Promise<Account> {
    const hash = await hashPassword(password);
    const at = this.#now();
    this.#store.transaction(() => {
      if (this.#store.get("SELECT 1 FROM accounts WHERE name = ?", name) !== undefined) {
        throw new MsaltError("ERR_EXISTS", `there is, or was, an account ${name}`, { hint: "take another name" });
      }
      const sql = "INSERT INTO accounts VALUES (?, ?, ?, ?, 0, ?, ?, NULL)";
      this.#store.run(sql, name, role, JSON.stringify(rules), hash, at, at);
    });
    return { name, role, rules, disabled: false, created: at, changed: at };
  }

  /** A new password ends all sessions but `keep`. @throws MsaltError `ERR_NOT_FOUND`, `ERR_NOT_ALLOWED` for the last administrator. */
  async change(
    name: string,
    change: Partial<Pick<Account, "role" | "rules" | "disabled">> & { readonly password?: string | undefined },
    keep = "",
  ): Promise<Account> {
    const hash = change.password === undefined ? undefined : await hashPassword(change.password);
    this.#store.transaction(() => {
      const before = this.find(name);
      if (before === undefined) throw noAccount(name);
      const { role = before.role, rules = before.rules, disabled = before.disabled } = change;
      if (role !== "admin" || disabled) this.#keepAdmin(before);
      const sql = "UPDATE accounts SET role = ?, rules = ?, disabled = ?, changed = ? WHERE name = ?";
      this.#store.run(sql, role, JSON.stringify(rules), disabled ? 1 : 0, this.#now(), name);
      if (disabled) this.#endAll(name);
      if (hash !== undefined) {
        this.#store.run("UPDATE accounts SET password = ? WHERE name = ?", hash, name);
        this.#store.run("DELETE FROM sessions WHERE account = ? AND id <> ?", name, keep);
      }
    });
    const after = this.find(name);
    if (after === undefined) throw noAccount(name);
    return after;
  }

  /** @throws MsaltError as `change`. */
  delete(name: string): void {
    this.#store.transaction(() => {
      const before = this.find(name);
      if (before === undefined) throw noAccount(name);
      this.#keepAdmin(before);
      this.#store.run("UPDATE accounts SET deleted = ?, password = '' WHERE name = ?", this.#now(), name);
      this.#endAll(name);
    });
  }

  #keepAdmin({ name, role, disabled }: Account): void {
    if (role !== "admin" || disabled) return;
    const sql = "SELECT 1 FROM accounts WHERE role = 'admin' AND disabled = 0 AND deleted IS NULL AND name <> ?";
    if (this.#store.get(sql, name) !== undefined) return;
    throw new MsaltError("ERR_NOT_ALLOWED", `${name} is the last administrator that can log in`, {
      hint: "make another one first",
    });
  }

  #endAll(name: string): void {
    this.#store.run("DELETE FROM sessions WHERE account = ?", name);
    this.#store.run("DELETE FROM tokens WHERE account = ?", name);
  }

  /** The account, or undefined for a wrong name or password: both take as long. */
  async check(name: string, password: string): Promise<Account | undefined> {
    const row = this.#row(name);
    const isRight = await isPassword(password, row === undefined ? undefined : String(row["password"]));
    // As it is now: it may have been deleted meanwhile.
    const account = this.find(name);
    return isRight && account?.disabled === false ? account : undefined;
  }

  /** A new session and its cookie. */
  begin(account: Account): { who: Who; cookie: string } {
    const cookie = secret();
    const id = idOf();
    const at = this.#now();
    this.#store.transaction(() => {
      this.#store.run("DELETE FROM sessions WHERE expires <= ? OR used <= ?", at, at - idleMs);
      const sql = "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?)";
      this.#store.run(sql, id, sha256(cookie), account.name, at, at + sessionMs, at);
    });
    return { who: this.#session(account, id, at + sessionMs, cookie), cookie };
  }

  #session(account: Account, id: string, expires: number, cookie: string): Who {
    const csrf = sha256(`csrf ${cookie}`).toString("base64url");
    return { account, scopes: new Set(scopesOf(account)), key: { kind: "session", id }, expires, csrf };
  }

  end(id: string): void {
    this.#store.transaction(() => this.#store.run("DELETE FROM sessions WHERE id = ?", id));
  }

  bySession(cookie: string): Who | undefined {
    const at = this.#now();
    const row = this.#store.read(() => this.#store.get("SELECT * FROM sessions WHERE hash = ?", sha256(cookie)));
    if (row === undefined || Number(row["expires"]) <= at || Number(row["used"]) <= at - idleMs) return undefined;
    const account = this.find(String(row["account"]));
    if (account === undefined || account.disabled) return undefined;
    if (Number(row["used"]) <= at - usedMs) this.#touch("sessions", String(row["id"]), at);
    return this.#session(account, String(row["id"]), Number(row["expires"]), cookie);
  }

  addToken(account: Account, name: string, wanted: readonly Scope[], expires: number): { token: Token; text: string } {
    const text = tokenPrefix + secret();
    const token: Token = { id: idOf(), account: account.name, name, scopes: wanted, created: this.#now(), expires };
    this.#store.transaction(() => {
      const sql = "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, NULL)";
      this.#store.run(
        sql,
        token.id,
        sha256(text),
        account.name,
        name,
        JSON.stringify(wanted),
        token.created,
        token.expires,
      );
    });
    return { token, text };
  }

  byToken(text: string): Who | undefined {
    const at = this.#now();
    const row = this.#store.read(() => this.#store.get("SELECT * FROM tokens WHERE hash = ?", sha256(text)));
    if (row === undefined || Number(row["expires"]) <= at) return undefined;
    const token = tokenOf(row);
    const account = this.find(token.account);
    if (account === undefined || account.disabled) return undefined;
    if ((token.used ?? 0) <= at - usedMs) this.#touch("tokens", token.id, at);
    const own = new Set(scopesOf(account));
    const granted = new Set(token.scopes.filter((scope) => own.has(scope)));
    return { account, scopes: granted, key: { kind: "token", id: token.id, name: token.name }, expires: token.expires };
  }

  /** Of one account, or of all. */
  tokens(account?: string): Token[] {
    const sql = "SELECT * FROM tokens WHERE ?1 IS NULL OR account = ?1 ORDER BY created";
    return this.#store.read(() => this.#store.all(sql, account ?? null).map(tokenOf));
  }

  deleteToken(id: string): void {
    this.#store.transaction(() => this.#store.run("DELETE FROM tokens WHERE id = ?", id));
  }

  /** Whether what this one came with would still be let in; for open streams. */
  isCurrent({ key, account, expires }: Who): boolean {
    if (expires <= this.#now()) return false;
    const table = key.kind === "session" ? "sessions" : "tokens";
    const row = this.#store.read(() => this.#store.get(`SELECT 1 FROM ${table} WHERE id = ?`, key.id));
    const now = this.find(account.name);
    return row !== undefined && now?.disabled === false && now.role === account.role;
  }

  #touch(table: "sessions" | "tokens", id: string, at: number): void {
    this.#store.transaction(() => this.#store.run(`UPDATE ${table} SET used = ? WHERE id = ?`, at, id));
  }

  /** The latest time that is written here: time must not go back behind it. */
  get latest(): number {
    const sql =
      "SELECT max(at) AS at FROM (SELECT max(changed) AS at FROM accounts UNION ALL SELECT max(used) FROM sessions" +
      " UNION ALL SELECT max(max(created, coalesce(used, 0))) FROM tokens)";
    return Number(this.#store.read(() => this.#store.get(sql))?.["at"] ?? 0);
  }
}

function noAccount(name: string): MsaltError {
  return new MsaltError("ERR_NOT_FOUND", `no account ${name}`);
}
