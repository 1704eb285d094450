/** What a job runs, and how to say the same elsewhere. */
import { curlLine, msaltLine } from "./command-line.ts";
import { textOf } from "./fold.ts";
import { useLoad } from "./hooks.ts";
import { scriptFrom } from "./script-form.tsx";
import type { FunctionInfo, Job, JobRequest } from "./types.ts";
import { Copy, Output } from "./ui.tsx";

export function Arguments({ job }: { job: Job<unknown> }) {
  const { arg, kwarg, metadata } = job;
  const script = scriptFrom(job);
  const all = Object.entries({
    arg: script === undefined ? arg : [],
    kwarg: script === undefined ? kwarg : {},
    metadata,
  });
  const given = all.filter(([, value]) => value !== undefined && Object.keys(value).length > 0);
  if (given.length === 0 && script === undefined) return null;
  return (
    <details>
      <summary>{script === undefined ? "Arguments" : "Script"}</summary>
      {script !== undefined && <Output text={script.text} label="script" />}
      {script !== undefined && script.args !== "" && <Output text={script.args} label="arguments" />}
      {given.length > 0 && <Output text={textOf(Object.fromEntries(given))} label="arguments" />}
    </details>
  );
}

/** The order that makes this job anew. */
function requestOf({ fun, arg, kwarg, tgt, tgt_type, delimiter, options, metadata }: Job<unknown>): JobRequest {
  return {
    fun,
    arg,
    kwarg,
    tgt,
    tgt_type,
    ...(delimiter !== undefined && { delimiter }),
    ...options,
    ...(metadata !== undefined && Object.keys(metadata).length > 0 && { metadata }),
  };
}

export function JobLines({ job }: { job: Job<unknown> }) {
  const { data: fn } = useLoad<FunctionInfo>(
    job.fun.includes(",") ? undefined : `/functions/${encodeURIComponent(job.fun)}`,
  );
  return <CommandLines request={requestOf(job)} fn={fn} />;
}

export function CommandLines({ request, fn }: { request: JobRequest; fn: FunctionInfo | undefined }) {
  const line = msaltLine(request, fn);
  return (
    <section class="lines" aria-label="the same on the command line">
      {line === undefined ? (
        <p class="dim">No msalt command line can say this job exactly; curl can.</p>
      ) : (
        <Copy label="msalt" text={line} />
      )}
      <Copy label="curl" text={curlLine(location.origin, "POST", "/jobs", request)} />
    </section>
  );
}
