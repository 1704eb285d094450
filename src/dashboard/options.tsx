import type { JobOptions } from "./types.ts";
import { Field, Input } from "./inputs.tsx";

/** As typed; what is empty is left to the master. */
export type OptionTexts = Readonly<Partial<Record<keyof JobOptions, string>>>;

const numbers = [
  ["timeout", "End each run after", "seconds"],
  ["ttl", "An absent minion may begin within", "seconds, default 65; a script: 3600"],
  ["subset", "Only so many of them", "picked at random"],
  ["batch_wait", "A freed place stays empty for", "seconds"],
  ["fail_count", "More than so many failures stop the job", "-1: no limit"],
  ["fail_rate", "More than this part of the targets", "such as 0.02"],
] as const;
/** What a script task has of them. */
const ofScripts: readonly string[] = ["timeout", "ttl", "fail_count", "fail_rate"];

export function Options({
  texts,
  onTexts,
  script,
}: {
  texts: OptionTexts;
  onTexts: (texts: OptionTexts) => void;
  script: boolean;
}) {
  return (
    <details open={script || Object.values(texts).some((text) => text !== "")}>
      <summary>Batches, limits, time</summary>
      <div class="fields">
        <Field label="At most so many at once" hint={script ? "a number, default 1" : "a number or 10%"}>
          <Input value={texts.parallel ?? ""} onValue={(parallel) => onTexts({ ...texts, parallel })} />
        </Field>
        {numbers
          .filter(([name]) => !script || ofScripts.includes(name))
          .map(([name, label, hint]) => (
            <Field key={name} label={label} hint={hint}>
              <Input
                value={texts[name] ?? ""}
                inputMode="decimal"
                onValue={(text) => onTexts({ ...texts, [name]: text })}
              />
            </Field>
          ))}
        {!script && (
          <label class="inline">
            <input
              type="checkbox"
              checked={texts.fail_kill === "true"}
              onChange={(event) => onTexts({ ...texts, fail_kill: event.currentTarget.checked ? "true" : "" })}
            />
            kill what runs when too much has failed
          </label>
        )}
      </div>
    </details>
  );
}

/** @throws Error naming the option that is no number. */
export function optionsOf(texts: OptionTexts): JobOptions {
  const given = Object.entries(texts).filter(([, text]) => text.trim() !== "");
  return Object.fromEntries(
    given.map(([name, text]): [string, unknown] => {
      if (name === "fail_kill") return [name, true];
      if (name === "parallel" && text.trim().endsWith("%")) return [name, text.trim()];
      const value = Number(text);
      if (Number.isFinite(value)) return [name, value];
      throw new Error(`${name}: ${JSON.stringify(text)} is no number`);
    }),
  );
}

export function textsOf(options: JobOptions): OptionTexts {
  const { timeout, parallel, batch_wait, fail_count, fail_rate, fail_kill } = options;
  const given = { timeout, parallel, batch_wait: batch_wait === 0 ? undefined : batch_wait, fail_count, fail_rate };
  const texts = Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]));
  return { ...Object.fromEntries(texts), ...(fail_kill === true && { fail_kill: "true" }) };
}
