/** Who is meant: an expression, and at once how many it hits. */
import { useEffect, useState } from "preact/hooks";
import { api } from "./api.ts";
import { useSettled } from "./hooks.ts";
import type { TargetExpression } from "./types.ts";
import { Field, Input, Select } from "./inputs.tsx";
import { Problem } from "./ui.tsx";

const targetTypes = [
  ["glob", "glob on the id"],
  ["list", "list of ids"],
  ["pcre", "regular expression"],
  ["grain", "grain and glob"],
  ["grain_pcre", "grain and expression"],
  ["pillar", "pillar and glob"],
  ["pillar_pcre", "pillar and expression"],
  ["ipcidr", "address or network"],
  ["nodegroup", "nodegroup"],
  ["compound", "compound"],
] as const;

const examples: Readonly<Record<string, string>> = {
  glob: "web*",
  list: "web1,web[3-7]",
  pcre: "web\\d+",
  grain: "os:Debian",
  grain_pcre: "os:(Debian|Ubuntu)",
  pillar: "role:web",
  pillar_pcre: "role:web|db",
  ipcidr: "10.0.0.0/8",
  nodegroup: "frontend",
  compound: "G@os:Debian and not web7",
};

export interface Hit {
  readonly minions: readonly { readonly id: string; readonly connected: boolean }[];
  readonly missing: readonly string[];
}

export interface Resolved {
  /** Of this expression; undefined while it is being asked for. */
  readonly hit: Hit | undefined;
  readonly problem: unknown;
}

export function useTargets({ tgt, tgt_type }: TargetExpression): Resolved {
  const asked = useSettled(tgt);
  const [answer, setAnswer] = useState<Resolved & { of: string }>();
  const key = `${tgt_type} ${tgt}`;
  useEffect(() => {
    if (asked !== tgt || tgt.trim() === "") return undefined;
    const controller = new AbortController();
    api<Hit>("POST", "/targets", { tgt, tgt_type }, controller.signal)
      .then((hit) => setAnswer({ of: key, hit, problem: undefined }))
      .catch((problem: unknown) => {
        if (!controller.signal.aborted) setAnswer({ of: key, hit: undefined, problem });
      });
    return () => controller.abort();
  }, [asked, key]);
  return answer?.of === key ? answer : { hit: undefined, problem: undefined };
}

export function TargetFields({
  target,
  onTarget,
}: {
  target: TargetExpression;
  onTarget: (target: TargetExpression) => void;
}) {
  return (
    <div class="fields">
      <Field label="Target">
        <Input
          search
          value={target.tgt}
          placeholder={examples[target.tgt_type]}
          onValue={(tgt) => onTarget({ ...target, tgt })}
        />
      </Field>
      <Field label="Target type">
        <Select
          value={target.tgt_type}
          options={targetTypes}
          onValue={(tgt_type) => onTarget({ ...target, tgt_type })}
        />
      </Field>
    </div>
  );
}

export function TargetCount({ resolved: { hit, problem } }: { resolved: Resolved }) {
  const away = hit?.minions.filter(({ connected }) => !connected).length ?? 0;
  return (
    <>
      <p class="count" aria-live="polite">
        {hit === undefined ? (
          "…"
        ) : (
          <>
            <b>{hit.minions.length}</b> minion{hit.minions.length === 1 ? "" : "s"}
            {away > 0 && <span class="warn">, {away} away</span>}
            {hit.missing.length > 0 && (
              <span class="warn">
                , {hit.missing.length} unknown: {hit.missing.slice(0, 5).join(", ")}
              </span>
            )}
          </>
        )}
      </p>
      <Problem of={problem} />
    </>
  );
}
