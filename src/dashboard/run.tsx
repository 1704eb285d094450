/** A job to be sent: who, what, and once more who before it goes. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { foldIds } from "../lib/id-range.ts";
import { guessWord } from "../wire/yaml-word.ts";
import { api, query as queryOf } from "./api.ts";
import { argumentsOf, type Fields, fieldsOf } from "./form.ts";
import { FunctionForm } from "./function-form.tsx";
import { useAction, useLoad } from "./hooks.ts";
import { CommandLines } from "./job-call.tsx";
import { Options, type OptionTexts, optionsOf, textsOf } from "./options.tsx";
import { ScriptForm, type ScriptFields, scriptFrom, taskOf } from "./script-form.tsx";
import { type Hit, TargetCount, TargetFields, useTargets } from "./target.tsx";
import {
  failedStates,
  type Call,
  type FunctionInfo,
  type Job,
  type JobRequest,
  type Target,
  type TargetExpression,
} from "./types.ts";
import { Field, Input, Lines } from "./inputs.tsx";
import { Dialog, Problem } from "./ui.tsx";

/** From so many targets on, what has effects is sent only when their number is typed. */
const typedFrom = 10;

/** Something ready to be sent, as it was when it was looked at. */
interface Order {
  readonly path: "/jobs" | "/tasks";
  readonly body: object;
  readonly what: string;
  readonly effects: boolean;
  readonly request: JobRequest | undefined;
}

export function RunPage({ query }: { query: URLSearchParams }) {
  const again = query.get("again");
  const { data, problem } = useLoad<Job<readonly Target[]>>(again === null ? undefined : `/jobs/${again}`);
  if (again === null) return <RunForm query={query} from={undefined} />;
  if (data === undefined) return <Problem of={problem} />;
  return <RunForm query={query} from={data} />;
}

function RunForm({ query, from }: { query: URLSearchParams; from: Job<readonly Target[]> | undefined }) {
  const [target, setTarget] = useState<TargetExpression>(() => firstTarget(query, from));
  const task = useMemo(() => from && scriptFrom(from), [from]);
  const [isScript, setIsScript] = useState(query.has("script") || task !== undefined);
  const [fun, setFun] = useState(from?.fun ?? query.get("fun") ?? "");
  const [fields, setFields] = useState<Fields>();
  const [raw, setRaw] = useState(from === undefined ? "" : rawOf(from));
  const [script, setScript] = useState<ScriptFields>({
    text: task?.text ?? "#!/bin/sh\n",
    saved: query.get("script") ?? "",
    version: query.get("version") ?? "",
    args: task?.args ?? "",
    name: "",
  });
  const [texts, setTexts] = useState<OptionTexts>(() => (from === undefined ? {} : textsOf(from.options)));
  const { data: known } = useLoad<{ functions: readonly FunctionInfo[] }>("/functions");
  const listed = known?.functions.find(({ name }) => name === fun);
  const { data: whole } = useLoad<FunctionInfo>(
    listed === undefined ? undefined : `/functions/${encodeURIComponent(fun)}`,
  );
  const fn = whole?.name === fun ? whole : listed;
  const resolved = useTargets(target);
  const [order, setOrder] = useState<Order>();
  const [problem, setProblem] = useState<unknown>();

  // The form of the job that is to be run again, once its function is known; what fits no field is shown as text.
  const before = useMemo(
    () => (from !== undefined && whole?.name === from.fun ? fieldsOf(whole, from) : undefined),
    [from, whole],
  );
  const asText = fn === undefined || (from?.fun === fun && whole !== undefined && before === undefined);
  useEffect(() => setFields(undefined), [fun]);
  const shown = fields ?? (from?.fun === fun ? before : undefined) ?? {};

  const prepare = (): Order => {
    if (fun === "" && !isScript) throw new Error("choose a function");
    if (isScript) {
      return {
        path: "/tasks",
        body: taskOf(script, target, texts),
        what: "a script",
        effects: true,
        request: undefined,
      };
    }
    const call = asText ? callOf(raw) : argumentsOf(fn, shown);
    const request: JobRequest = { fun, ...call, ...target, ...optionsOf(texts) };
    return { path: "/jobs", body: request, what: fun, effects: fn?.effects !== "none", request };
  };
  return (
    <>
      <h1>Run</h1>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          setProblem(undefined);
          try {
            setOrder(prepare());
          } catch (failure) {
            setProblem(failure);
          }
        }}
      >
        <TargetFields target={target} onTarget={setTarget} />
        {target.tgt.trim() !== "" && <TargetCount resolved={resolved} />}
        <div class="tabs" role="group" aria-label="What to run">
          <button type="button" aria-pressed={!isScript} onClick={() => setIsScript(false)}>
            A function
          </button>
          <button type="button" aria-pressed={isScript} onClick={() => setIsScript(true)}>
            A script
          </button>
        </div>
        {isScript ? (
          <ScriptForm fields={script} onFields={setScript} />
        ) : (
          <>
            <Field label="Function" hint={fn?.summary}>
              <Input value={fun} onValue={setFun} list="functions" placeholder="cmd.run" />
            </Field>
            <datalist id="functions">
              {known?.functions.map(({ name, summary }) => (
                <option key={name} value={name}>
                  {summary}
                </option>
              ))}
            </datalist>
            {asText ? (
              fun !== "" && (
                <Field label="Arguments" hint="one a line, as on the command line: text, 5, true, [a, b] or name=value">
                  <Lines rows={4} value={raw} onValue={setRaw} />
                </Field>
              )
            ) : (
              <FunctionForm fn={fn} fields={shown} onFields={setFields} />
            )}
          </>
        )}
        <Options texts={texts} onTexts={setTexts} script={isScript} />
        <Problem of={problem} />
        <button
          type="submit"
          class="primary"
          disabled={resolved.hit === undefined || resolved.hit.minions.length === 0}
        >
          Look at it before it is sent…
        </button>
      </form>
      {order !== undefined && resolved.hit !== undefined && (
        <Review order={order} hit={resolved.hit} fn={fn} onClose={() => setOrder(undefined)} />
      )}
    </>
  );
}

