/** One job as it is known: from the record first, then live. */
import { useEffect, useRef, useState } from "preact/hooks";
import { useLoad, useStream } from "./hooks.ts";
import { type Counts, type Job, openStates, type Target } from "./types.ts";

const streamed = ["job", "target", "stop", "end", "error"] as const;
const pictureMs = 100;

interface Picture {
  readonly job: Job<unknown>;
  readonly targets: readonly Target[];
  readonly problem: unknown;
}

/** What comes is taken in at once and shown ten times a second: a thousand answers in a moment are one picture. */
export function useJob(jid: string): Partial<Picture> {
  const { data, problem } = useLoad<Job<readonly Target[]>>(`/jobs/${encodeURIComponent(jid)}`);
  const known = useRef<{ job?: Job<unknown>; problem?: unknown; targets: Map<string, Target> }>({ targets: new Map() });
  const [picture, setPicture] = useState<Picture>();
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const show = (): void => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      const { job, targets, problem } = known.current;
      if (job !== undefined) setPicture({ job, targets: [...targets.values()], problem });
    }, pictureMs);
  };
  useEffect(() => () => clearTimeout(timer.current), []);
  useEffect(() => {
    if (data === undefined) return;
    known.current.job = data;
    for (const target of data.targets) known.current.targets.set(target.id, target);
    show();
  }, [data]);
  const path = data === undefined ? undefined : `/jobs/${encodeURIComponent(jid)}/events?returns=true`;
  useStream(path, streamed, ({ type, data: event }) => {
    const { job, targets } = known.current;
    if (type === "target") {
      const target: Target = event;
      const { connected } = targets.get(target.id) ?? {};
      targets.set(target.id, { ...(connected !== undefined && { connected }), ...target });
    } else if (type === "stop" && job !== undefined) known.current.job = { ...job, stop: event };
    else if (type === "error") known.current.problem = Object.assign(new Error(), event);
    else if (type !== "stop") known.current = { job: event, targets };
    show();
  });
  return picture ?? { problem };
}

export function countsOf(targets: Iterable<Target>): Counts {
  const counts = { total: 0, done: 0, running: 0, waiting: 0, skipped: 0, succeeded: 0, failed: 0 };
  for (const { state } of targets) {
    counts.total += 1;
    if (!openStates.includes(state)) counts.done += 1;
    if (state === "running") counts.running += 1;
    else if (state === "waiting" || state === "sent") counts.waiting += 1;
    else if (state === "skipped") counts.skipped += 1;
    else if (state === "succeeded") counts.succeeded += 1;
    else counts.failed += 1;
  }
  return counts;
}
