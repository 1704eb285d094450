/** The page of one job. */
import { useMemo, useState } from "preact/hooks";
import { foldIds } from "../lib/id-range.ts";
import { api, query } from "./api.ts";
import { textOf } from "./fold.ts";
import { Groups } from "./groups.tsx";
import { HeatGrid } from "./heat-grid.tsx";
import { useAction, useStream } from "./hooks.ts";
import { Arguments, JobLines } from "./job-call.tsx";
import { type Counts, failedStates, openStates, type Target } from "./types.ts";
import { Dialog, Output, Problem, Rows, Time } from "./ui.tsx";
import { countsOf, useJob } from "./use-job.ts";

export function JobPage({ jid }: { jid: string }) {
  const { job, targets: list = [], problem } = useJob(jid);
  const [picked, setPicked] = useState<string>();
  const counts = useMemo(() => countsOf(list), [list]);
  if (job === undefined) return <Problem of={problem} />;
  const isOpen = job.ended === undefined && counts.done < counts.total;
  const failed = list.filter(({ state }) => failedStates.includes(state)).length;
  const target = list.find(({ id }) => id === picked);
  return (
    <>
      <h1>
        <code>{job.fun}</code> on <code>{job.tgt}</code>
      </h1>
      <p class="facts">
        <span>job {job.jid}</span> <span>by {job.user}</span>{" "}
        <span>
          began <Time at={job.created} />
        </span>{" "}
        {job.ended !== undefined && (
          <span>
            ended <Time at={job.ended} />
          </span>
        )}
      </p>
      <Problem of={problem} />
      {job.stop !== undefined && (
        <p class="warn" role="status">
          No more targets begin: {job.stop.reason}
        </p>
      )}
      {job.missing.length > 0 && <p class="warn">Unknown: {foldIds(job.missing)}</p>}
      <Progress counts={counts} isOpen={isOpen} />
      <p class="actions">
        {isOpen && <Kill jid={job.jid} running={counts.running} />}
        {failed > 0 && (
          <a class="button" href={`#/run?again=${job.jid}&only=failed`}>
            Run again on the failed ones ({failed})
          </a>
        )}
        {counts.skipped > 0 && (
          <a class="button" href={`#/run?again=${job.jid}&only=skipped`}>
            Run on the skipped ones ({counts.skipped})
          </a>
        )}
        <a class="button" href={`#/run?again=${job.jid}`}>
          Run again
        </a>
      </p>
      <HeatGrid targets={list} picked={picked} onPick={setPicked} />
      {target !== undefined && (
        <TargetPanel key={target.id} jid={jid} target={target} onClose={() => setPicked(undefined)} />
      )}
      <Groups targets={list} onPick={setPicked} />
      <Targets targets={list} onPick={setPicked} />
      <Arguments job={job} />
      <JobLines job={job} />
    </>
  );
}

function Progress({
  counts: { total, done, succeeded, failed, running, waiting, skipped },
  isOpen,
}: {
  counts: Counts;
  isOpen: boolean;
}) {
  const parts = [
    [succeeded, "succeeded"],
    [failed, "failed"],
    [running, "running"],
    [waiting, "waiting"],
    [skipped, "skipped"],
  ] as const;
  return (
    <div class="progress">
      <progress max={total} value={done} aria-label="targets that have ended" />
      <p role="status" aria-live="polite">
        {isOpen ? "" : "Ended. "}
        {done} of {total}
        {parts.map(
          ([count, name]) =>
            count > 0 && (
              <span key={name} class={`tag ${name}`}>
                {count} {name}
              </span>
            ),
        )}
      </p>
    </div>
  );
}

function Kill({ jid, running }: { jid: string; running: number }) {
  const [asking, setAsking] = useState(false);
  const action = useAction();
  const kill = (alsoRunning: boolean): void =>
    action.run(async () => {
      await api("POST", `/jobs/${jid}/kill`, { running: alsoRunning });
      setAsking(false);
    });
  return (
    <>
      <button type="button" class="danger" onClick={() => setAsking(true)}>
        Stop or kill…
      </button>
      {asking && (
        <Dialog title="End this job?" onClose={() => setAsking(false)}>
          <p>{running} minions run it now. What has not begun does not begin in either case.</p>
          <Problem of={action.problem} />
          <p class="actions">
            <button type="button" class="danger" disabled={action.busy} onClick={() => kill(true)}>
              Kill what runs
            </button>
            <button type="button" disabled={action.busy} onClick={() => kill(false)}>
              Let what runs finish
            </button>
            <button type="button" autofocus onClick={() => setAsking(false)}>
              Go on
            </button>
          </p>
        </Dialog>
      )}
    </>
  );
}

function TargetPanel({ jid, target, onClose }: { jid: string; target: Target; onClose: () => void }) {
  return (
    <section class="panel" aria-label={`Result of ${target.id}`}>
      <h2>
        <a href={`#/minions/${encodeURIComponent(target.id)}`}>{target.id}</a>{" "}
        <span class={`tag ${target.state}`}>{target.state}</span>
        <button type="button" aria-label="Close" onClick={onClose}>
          ×
        </button>
      </h2>
      <p class="facts">
        {target.reason !== undefined && <span>{target.reason}</span>}
        {target.retcode !== undefined && <span>retcode {target.retcode}</span>}
        {target.late === true && <span class="warn">came late</span>}
        <span>
          <Time at={target.started} /> – <Time at={target.ended} />
        </span>
      </p>
      {target.return === undefined ? (
        <LiveOutput jid={jid} target={target} />
      ) : (
        <Output text={textOf(target.return)} label={`output of ${target.id}`} />
      )}
    </section>
  );
}

const printed = ["ready", "output", "end"] as const;
const keptOutput = 200_000;

/** What it prints while it runs. */
function LiveOutput({ jid, target: { id, state } }: { jid: string; target: Target }) {
  const [text, setText] = useState("");
  const [over, setOver] = useState(false);
  const isOpen = openStates.includes(state) && !over;
  useStream(isOpen ? `/jobs/${jid}/output${query({ ids: id })}` : undefined, printed, ({ type, data }) => {
    const { text: more }: { text: string } = data;
    if (type === "ready") setText("");
    else if (type === "end") setOver(true);
    else setText((before) => `${before}${more}`.slice(-keptOutput));
  });
  if (text === "") return <p class="dim">No result yet.</p>;
  return <Output text={text} label={`live output of ${id}`} />;
}

function Targets({ targets, onPick }: { targets: readonly Target[]; onPick: (id: string) => void }) {
  return (
    <details>
      <summary>Targets ({targets.length})</summary>
      <Rows
        items={targets}
        label="targets"
        keyOf={({ id }) => id}
        columns={[
          {
            title: "Minion",
            class: "grow",
            cell: ({ id }) => (
              <button type="button" class="link" onClick={() => onPick(id)}>
                {id}
              </button>
            ),
          },
          {
            title: "State",
            cell: ({ state, retcode = 0 }) => (
              <span class={`tag ${state}`}>
                {state} {retcode === 0 ? "" : retcode}
              </span>
            ),
          },
          { title: "Reason", class: "wide grow", cell: ({ reason }) => reason },
          { title: "Ended", class: "wide time", cell: ({ ended }) => <Time at={ended} /> },
        ]}
      />
    </details>
  );
}
