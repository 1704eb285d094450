/** Who may log in, and how. */
import * as z from "zod";
import { MsaltError } from "../../errors.ts";
import { type Account, type Token, type Who, scopes, scopesOf } from "../accounts.ts";
import { type ApiContext, isAdmin, userOf } from "../context.ts";
import { accountName, iso, password, time, timed } from "../fields.ts";
import { note } from "../master.ts";
import { stopJobsOf } from "../own-jobs.ts";
import { type AnyRoute, largeBody, route } from "../route.ts";
import { checkRules, rules } from "../rules.ts";
import { TooMany } from "../status.ts";

const role = z.enum(["admin", "user"]);
const scope = z.enum(scopes);
const accountShape = z.object({
  name: z.string(),
  role,
  rules,
  disabled: z.boolean(),
  created: time,
  changed: time,
});
const tokenShape = z.object({
  id: z.string(),
  user: z.string(),
  name: z.string(),
  scopes: z.array(scope),
  created: time,
  expires: time,
  used: time.optional(),
});
const sessionShape = z.object({
  user: accountShape,
  scopes: z.array(scope),
  expires: time,
  csrf: z.string().optional(),
  token: z.object({ id: z.string(), name: z.string() }).optional(),
});
const tokenId = z.strictObject({ id: z.string().max(64) });
const named = z.strictObject({ name: accountName });

function accountView({ created, changed, ...account }: Account): z.infer<typeof accountShape> {
  return { ...account, rules: account.rules as z.infer<typeof rules>, created: iso(created), changed: iso(changed) };
}

function tokenView({ account, created, expires, used, scopes: granted, ...token }: Token): z.infer<typeof tokenShape> {
  const times = { created: iso(created), expires: iso(expires), ...timed("used", used) };
  return { ...token, user: account, scopes: [...granted], ...times };
}

function sessionView({ account, scopes: granted, expires, csrf, key }: Who): z.infer<typeof sessionShape> {
  return {
    user: accountView(account),
    scopes: [...granted],
    expires: iso(expires),
    ...(csrf !== undefined && { csrf }),
    ...(key.kind === "token" && { token: { id: key.id, name: key.name ?? "" } }),
  };
}

