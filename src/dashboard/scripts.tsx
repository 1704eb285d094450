import { useEffect, useState } from "preact/hooks";
import { api, fromBase64, query, toBase64 } from "./api.ts";
import { DiffLines } from "./groups.tsx";
import { useAction, useLoad } from "./hooks.ts";
import type { ScriptVersion } from "./types.ts";
import { Editor, Field, Input, Select } from "./inputs.tsx";
import { Dialog, Problem, Time } from "./ui.tsx";

interface Listed extends ScriptVersion {
  readonly name: string;
}

export function ScriptsPage() {
  const { data, problem } = useLoad<{ scripts: readonly Listed[] }>("/scripts");
  const [name, setName] = useState("");
  const [text, setText] = useState("#!/bin/sh\n");
  const [comment, setComment] = useState("");
  const action = useAction();
  return (
    <>
      <h1>Scripts</h1>
      <Problem of={problem} />
      {data?.scripts.length === 0 && <p class="dim">None is saved yet.</p>}
      <ul class="list">
        {data?.scripts.map((script) => (
          <li key={script.name}>
            <a href={`#/scripts/${encodeURIComponent(script.name)}`}>{script.name}</a> version {script.version} by{" "}
            {script.by}, <Time at={script.at} /> <span class="dim">{script.comment}</span>
          </li>
        ))}
      </ul>
      <h2>A new one</h2>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          action.run(async () => {
            await api("POST", "/scripts", { name, script: toBase64(text), ...(comment !== "" && { comment }) });
            location.hash = `#/scripts/${encodeURIComponent(name)}`;
          });
        }}
      >
        <div class="fields">
          <Field label="Name">
            <Input value={name} onValue={setName} required pattern="[A-Za-z0-9][A-Za-z0-9._\-]{0,63}" />
          </Field>
          <Field label="Comment">
            <Input value={comment} onValue={setComment} />
          </Field>
        </div>
        <Editor label="Script" value={text} onValue={setText} />
        <Problem of={action.problem} />
        <button type="submit" class="primary" disabled={action.busy}>
          Save
        </button>
      </form>
    </>
  );
}

export function ScriptPage({ name, isAdmin }: { name: string; isAdmin: boolean }) {
  const path = `/scripts/${encodeURIComponent(name)}`;
  const { data, problem, reload } = useLoad<{ versions: readonly ScriptVersion[] }>(path);
  const [version, setVersion] = useState("");
  const [from, setFrom] = useState("");
  const newest = data?.versions[0]?.version;
  const shown = version === "" ? newest : Number(version);
  const options = data?.versions.map((each) => [String(each.version), `version ${each.version}`] as const) ?? [];
  if (data === undefined) return <Problem of={problem} />;
  return (
    <>
      <h1>{name}</h1>
      <Problem of={problem} />
      <ul class="list">
        {data.versions.map((each) => (
          <li key={each.version}>
            version {each.version} by {each.by}, <Time at={each.at} /> <span class="dim">{each.comment}</span>{" "}
            <a href={`#/run${query({ script: name, version: each.version })}`}>run version {each.version}</a>
          </li>
        ))}
      </ul>
      <div class="bar">
        <Field label="Edit">
          <Select value={String(shown ?? "")} onValue={setVersion} options={options} />
        </Field>
        <Field label="Compare it with">
          <Select value={from} onValue={setFrom} options={[["", "–"], ...options]} />
        </Field>
        {isAdmin && <Delete name={name} />}
      </div>
      {from !== "" && shown !== undefined && <Compare path={path} from={from} to={shown} />}
      {shown !== undefined && (
        <EditVersion
          key={shown}
          path={path}
          version={shown}
          onSaved={() => {
            setVersion("");
            reload();
          }}
        />
      )}
    </>
  );
}

function Compare({ path, from, to }: { path: string; from: string; to: number }) {
  const { data, problem } = useLoad<{ diff: string }>(`${path}/diff${query({ from, to })}`);
  if (data === undefined) return <Problem of={problem} />;
  return data.diff === "" ? <p class="dim">They are the same.</p> : <DiffLines lines={data.diff.split("\n")} />;
}

function EditVersion({ path, version, onSaved }: { path: string; version: number; onSaved: () => void }) {
  const { data, problem } = useLoad<ScriptVersion>(`${path}/versions/${version}`);
  const [text, setText] = useState<string>();
  const [comment, setComment] = useState("");
  const action = useAction();
  useEffect(() => {
    if (data?.script !== undefined) setText(fromBase64(data.script));
  }, [data]);
  if (text === undefined) return <Problem of={problem} />;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        action.run(async () => {
          await api("PUT", path, { script: toBase64(text), ...(comment !== "" && { comment }) });
          onSaved();
        });
      }}
    >
      <Editor label="Script" value={text} onValue={setText} />
      <Field label="Comment">
        <Input value={comment} onValue={setComment} />
      </Field>
      <Problem of={action.problem} />
      <button type="submit" class="primary" disabled={action.busy}>
        Save as a new version
      </button>
    </form>
  );
}

function Delete({ name }: { name: string }) {
  const [asking, setAsking] = useState(false);
  const action = useAction();
  const remove = (): void =>
    action.run(async () => {
      await api("DELETE", `/scripts/${encodeURIComponent(name)}`);
      location.hash = "#/scripts";
    });
  return (
    <>
      <button type="button" class="danger" onClick={() => setAsking(true)}>
        Delete…
      </button>
      {asking && (
        <Dialog title={`Delete ${name} with all versions?`} onClose={() => setAsking(false)}>
          <Problem of={action.problem} />
          <p class="actions">
            <button type="button" class="danger" disabled={action.busy} onClick={remove}>
              Delete
            </button>
            <button type="button" autofocus onClick={() => setAsking(false)}>
              Back
            </button>
          </p>
        </Dialog>
      )}
    </>
  );
}
