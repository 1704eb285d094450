/** One cell for each minion; a row of cells is one row of a windowed list. */
import { useEffect, useState } from "preact/hooks";
import type { Target } from "./types.ts";
import { useView } from "./ui.tsx";

const cell = 18;

export function HeatGrid({
  targets,
  picked,
  onPick,
}: {
  targets: readonly Target[];
  picked: string | undefined;
  onPick: (id: string) => void;
}) {
  const { box, view, measure } = useView();
  const [at, setAt] = useState(0);
  const columns = Math.max(1, Math.floor(view.width / cell));
  const first = Math.max(0, Math.floor(view.top / cell) - 3) * columns;
  const last = Math.min(targets.length, (Math.ceil((view.top + view.height) / cell) + 3) * columns);
  useEffect(() => {
    const top = Math.floor(at / columns) * cell;
    if (box.current === null || document.activeElement !== box.current) return;
    if (top < box.current.scrollTop) box.current.scrollTop = top;
    else if (top + cell > box.current.scrollTop + box.current.clientHeight) {
      box.current.scrollTop = top + cell - box.current.clientHeight;
    }
  }, [at, columns]);
  const moves: Readonly<Record<string, number>> = {
    ArrowLeft: -1,
    ArrowRight: 1,
    ArrowUp: -columns,
    ArrowDown: columns,
    Home: -targets.length,
    End: targets.length,
  };
  return (
    <div
      class="heat"
      ref={box}
      tabIndex={0}
      role="listbox"
      aria-label="State of each minion: arrow keys move, Enter shows the result"
      aria-activedescendant={`cell-${at}`}
      onScroll={measure}
      onKeyDown={(event) => {
        const move = moves[event.key];
        if (move !== undefined) setAt(Math.max(0, Math.min(targets.length - 1, at + move)));
        else if (event.key === "Enter" || event.key === " ") onPick(targets[at]?.id ?? "");
        else return;
        event.preventDefault();
      }}
    >
      <div style={{ height: `${Math.ceil(targets.length / columns) * cell}px` }}>
        {targets.slice(first, last).map(({ id, state, connected }, n) => {
          const place = first + n;
          return (
            <div
              key={id}
              id={`cell-${place}`}
              role="option"
              aria-selected={id === picked}
              aria-label={`${id}: ${state}`}
              title={`${id}: ${state}${connected === false ? ", away" : ""}`}
              class={`cell ${state}${place === at ? " at" : ""}`}
              style={{ top: `${Math.floor(place / columns) * cell}px`, left: `${(place % columns) * cell}px` }}
              onClick={() => {
                setAt(place);
                onPick(id);
              }}
            />
          );
        })}
      </div>
    </div>
  );
}
