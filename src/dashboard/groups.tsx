/** Equal results once, under folded names; each other group beside the largest. */
import { useMemo, useState } from "preact/hooks";
import { foldIds } from "../lib/id-range.ts";
import { difference, type Group, grouped, textOf } from "./fold.ts";
import type { Target } from "./types.ts";
import { Output } from "./ui.tsx";

const shownAtOnce = 30;

export function Groups({ targets, onPick }: { targets: readonly Target[]; onPick: (id: string) => void }) {
  const groups = useMemo(() => grouped(targets), [targets]);
  const [all, setAll] = useState(false);
  const [first] = groups;
  if (first === undefined) return null;
  const shown = all ? groups : groups.slice(0, shownAtOnce);
  return (
    <section aria-label="results">
      <h2>
        Results <span class="dim">{groups.length} different</span>
      </h2>
      {shown.map((group) => (
        <GroupView key={group.key} group={group} most={group === first ? undefined : first} onPick={onPick} />
      ))}
      {shown.length < groups.length && (
        <button type="button" onClick={() => setAll(true)}>
          Show {groups.length - shown.length} more
        </button>
      )}
    </section>
  );
}

function GroupView({ group, most, onPick }: { group: Group; most: Group | undefined; onPick: (id: string) => void }) {
  const [open, setOpen] = useState(most === undefined);
  const [compare, setCompare] = useState(true);
  const names = foldIds(group.ids);
  return (
    <details class="group" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <span class={`tag ${group.failed ? "failed" : "succeeded"}`}>{group.ids.length}</span>{" "}
        {names.length > 200 ? `${names.slice(0, 200)}…` : names}
      </summary>
      {open && (
        <>
          <p class="actions">
            {most !== undefined && (
              <label class="inline">
                <input
                  type="checkbox"
                  checked={compare}
                  onChange={(event) => setCompare(event.currentTarget.checked)}
                />
                compare with the largest group
              </label>
            )}
            {group.ids.length === 1 && (
              <button type="button" class="link" onClick={() => onPick(group.ids[0] ?? "")}>
                details
              </button>
            )}
          </p>
          {compare && most !== undefined ? (
            <Difference from={most} to={group} />
          ) : (
            <Output text={textOf(group.value)} label={`output of ${names}`} />
          )}
        </>
      )}
    </details>
  );
}

function Difference({ from, to }: { from: Group; to: Group }) {
  const lines = useMemo(() => difference(from.value, to.value), [from.key, to.key]);
  if (lines === undefined) return <p class="dim">Too much to compare.</p>;
  return <DiffLines lines={lines} />;
}

export function DiffLines({ lines }: { lines: readonly string[] }) {
  return (
    <pre class="output diff" tabIndex={0} aria-label="difference">
      {lines.map((line, n) => (
        <span key={n} class={line.startsWith("+") ? "added" : line.startsWith("-") ? "removed" : ""}>
          {line}
          {"\n"}
        </span>
      ))}
    </pre>
  );
}
