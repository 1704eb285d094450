/** What forms are made of. */
import { cloneElement, type JSX } from "preact";
import { useId, useRef } from "preact/hooks";

export function Field({ label, hint, children }: { label: string; hint?: string | undefined; children: JSX.Element }) {
  const id = useId();
  return (
    <div class="field">
      <label>
        <span>{label}</span>
        {hint === undefined ? children : cloneElement(children, { "aria-describedby": id })}
      </label>
      {hint !== undefined && <small id={id}>{hint}</small>}
    </div>
  );
}

interface InputProps {
  readonly value: string;
  readonly onValue: (value: string) => void;
  readonly type?: "text" | "password" | "number" | "datetime-local";
  readonly inputMode?: "decimal" | "numeric";
  readonly autocomplete?: "username" | "current-password" | "new-password";
  readonly list?: string;
  readonly placeholder?: string | undefined;
  readonly required?: boolean;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly min?: number;
  readonly max?: number;
  readonly autofocus?: boolean;
  /** `/` leads to it. */
  readonly search?: boolean;
}

export function Input({ value, onValue, autocomplete, search, ...more }: InputProps) {
  // The types of preact know an input by its type alone; here it is a variable.
  const attributes: object = more;
  return (
    <input
      {...attributes}
      autocomplete={autocomplete ?? "off"}
      spellcheck={false}
      data-search={search}
      value={value}
      onInput={(event) => onValue(event.currentTarget.value)}
    />
  );
}

/** A password that is being made, not one to log in with. */
export function NewPassword({ required = true, ...more }: Pick<InputProps, "value" | "onValue" | "required">) {
  return <Input {...more} type="password" autocomplete="new-password" minLength={12} required={required} />;
}

/** Several lines of plain text. */
export function Lines({ value, onValue, rows, ...more }: Pick<InputProps, "value" | "onValue"> & { rows: number }) {
  return (
    <textarea
      {...more}
      rows={rows}
      autocomplete="off"
      value={value}
      spellcheck={false}
      onInput={(event) => onValue(event.currentTarget.value)}
    />
  );
}

export function Select({
  value,
  onValue,
  options,
  ...more
}: {
  value: string;
  onValue: (value: string) => void;
  options: readonly (string | readonly [string, string])[];
}) {
  return (
    <select {...more} value={value} onChange={(event) => onValue(event.currentTarget.value)}>
      {options.map((option) => {
        const [key, text] = typeof option === "string" ? [option, option] : option;
        return (
          <option key={key} value={key}>
            {text}
          </option>
        );
      })}
    </select>
  );
}

/** A plain editor with line numbers. */
export function Editor({ value, onValue, label }: { value: string; onValue: (value: string) => void; label: string }) {
  const numbers = useRef<HTMLPreElement>(null);
  const lines = value.split("\n").length;
  return (
    <div class="editor">
      <pre ref={numbers} aria-hidden="true">
        {Array.from({ length: lines }, (_, n) => n + 1).join("\n")}
      </pre>
      <textarea
        aria-label={label}
        value={value}
        rows={16}
        wrap="off"
        spellcheck={false}
        autocomplete="off"
        onInput={(event) => onValue(event.currentTarget.value)}
        onScroll={(event) => {
          if (numbers.current !== null) numbers.current.scrollTop = event.currentTarget.scrollTop;
        }}
      />
    </div>
  );
}
