import { useState } from "preact/hooks";
import { query } from "./api.ts";
import { usePages, useRoute, useSettled } from "./hooks.ts";
import type { Job } from "./types.ts";
import { Field, Input, Select } from "./inputs.tsx";
import { Problem, Rows, Time } from "./ui.tsx";

/** The filters stand in the address, so that a search can be kept and handed on. */
export function JobsPage() {
  const { query: first } = useRoute();
  const [filters, setFilters] = useState(() => ({
    fun: first.get("fun") ?? "",
    tgt: first.get("tgt") ?? "",
    user: first.get("user") ?? "",
    state: first.get("state") ?? "",
    since: first.get("since") ?? "",
  }));
  const change = (part: Partial<typeof filters>): void => {
    const all = { ...filters, ...part };
    setFilters(all);
    history.replaceState(null, "", `#/jobs${query(all)}`);
  };
  const { since, ...rest } = useSettled(filters);
  const from = Number.isNaN(Date.parse(since)) ? undefined : new Date(since).toISOString();
  const { data, problem, more, reload } = usePages<Job>(
    (before) => `/jobs${query({ ...rest, since: from, limit: 100, before })}`,
    ({ jobs, next }: { jobs: readonly Job[]; next?: string }) => ({ items: jobs, next }),
  );
  return (
    <>
      <h1>Jobs</h1>
      <div class="fields">
        <Field label="Function" hint="a glob">
          <Input search value={filters.fun} placeholder="cmd.*" onValue={(fun) => change({ fun })} />
        </Field>
        <Field label="Target" hint="a glob over the expression">
          <Input value={filters.tgt} onValue={(tgt) => change({ tgt })} />
        </Field>
        <Field label="User">
          <Input value={filters.user} placeholder="api:ann" onValue={(user) => change({ user })} />
        </Field>
        <Field label="State">
          <Select
            value={filters.state}
            onValue={(state) => change({ state })}
            options={[["", "all"], "open", "ended"]}
          />
        </Field>
        <Field label="Since">
          <Input type="datetime-local" value={filters.since} onValue={(since) => change({ since })} />
        </Field>
      </div>
      <p class="actions">
        <button type="button" onClick={reload}>
          Look again
        </button>
      </p>
      <Problem of={problem} />
      {data?.length === 0 && <p class="dim">No job matches.</p>}
      {data !== undefined && data.length > 0 && (
        <Rows
          items={data}
          label="jobs"
          keyOf={({ jid }) => jid}
          onEnd={more}
          columns={[
            {
              title: "Began",
              class: "time",
              cell: ({ jid, fun, tgt, created }) => (
                <a href={`#/jobs/${jid}`} aria-label={`${fun} on ${tgt}, ${created}`}>
                  <Time at={created} />
                </a>
              ),
            },
            {
              title: "Function",
              class: "grow",
              cell: ({ fun, arg }) => (
                <>
                  {fun} <span class="dim wide">{arg.map(wordOf).join(" ").slice(0, 120)}</span>
                </>
              ),
            },
            { title: "Target", class: "grow", cell: ({ tgt, targets }) => `${tgt.slice(0, 80)} (${targets})` },
            { title: "User", class: "wide", cell: ({ user }) => user },
            { title: "State", cell: StateTag },
          ]}
        />
      )}
    </>
  );
}

function wordOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function StateTag({ ended, stop }: Job) {
  const [name, text] =
    ended === undefined ? ["running", "open"] : stop === undefined ? ["ended", "ended"] : ["killed", "stopped"];
  return <span class={`tag ${name}`}>{text}</span>;
}
