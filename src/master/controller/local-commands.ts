import type { PublisherAcl } from "../../acl/publisher-acl.ts";
import { type Rule, compileRules } from "../../acl/rules.ts";
import { MsaltError, messageOf } from "../../errors.ts";
import type { Target } from "../../job/types.ts";
import type { JobStore } from "../../store/job-store.ts";
import type { KeyId, MinionId } from "../../wire/ids.ts";
import type { KeyAct } from "../../wire/keys.ts";
import { encode } from "../../wire/codec.ts";
import { limits } from "../../wire/limits.ts";
import type { LocalReplies } from "../../wire/local.ts";
import type { AuditLog } from "./audit.ts";
import { audited, blacklisted, failed, killAudited, publishAudited } from "./audited.ts";
import type { Jobs } from "./jobs.ts";
import type { Keyring } from "./keyring.ts";
import type { LiveOutput } from "./live-output.ts";
import type { LocalHandlers } from "./local-server.ts";
import { publishPermitted } from "./permitted.ts";
import type { Pillars } from "./pillars.ts";
import type { Presence } from "./presence.ts";

export interface LocalContext {
  readonly jobs: Jobs;
  readonly keyring: Keyring;
  readonly presence: Presence;
  readonly pillars: Pillars;
  readonly store: JobStore;
  readonly output: LiveOutput;
  readonly ownFingerprint: string;
  readonly fire: (tag: string, data: Record<string, unknown>) => void;
  readonly accepted: () => ReadonlyMap<MinionId, KeyId>;
  /** Resolves when every front process has applied the key changes made so far. */
  readonly keysSettled: (act: KeyAct) => Promise<void>;
  /** @throws MsaltError `ERR_DISK_FULL` when no new job may be accepted. */
  readonly checkDisk: () => void;
  readonly acl: PublisherAcl;
  readonly audit: AuditLog;
}

const pageBytes = 2 * 1_048_576;
const apiHint = "an administrator of the HTTP API says what this account may";

/** How the user of a request on `local.sock` is known: who can read the secret says a name, or that the HTTP API knows it. */
function howOf({ via }: { readonly via?: "api" | undefined }): string {
  return via ?? "owner";
}

/** @throws MsaltError `ERR_WIRE_INVALID` for a rule that cannot be read: it must not be passed over. */
function rulesOf(rules: readonly unknown[]): readonly Rule[] {
  try {
    return compileRules(rules);
  } catch (cause) {
    throw new MsaltError("ERR_WIRE_INVALID", `a rule of this user cannot be read: ${messageOf(cause)}`, {}, { cause });
  }
}

/** The operator's commands (DESIGN §5.2). They exist here only; no process with a network socket can call them. */
export function localHandlers(context: LocalContext): LocalHandlers {
  const { jobs, keyring, presence, store } = context;
  return Object.freeze({
    "target.resolve": async (load): Promise<LocalReplies["target.resolve"]> => {
      const { minions, missing } = jobs.resolve(load);
      const hit = new Set(minions);
      const others = [...context.accepted().keys()].filter((id) => !hit.has(id));
      const unknown = others.filter((id) => presence.find(id)?.grains === undefined);
      return { minions: minions.map((id) => presence.view(id)), missing, others, unknown };
    },
    publish: async (load): Promise<LocalReplies["publish"]> => {
      context.checkDisk();
      if (load.rules === undefined) {
        return publishAudited(context, load, { how: howOf(load), refusal: () => blacklisted(context.acl, load) });
      }
      const permission = { rules: rulesOf(load.rules), how: howOf(load), hint: apiHint, needsTarget: true } as const;
      return publishPermitted(context, load, permission);
    },
    "job.kill": (load) => killAudited(context, load, howOf(load)),
    "job.output": (load) => context.output.ask(load),
    "job.record": ({ jid }): Promise<LocalReplies["job.record"]> => jobs.record(jid),
    "job.returns": async ({ jid, after, ids }): Promise<LocalReplies["job.returns"]> => {
      if (ids !== undefined) {
        const targets: Target[] = [];
        let bytes = 0;
        const from = after ?? 0;
        for (const [n, id] of ids.slice(from).entries()) {
          if (bytes >= pageBytes) return { targets, next: from + n };
          const target = await store.return(jid, id);
          if (target === undefined) continue;
          targets.push(target);
          bytes += target.ret?.length ?? 0;
        }
        return { targets };
      }
      const { targets, next } = await store.returns(jid, after, pageBytes);
      return { targets: [...targets], ...(next !== undefined && { next }) };
    },
    "job.list": async ({ before, limit }): Promise<LocalReplies["job.list"]> => {
      return { jobs: [...(await store.jobs(before, limit))] };
    },
    "job.active": async (): Promise<LocalReplies["job.active"]> => ({ jobs: jobs.active() }),
    "minion.list": async (): Promise<LocalReplies["minion.list"]> => ({
      minions: [...context.accepted().keys()].map((id) => presence.view(id)),
    }),
    "minion.grains": async ({ ids }) => {
      const accepted = context.accepted();
      const known = ids.filter((id) => accepted.has(id));
      return { grains: Object.fromEntries(known.map((id) => [id, presence.find(id)?.grains ?? {}])) };
    },
    "minion.pillar": async ({ id }) => {
      if (!context.accepted().has(id)) {
        throw new MsaltError("ERR_KEY_NOT_FOUND", `no accepted minion ${id}`, { hint: "msalt-key -L shows the keys" });
      }
      return { pillar: context.pillars.of({ id, grains: presence.find(id)?.grains }).data };
    },
    "event.fire": async ({ tag, data }) => {
      // Nothing else holds it whole, as the record does a result.
      const bytes = tag.length + encode(data).length;
      const max = limits.eventMessageBytes / 2;
      if (bytes > max) throw new MsaltError("ERR_LIMIT", `an event holds at most ${max} bytes, this one has ${bytes}`);
      context.fire(tag, data);
      return {};
    },
    "master.stats": async () => ({ pid: process.pid, rss: process.memoryUsage.rss() }),
    "key.list": async () => ({ ...keyring.list(), local: context.ownFingerprint }),
    "audit.note": async ({ user, act, arg, outcome }) => {
      await context.audit.record({ user, how: howOf({ via: "api" }), act, arg, outcome });
      return {};
    },
    "key.change": ({ act, keys, user = "", via }) => {
      const told = { user, how: howOf({ via }), act: `key.${act}` } as const;
      const minions = keys.map(({ id }) => id);
      return audited(context.audit, { ...told, minions, arg: keys.map(({ fingerprint }) => fingerprint) }, async () => {
        const results = keyring[act](keys);
        await context.keysSettled(act);
        const bad = results.flatMap((result) => (result.ok ? [] : [result]));
        const [first] = bad;
        if (first !== undefined) {
          const which = { ...told, minions: bad.map(({ id }) => id), arg: bad.map(({ fingerprint }) => fingerprint) };
          await failed(context.audit, which, first.message);
        }
        return { results };
      });
    },
    "key.token": async ({ expiresMs, uses, user = "", via }) => {
      if (expiresMs <= 0) throw new MsaltError("ERR_USAGE", "a token must expire later than now");
      const act = { user, how: howOf({ via }), act: "token", arg: { expires_ms: expiresMs, uses } } as const;
      return audited(context.audit, act, async () => keyring.token(expiresMs, uses));
    },
  });
}
