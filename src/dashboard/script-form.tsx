import { fromBase64, toBase64 } from "./api.ts";
import { useLoad } from "./hooks.ts";
import { type OptionTexts, optionsOf } from "./options.tsx";
import type { Call, ScriptVersion, TargetExpression } from "./types.ts";
import { Editor, Field, Input, Lines, Select } from "./inputs.tsx";
import { Problem } from "./ui.tsx";

export interface ScriptFields {
  readonly text: string;
  /** Name of a saved one; empty: the text above. */
  readonly saved: string;
  /** Empty: the newest. */
  readonly version: string;
  /** One a line. */
  readonly args: string;
  readonly name: string;
}

export function ScriptForm({ fields, onFields }: { fields: ScriptFields; onFields: (fields: ScriptFields) => void }) {
  const { data, problem } = useLoad<{ scripts: readonly { name: string; version: number }[] }>("/scripts");
  const path = fields.saved === "" ? undefined : `/scripts/${encodeURIComponent(fields.saved)}`;
  const { data: versions } = useLoad<{ versions: readonly ScriptVersion[] }>(path);
  return (
    <>
      <Problem of={problem} />
      <div class="fields">
        <Field label="Script">
          <Select
            value={fields.saved}
            onValue={(saved) => onFields({ ...fields, saved, version: "" })}
            options={[
              ["", "written here"],
              ...(data?.scripts ?? []).map(({ name }) => [name, `saved: ${name}`] as const),
            ]}
          />
        </Field>
        {fields.saved !== "" && (
          <Field label="Version">
            <Select
              value={fields.version}
              onValue={(version) => onFields({ ...fields, version })}
              options={[
                ["", "the newest"],
                ...(versions?.versions ?? []).map(
                  ({ version, comment = "" }) => [String(version), `${version} ${comment}`] as const,
                ),
              ]}
            />
          </Field>
        )}
        <Field label="Name (shown with the task)">
          <Input value={fields.name} onValue={(name) => onFields({ ...fields, name })} />
        </Field>
      </div>
      {fields.saved === "" && (
        <Editor label="Script" value={fields.text} onValue={(text) => onFields({ ...fields, text })} />
      )}
      <Field label="Arguments" hint="one a line">
        <Lines rows={2} value={fields.args} onValue={(args) => onFields({ ...fields, args })} />
      </Field>
    </>
  );
}

/** The body of `POST /tasks`. */
export function taskOf(fields: ScriptFields, { tgt, tgt_type }: TargetExpression, texts: OptionTexts): object {
  const { timeout, ttl, parallel, fail_count, fail_rate } = optionsOf(texts);
  const args = fields.args === "" ? [] : fields.args.replace(/\n$/, "").split("\n");
  const saved = { name: fields.saved, ...(fields.version !== "" && { version: Number(fields.version) }) };
  return {
    ...(fields.saved === "" ? { script: toBase64(fields.text) } : { saved }),
    ...(args.length > 0 && { args }),
    ...(fields.name !== "" && { name: fields.name }),
    targets: { tgt, tgt_type },
    ...Object.fromEntries(
      Object.entries({ timeout, ttl, parallel, fail_count, fail_rate }).filter(([, value]) => value !== undefined),
    ),
  };
}

const scriptFunction = "cmd.script_source";

/** The script of a job that is a task, as the form holds it; undefined for other jobs, and for more than the form can hold. */
export function scriptFrom({ fun, arg, kwarg }: Call): Pick<ScriptFields, "text" | "args"> | undefined {
  const [script = kwarg["script"], ...more] = arg;
  const { script: _script, args = [], ...others } = kwarg;
  if (fun !== scriptFunction || typeof script !== "string" || more.length > 0 || Object.keys(others).length > 0) {
    return undefined;
  }
  try {
    return { text: fromBase64(script), args: Array.isArray(args) ? args.join("\n") : "" };
  } catch {
    return undefined;
  }
}
