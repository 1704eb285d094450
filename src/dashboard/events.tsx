import { useRef, useState } from "preact/hooks";
import { textOf } from "./fold.ts";
import { useSettled, useStream } from "./hooks.ts";
import { query } from "./api.ts";
import { Field, Input } from "./inputs.tsx";
import { Output, Rows, Time } from "./ui.tsx";

interface BusEvent {
  readonly n: number;
  readonly tag: string;
  readonly data: Readonly<Record<string, unknown>>;
}

const kept = 2000;
const types = ["event", "ready"];

/** What happens, the newest first; the last 2,000 are kept. */
export function EventsPage() {
  const [tag, setTag] = useState("salt/");
  const [paused, setPaused] = useState(false);
  const [shown, setShown] = useState<readonly BusEvent[]>([]);
  const [open, setOpen] = useState<BusEvent>();
  const waiting = useRef<BusEvent[]>([]);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const next = useRef(0);
  const settled = useSettled(tag);
  const filter = /[*?[]/.test(settled) ? { match: settled } : { tag: settled };
  const state = useStream(paused ? undefined : `/events${query(filter)}`, types, ({ type, data }) => {
    if (type !== "event") return;
    waiting.current.push({ ...(data as Omit<BusEvent, "n">), n: next.current++ });
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      const come = waiting.current.splice(0).toReversed();
      setShown((before) => [...come, ...before].slice(0, kept));
    }, 150);
  });
  return (
    <>
      <h1>Events</h1>
      <div class="bar">
        <Field label="Tag" hint="how it begins, or a glob">
          <Input search value={tag} onValue={setTag} />
        </Field>
        <button type="button" aria-pressed={paused} onClick={() => setPaused(!paused)}>
          {paused ? "Go on" : "Pause"}
        </button>
        <button type="button" onClick={() => setShown([])}>
          Clear
        </button>
        <p role="status">{paused ? "paused" : state}</p>
      </div>
      {open !== undefined && (
        <section class="panel">
          <h2>
            <code>{open.tag}</code>
            <button type="button" aria-label="Close" onClick={() => setOpen(undefined)}>
              ×
            </button>
          </h2>
          <Output text={textOf(open.data)} label="data" />
        </section>
      )}
      <Rows
        items={shown}
        label="events"
        keyOf={({ n }) => String(n)}
        columns={[
          { class: "wide time", cell: (event) => <Time at={stampOf(event)} /> },
          {
            class: "grow",
            cell: (event) => (
              <button type="button" class="link" onClick={() => setOpen(event)}>
                {event.tag}
              </button>
            ),
          },
          { class: "wide grow dim", cell: ({ data }) => JSON.stringify(data).slice(0, 200) },
        ]}
      />
    </>
  );
}

function stampOf({ data: { _stamp: stamp } }: BusEvent): string | undefined {
  if (typeof stamp !== "string") return undefined;
  return /(Z|[+-]\d\d:?\d\d)$/.test(stamp) ? stamp : `${stamp}Z`;
}