function firstTarget(query: URLSearchParams, from: Job<readonly Target[]> | undefined): TargetExpression {
  const only = query.get("only");
  if (from === undefined) return { tgt: query.get("tgt") ?? "", tgt_type: query.get("tgt_type") ?? "glob" };
  const { tgt, tgt_type, delimiter, targets } = from;
  if (only === null) return { tgt, tgt_type, ...(delimiter !== undefined && { delimiter }) };
  const states = only === "failed" ? failedStates : [only];
  return { tgt: foldIds(targets.filter(({ state }) => states.includes(state)).map(({ id }) => id)), tgt_type: "list" };
}

/** Lines of untyped arguments. */
function callOf(raw: string): Pick<Call, "arg" | "kwarg"> {
  const arg: unknown[] = [];
  const kwarg: Record<string, unknown> = {};
  for (const line of raw.split("\n").filter((text) => text !== "")) {
    const [, name, value = ""] = /^([A-Za-z_][\w.-]*)=(?!=)(.*)$/.exec(line) ?? [];
    if (name === undefined) arg.push(guessWord(line));
    else kwarg[name] = guessWord(value);
  }
  return { arg, kwarg };
}

function rawOf({ arg, kwarg }: Pick<Call, "arg" | "kwarg">): string {
  const text = (value: unknown): string =>
    typeof value === "string" && guessWord(value) === value && !value.includes("\n") ? value : JSON.stringify(value);
  return [...arg.map(text), ...Object.entries(kwarg).map(([name, value]) => `${name}=${text(value)}`)].join("\n");
}

/** The last look: how many, who, and what exactly. */
function Review({
  order,
  hit: { minions, missing },
  fn,
  onClose,
}: {
  order: Order;
  hit: Hit;
  fn: FunctionInfo | undefined;
  onClose: () => void;
}) {
  const [typed, setTyped] = useState("");
  const action = useAction();
  const away = minions.filter(({ connected }) => !connected).length;
  const mustType = order.effects && minions.length >= typedFrom;
  const names = foldIds(minions.map(({ id }) => id));
  const send = (): void =>
    action.run(async () => {
      const { jid, task_id } = await api<{ jid?: string; task_id?: string }>("POST", order.path, order.body);
      location.hash = `#/jobs/${jid ?? task_id ?? ""}`;
    });
  return (
    <Dialog title={`${order.what} on ${minions.length} minion${minions.length === 1 ? "" : "s"}`} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!mustType || typed === String(minions.length)) send();
        }}
      >
        <p class="sample">
          <code>{names.length > 400 ? `${names.slice(0, 400)}…` : names}</code>
        </p>
        {away > 0 && <p class="warn">{away} are away: they begin when they come back in time.</p>}
        {missing.length > 0 && <p class="warn">Unknown: {missing.slice(0, 20).join(", ")}</p>}
        {order.request === undefined ? null : <CommandLines request={order.request} fn={fn} />}
        {mustType && (
          <Field label={`This may change ${minions.length} minions. Type their number to go on`}>
            <Input value={typed} onValue={setTyped} inputMode="numeric" autofocus />
          </Field>
        )}
        <Problem of={action.problem} />
        <p class="actions">
          <button
            type="submit"
            class="primary"
            disabled={action.busy || (mustType && typed !== String(minions.length))}
          >
            Send to {minions.length}
          </button>
          <button type="button" onClick={onClose}>
            Back
          </button>
        </p>
      </form>
    </Dialog>
  );
}

/** Where a page sends somebody to run something on these. */
export function runLink(target: TargetExpression): string {
  return `#/run${queryOf({ tgt: target.tgt, tgt_type: target.tgt_type })}`;
}
