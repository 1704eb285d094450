import { MsaltError } from "../errors.ts";
import { compileGlob } from "../lib/glob.ts";
import { type KeyAct, type KeyState, type KeyView, keyStates, maxKeysPerChange } from "../wire/keys.ts";
import type { Runner, RunnerContext } from "./runner.ts";

/** Salt's names of the lists. */
const titles = {
  accepted: "minions",
  denied: "minions_denied",
  pending: "minions_pre",
  rejected: "minions_rejected",
} as const satisfies Record<KeyState, string>;

async function listed(
  { call }: RunnerContext,
  pattern: string,
  show: (key: KeyView) => unknown = ({ id }) => id,
): Promise<Record<string, unknown>> {
  const all = await call("key.list", {});
  const matches = compileGlob(pattern);
  return Object.fromEntries(
    keyStates.map((state) => [titles[state], all[state].filter(({ id }) => matches(id)).map(show)]),
  );
}

/** Salt's names: the states that an act takes keys from. */
const sources = {
  accept: { include_rejected: "rejected", include_denied: "denied" },
  reject: { include_accepted: "accepted", include_denied: "denied" },
} as const;

function changer(act: KeyAct, summary: string): Runner {
  const more: Readonly<Record<string, KeyState>> = act === "delete" ? {} : sources[act];
  return {
    name: `key.${act}`,
    summary,
    params: ["match"],
    keywords: Object.keys(more),
    run: async ({ arg, kwarg }, { call, user }) => {
      const matches = compileGlob(String(arg[0]));
      const from = Object.entries(more).flatMap(([name, state]) =>
        kwarg[name] === "True" || kwarg[name] === "true" ? [state] : [],
      );
      const states: readonly KeyState[] = act === "delete" ? keyStates : ["pending", ...from];
      const all = await call("key.list", {});
      const chosen = states.flatMap((state) =>
        all[state].filter(({ id }) => matches(id)).map((key) => ({ state, ...key })),
      );
      const ids = chosen.map(({ id }) => id);
      const twice = act === "accept" ? ids.find((id, n) => ids.indexOf(id) !== n) : undefined;
      if (twice !== undefined) {
        throw new MsaltError("ERR_NOT_ALLOWED", `several hosts ask as ${twice}`, {
          hint: "compare fingerprints: msalt-key -f",
        });
      }
      if (chosen.length === 0) {
        throw new MsaltError(
          "ERR_NO_MATCH",
          `The key glob '${String(arg[0])}' does not match any ${states.join(" or ")} key.`,
        );
      }
      const changed: string[] = [];
      for (let at = 0; at < chosen.length; at += maxKeysPerChange) {
        const keys = chosen.slice(at, at + maxKeysPerChange).map(({ id, fingerprint }) => ({ id, fingerprint }));
        const { results } = await call("key.change", { act, keys, user });
        for (const result of results) {
          if (!result.ok) throw new MsaltError("ERR_NOT_ALLOWED", `${result.id}: ${result.message}`);
          changed.push(result.id);
        }
      }
      return {
        [titles[act === "accept" ? "accepted" : act === "reject" ? "rejected" : (chosen[0]?.state ?? "accepted")]]:
          changed,
      };
    },
  };
}

export const keys: readonly Runner[] = [
  {
    name: "key.list_all",
    summary: "List the keys of minions by state.",
    params: [],
    run: (_args, context) => listed(context, "*"),
  },
  {
    name: "key.name_match",
    summary: "List the keys whose minion id matches a glob, by state.",
    params: ["match"],
    run: ({ arg }, context) => listed(context, String(arg[0])),
  },
  {
    name: "key.finger",
    summary: "Show the fingerprints of the keys that match a glob.",
    params: ["match"],
    run: ({ arg }, context) =>
      listed(context, String(arg[0]), ({ id, fingerprint }) => ({ [id]: (fingerprint.match(/../g) ?? []).join(":") })),
  },
  changer(
    "accept",
    "Accept the pending keys that match a glob; include_rejected=True and include_denied=True take those too.",
  ),
  changer(
    "reject",
    "Reject the pending keys that match a glob; include_accepted=True and include_denied=True take those too.",
  ),
  changer("delete", "Delete the keys that match a glob, whatever their state."),
];