export function accountRoutes(context: ApiContext): AnyRoute[] {
  /** In the audit log first: what cannot be written there is not done. */
  const noted = (who: Who, act: Parameters<typeof note>[2], arg: unknown): Promise<void> =>
    note(context.master, userOf(who), act, arg);
  /** What takes rights away is done at once, whether or not the master is there to write it down. */
  const notedAfter = (who: Who, act: Parameters<typeof note>[2], arg: unknown): void => {
    noted(who, act, arg).catch((failure: unknown) =>
      context.log.error("not in the audit log", { act, user: userOf(who), failure: String(failure) }),
    );
  };

  return [
    route({
      method: "POST",
      path: "/setup",
      access: "open",
      summary: "Make the first account, with the code of the link that the first start prints.",
      body: z.strictObject({ code: z.string().max(128), name: accountName, password }),
      answer: sessionShape,
      status: 201,
      handle: async ({ body: { code, name, password }, request, reply }) => {
        const { accounts, setup, backOff, gate, master } = context;
        if (!accounts.isEmpty) throw new MsaltError("ERR_NOT_FOUND", "there is an account already: log in");
        const wait = backOff.addresses.wait(request.ip);
        if (wait > 0) throw new TooMany("too many wrong codes", wait);
        backOff.addresses.begin(request.ip);
        if (!setup.isCode(code)) throw new MsaltError("ERR_NOT_LOGGED_IN", "this code is wrong, or was used");
        backOff.addresses.succeeded(request.ip);
        await note(master, `api:${name}`, "setup", { name });
        // Somebody else may have used it meanwhile.
        if (!setup.isCode(code)) throw new MsaltError("ERR_NOT_LOGGED_IN", "this code is wrong, or was used");
        setup.close();
        const account = await accounts.add(name, password, "admin", []);
        const { who, cookie } = accounts.begin(account);
        reply.header("set-cookie", gate.cookie(cookie));
        return sessionView(who);
      },
    }),
    route({
      method: "POST",
      path: "/login",
      access: "open",
      summary: "Begin a session: sets a cookie and gives the value for the header x-csrf.",
      body: z.strictObject({ name: z.string().max(64), password: z.string().max(256) }),
      answer: sessionShape,
      handle: async ({ body: { name, password }, request, reply }) => {
        const { accounts, gate, master, backOff } = context;
        const wait = Math.max(backOff.names.wait(name), backOff.addresses.wait(request.ip));
        if (wait > 0) throw new TooMany("too many wrong passwords: wait", wait);
        backOff.names.begin(name);
        backOff.addresses.begin(request.ip);
        const account = await accounts.check(name, password);
        if (account === undefined) {
          const outcome = "denied: wrong name or password";
          note(master, `api:${name}`, "login", { address: request.ip }, outcome).catch(() => undefined);
          throw new MsaltError("ERR_NOT_LOGGED_IN", "wrong name or password");
        }
        backOff.names.succeeded(name);
        backOff.addresses.succeeded(request.ip);
        await note(master, `api:${name}`, "login", { address: request.ip });
        const { who, cookie } = accounts.begin(account);
        reply.header("set-cookie", gate.cookie(cookie));
        return sessionView(who);
      },
    }),
    route({
      method: "POST",
      path: "/logout",
      access: "session",
      summary: "End this session; its streams end, its jobs go on.",
      answer: "none",
      handle: ({ reply }, who) => {
        const { accounts, gate, streams } = context;
        accounts.end(who.key.id);
        streams.check();
        reply.header("set-cookie", gate.cookie(undefined));
        notedAfter(who, "logout", {});
      },
    }),
    route({
      method: "GET",
      path: "/session",
      access: "read",
      summary: "Who asks, and what this may.",
      answer: sessionShape,
      handle: (_asked, who) => sessionView(who),
    }),
    route({
      method: "POST",
      path: "/session/password",
      access: "session",
      summary: "Change the own password; all other sessions of the account end.",
      body: z.strictObject({ old: z.string().max(256), new: password }),
      answer: "none",
      handle: async ({ body }, who) => {
        const { accounts, backOff, streams } = context;
        const { name } = who.account;
        const wait = backOff.names.wait(name);
        if (wait > 0) throw new TooMany("too many wrong passwords: wait", wait);
        backOff.names.begin(name);
        if ((await accounts.check(name, body.old)) === undefined) {
          throw new MsaltError("ERR_NOT_ALLOWED", "the old password is wrong");
        }
        backOff.names.succeeded(name);
        await noted(who, "password", { name });
        await accounts.change(name, { password: body.new }, who.key.id);
        streams.check();
      },
    }),
    route({
      method: "GET",
      path: "/tokens",
      access: "session",
      summary: "The own tokens; administrators may ask for those of others.",
      query: z.strictObject({ user: z.string().max(32).optional() }),
      answer: z.object({ tokens: z.array(tokenShape) }),
      handle: ({ query: { user } }, who) => {
        if (user !== undefined && user !== who.account.name && !isAdmin(who)) {
          throw new MsaltError("ERR_NOT_ALLOWED", "only administrators see the tokens of others");
        }
        const tokens = context.accounts.tokens(user === "*" ? undefined : (user ?? who.account.name));
        return { tokens: tokens.map(tokenView) };
      },
    }),
    route({
      method: "POST",
      path: "/tokens",
      access: "session",
      summary: "Make a token; it is shown this once.",
      body: z.strictObject({
        name: z.string().min(1).max(64),
        scopes: z.array(scope).min(1).max(scopes.length),
        expires_in: z
          .number()
          .min(60)
          .max(366 * 86_400),
      }),
      answer: tokenShape.extend({ token: z.string() }),
      status: 201,
      handle: async ({ body }, who) => {
        const { accounts, now } = context;
        const beyond = body.scopes.find((each) => !scopesOf(who.account).includes(each));
        if (beyond !== undefined) throw new MsaltError("ERR_NOT_ALLOWED", `this account has no right to ${beyond}`);
        await noted(who, "token.add", body);
        const wanted = [...new Set(body.scopes)];
        const { token, text } = accounts.addToken(who.account, body.name, wanted, now() + body.expires_in * 1000);
        return { ...tokenView(token), token: text };
      },
    }),
    route({
      method: "DELETE",
      path: "/tokens/:id",
      access: "session",
      summary: "Revoke a token.",
      params: tokenId,
      answer: "none",
      handle: ({ params: { id } }, who) => {
        const { accounts, streams } = context;
        const token = accounts.tokens(isAdmin(who) ? undefined : who.account.name).find((each) => each.id === id);
        if (token === undefined) throw new MsaltError("ERR_NOT_FOUND", "no such token");
        accounts.deleteToken(id);
        streams.check();
        notedAfter(who, "token.delete", { id, user: token.account, name: token.name });
      },
    }),
    route({
      method: "GET",
      path: "/users",
      access: "admin",
      summary: "All accounts.",
      answer: z.object({ users: z.array(accountShape) }),
      handle: () => ({ users: context.accounts.all().map(accountView) }),
    }),
    route({
      method: "POST",
      path: "/users",
      access: "admin",
      summary: "Make an account. A name is never given twice.",
      body: z.strictObject({ name: accountName, password, role, rules: rules.default([]) }),
      maxBytes: largeBody,
      answer: accountShape,
      status: 201,
      handle: async ({ body }, who) => {
        const { accounts, master } = context;
        await checkRules(master, body.rules);
        await noted(who, "account.add", { name: body.name, role: body.role, rules: body.rules });
        return accountView(await accounts.add(body.name, body.password, body.role, body.rules));
      },
    }),
    route({
      method: "PATCH",
      path: "/users/:name",
      access: "admin",
      summary: "Change an account. When its rights change, its open jobs begin no more targets.",
      params: named,
      body: z.strictObject({
        password: password.optional(),
        role: role.optional(),
        rules: rules.optional(),
        disabled: z.boolean().optional(),
      }),
      maxBytes: largeBody,
      answer: accountShape,
      handle: async ({ params: { name }, body }, who) => {
        const { accounts, master, streams } = context;
        if (body.rules !== undefined) await checkRules(master, body.rules);
        const { password, ...rest } = body;
        const change = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
        const told = { name, ...change, ...(password !== undefined && { password: "changed" }) };
        const before = accounts.find(name);
        const isDemoted = before?.role === "admin" && body.role === "user";
        const isRuled = body.rules !== undefined && JSON.stringify(body.rules) !== JSON.stringify(before?.rules);
        const isLess = isDemoted || isRuled || body.disabled === true;
        // Rights are given only when it can be written down.
        if (!isLess) await noted(who, "account.change", told);
        const own = name === who.account.name ? who.key.id : "";
        const account = await accounts.change(name, { ...change, ...(password !== undefined && { password }) }, own);
        streams.check();
        if (isLess) {
          notedAfter(who, "account.change", told);
          await stopJobsOf(context, name, userOf(who));
        }
        return accountView(account);
      },
    }),
    route({
      method: "DELETE",
      path: "/users/:name",
      access: "admin",
      summary: "Delete an account, its sessions and tokens; its open jobs begin no more targets.",
      params: named,
      answer: "none",
      handle: async ({ params: { name } }, who) => {
        const { accounts, streams } = context;
        accounts.delete(name);
        streams.check();
        notedAfter(who, "account.delete", { name });
        await stopJobsOf(context, name, userOf(who));
      },
    }),
  ];
}
