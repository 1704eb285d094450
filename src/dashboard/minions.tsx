import { useState } from "preact/hooks";
import { query } from "./api.ts";
import { textOf } from "./fold.ts";
import { useLoad, usePages, useSettled, useStream } from "./hooks.ts";
import { runLink } from "./run.tsx";
import { TargetFields } from "./target.tsx";
import type { Minion, TargetExpression } from "./types.ts";
import { Field, Select } from "./inputs.tsx";
import { Output, Problem, Rows, Time } from "./ui.tsx";

interface MinionPageOf {
  readonly minions: readonly Minion[];
  readonly total: number;
  readonly connected: number;
  readonly next?: string;
}

const presence = ["ready", "event"];

export function MinionsPage() {
  const [target, setTarget] = useState<TargetExpression>({ tgt: "*", tgt_type: "glob" });
  const [state, setState] = useState("");
  /** What has changed since the list was read: it stays where it is scrolled to. */
  const [changed, setChanged] = useState<ReadonlyMap<string, boolean>>(new Map());
  const tgt = useSettled(target.tgt);
  const asked = { tgt: tgt === "" ? "*" : tgt, tgt_type: target.tgt_type };
  const { data: counts, reload: count } = useLoad<MinionPageOf>(`/minions${query({ ...asked, limit: 1 })}`);
  const { data, problem, more, reload } = usePages<Minion>(
    (after) => `/minions${query({ ...asked, state, grains: "os,ipv4", limit: 500, after })}`,
    ({ minions, next }: MinionPageOf) => ({ items: minions, next }),
  );
  useStream("/events?tag=salt/presence/change", presence, ({ type, data: event }) => {
    if (type === "ready") {
      // What changed before is in no event.
      setChanged(new Map());
      reload();
      return count();
    }
    const { data: change }: { data: { new?: string[]; lost?: string[] } } = event;
    const come = (change.new ?? []).map((id) => [id, true] as const);
    const gone = (change.lost ?? []).map((id) => [id, false] as const);
    setChanged((before) => new Map([...before, ...come, ...gone]));
    count();
  });
  const isRefused = problem !== undefined;
  return (
    <>
      <h1>Minions</h1>
      <TargetFields target={target} onTarget={setTarget} />
      <div class="bar">
        <p class="count" aria-live="polite">
          {!isRefused && counts !== undefined && (
            <>
              <b>{counts.total}</b> minion{counts.total === 1 ? "" : "s"}, {counts.connected} connected
            </>
          )}
        </p>
        <Field label="Show">
          <Select value={state} onValue={setState} options={[["", "all"], "connected", "away"]} />
        </Field>
        <a class="button" href={runLink({ ...target, tgt: target.tgt === "" ? "*" : target.tgt })}>
          Run on these…
        </a>
      </div>
      <Problem of={problem} />
      {!isRefused && data !== undefined && (
        <Rows
          items={data}
          label="minions"
          keyOf={({ id }) => id}
          onEnd={more}
          columns={[
            { title: "Presence", cell: ({ id, connected }) => <Presence connected={changed.get(id) ?? connected} /> },
            {
              title: "Minion",
              class: "grow",
              cell: ({ id }) => <a href={`#/minions/${encodeURIComponent(id)}`}>{id}</a>,
            },
            { title: "System", cell: ({ grains }) => short(grains?.["os"]) },
            { title: "Addresses", class: "wide", cell: ({ grains }) => short(grains?.["ipv4"]) },
            { title: "Last seen", class: "wide time", cell: ({ last_seen }) => <Time at={last_seen} /> },
          ]}
        />
      )}
    </>
  );
}

function Presence({ connected }: Pick<Minion, "connected">) {
  return <span class={`tag ${connected ? "succeeded" : "waiting"}`}>{connected ? "connected" : "away"}</span>;
}

/** Grains are what minions say of themselves: text on one line, whatever it is. */
function short(grain: unknown): string {
  if (grain === undefined) return "";
  const text = Array.isArray(grain) ? grain.filter((each) => each !== "127.0.0.1").join(", ") : textOf(grain);
  return text.slice(0, 100);
}

export function MinionPage({ id }: { id: string }) {
  const { data: minion, problem } = useLoad<Minion>(`/minions/${encodeURIComponent(id)}`, 10_000);
  if (minion === undefined) return <Problem of={problem} />;
  return (
    <>
      <h1>{minion.id}</h1>
      <Problem of={problem} />
      <p class="facts">
        <Presence connected={minion.connected} />
        {minion.since !== undefined && (
          <span>
            since <Time at={minion.since} />
          </span>
        )}
        <span>
          last seen <Time at={minion.last_seen} />
        </span>
      </p>
      <p class="actions">
        <a class="button" href={runLink({ tgt: minion.id, tgt_type: "list" })}>
          Run on it…
        </a>
        <a class="button" href={`#/jobs${query({ tgt: minion.id })}`}>
          Jobs with this target
        </a>
      </p>
      {minion.jobs !== undefined && minion.jobs.length > 0 && (
        <p>
          Open jobs:{" "}
          {minion.jobs.map((jid) => (
            <a key={jid} href={`#/jobs/${jid}`}>
              {jid}{" "}
            </a>
          ))}
        </p>
      )}
      <h2>Grains</h2>
      <dl class="grains">
        {Object.entries(minion.grains ?? {})
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                <Grain name={name} value={value} />
              </dd>
            </div>
          ))}
      </dl>
    </>
  );
}

function Grain({ name, value }: { name: string; value: unknown }) {
  if (Array.isArray(value) && value.every((each) => typeof each !== "object")) return <>{value.join(", ")}</>;
  if (typeof value !== "object" || value === null) return <>{String(value)}</>;
  return <Output text={textOf(value)} label={name} />;
}
