/** What the pages are built of. */
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { safeText } from "../lib/safe-text.ts";
import { ApiError } from "./api.ts";

/** What went wrong, and what can be done; nothing where nothing did. */
export function Problem({ of: problem }: { of: unknown }): JSX.Element | null {
  if (problem === undefined || problem === null) return null;
  const { message } = problem as Error;
  const denied = problem instanceof ApiError && problem.status === 403;
  return (
    <div class="problem" role="alert">
      <strong>{denied ? "Not allowed: " : ""}</strong>
      {safeText(message)}
      {problem instanceof ApiError && problem.hint !== undefined && <div>{safeText(problem.hint)}</div>}
      {problem instanceof ApiError && <code>{problem.code}</code>}
    </div>
  );
}

export function Time({ at }: { at: string | undefined }) {
  if (at === undefined) return <span class="dim">–</span>;
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return <span>{safeText(at)}</span>;
  const two = (n: number): string => String(n).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return (
    <time dateTime={at} title={at}>
      {day} {two(date.getHours())}:{two(date.getMinutes())}:{two(date.getSeconds())}
    </time>
  );
}

/** Text of a minion: as text, with what could deceive the eye made visible. Long text is cut until it is asked for. */
export function Output({ text, label }: { text: string; label?: string }) {
  const [all, setAll] = useState(false);
  const cut = !all && text.length > 20_000;
  return (
    <>
      <pre class="output" tabIndex={0} aria-label={label ?? "output"}>
        {safeText(cut ? text.slice(0, 20_000) : text)}
      </pre>
      {cut && (
        <button type="button" onClick={() => setAll(true)}>
          Show all {text.length.toLocaleString()} characters
        </button>
      )}
    </>
  );
}

/** A line to copy into a shell. */
export function Copy({ label, text }: { label: string; text: string }) {
  const [done, setDone] = useState(false);
  return (
    <div class="copy">
      <span>{label}</span>
      <code>{text}</code>
      <button
        type="button"
        aria-label={`Copy the ${label} line`}
        onClick={() => {
          // Absent where the page is not secure; the text can be marked with one click then.
          navigator.clipboard?.writeText(text).then(
            () => setDone(true),
            () => undefined,
          );
        }}
      >
        {done ? "copied" : "copy"}
      </button>
    </div>
  );
}

/** A box over the page; Escape closes it, focus stays in it and goes back to where it was. */
export function Dialog({
  title,
  onClose,
  children,
}: {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby={id} onClose={onClose}>
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  );
}

export interface Column<T> {
  readonly title?: string;
  /** `wide`: not on a phone; `grow`: takes more than its share. */
  readonly class?: string;
  readonly cell: (item: T) => ComponentChildren;
}

/**
 * A list of which only the rows in sight exist. Rows are `rowHeight` px high; `onEnd` is called when the last ones come into sight.
 */
export function Rows<T>({
  items,
  columns,
  keyOf,
  label,
  rowHeight = 30,
  onEnd,
}: {
  items: readonly T[];
  columns: readonly Column<T>[];
  keyOf: (item: T) => string;
  label: string;
  rowHeight?: number;
  onEnd?: (() => void) | undefined;
}) {
  const { box, view, measure } = useView();
  const first = Math.max(0, Math.floor(view.top / rowHeight) - 10);
  const last = Math.min(items.length, Math.ceil((view.top + view.height) / rowHeight) + 10);
  useEffect(() => {
    if (last >= items.length) onEnd?.();
  }, [last, items.length, onEnd]);
  const height = `${rowHeight}px`;
  return (
    <div
      class="rows"
      ref={box}
      tabIndex={0}
      role="table"
      aria-label={label}
      aria-rowcount={items.length}
      onScroll={measure}
    >
      {columns.some(({ title }) => title !== undefined) && (
        <div role="row" class="row head">
          {columns.map(({ title, class: name }) => (
            <div key={title} role="columnheader" class={name}>
              {title}
            </div>
          ))}
        </div>
      )}
      <div role="rowgroup" style={{ height: `${items.length * rowHeight}px`, paddingTop: `${first * rowHeight}px` }}>
        {items.slice(first, last).map((item) => (
          <div key={keyOf(item)} role="row" class="row" style={{ height }}>
            {columns.map(({ class: name, cell }, n) => (
              <div key={n} role="cell" class={name}>
                {cell(item)}
              </div>
            ))}
          </div>
        ))}
      </div>
    </div>
  );
}

/** What of a scrolling box is in sight. */
export function useView() {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, width: 800, height: 600 });
  const measure = (): void => {
    const { scrollTop: top = 0, clientWidth: width = 800, clientHeight: height = 600 } = box.current ?? {};
    setView((before) =>
      before.top === top && before.width === width && before.height === height ? before : { top, width, height },
    );
  };
  useLayoutEffect(() => {
    if (box.current === null) return undefined;
    const observer = new ResizeObserver(measure);
    observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  return { box, view, measure };
}
