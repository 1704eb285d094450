import type { Fields } from "./form.ts";
import type { FunctionInfo, Parameter } from "./types.ts";
import { Field, Input, Lines, Select } from "./inputs.tsx";

/** A field for each parameter of the definition; those that may be left out stand behind the others, folded when they are many. */
export function FunctionForm({
  fn,
  fields,
  onFields,
}: {
  fn: FunctionInfo;
  fields: Fields;
  onFields: (fields: Fields) => void;
}) {
  const field = (parameter: Parameter) => (
    <Field
      key={parameter.name}
      label={`${parameter.name}${parameter.required ? "" : " (may be left out)"}`}
      hint={hintOf(parameter)}
    >
      <ParameterInput
        parameter={parameter}
        value={fields[parameter.name] ?? ""}
        onValue={(value) => onFields({ ...fields, [parameter.name]: value })}
      />
    </Field>
  );
  const first = fn.parameters.filter(({ required, variadic }) => required || variadic !== undefined);
  const others = fn.parameters.filter((parameter) => !first.includes(parameter));
  const isFilled = others.some(({ name }) => (fields[name] ?? "") !== "");
  return (
    <>
      {first.map(field)}
      {others.length > 3 ? (
        <details open={isFilled}>
          <summary>More arguments ({others.length})</summary>
          <div class="fields">{others.map(field)}</div>
        </details>
      ) : (
        others.map(field)
      )}
    </>
  );
}

function hintOf({ kind, description, variadic, default: preset }: Parameter): string | undefined {
  const shape =
    variadic === "keywords"
      ? "name=value, one a line"
      : variadic === "rest" || kind === "list"
        ? "one a line"
        : kind === "map"
          ? "such as {A: b}"
          : undefined;
  const fallback = preset === undefined || variadic !== undefined ? undefined : `default ${JSON.stringify(preset)}`;
  const parts = [description, shape, fallback].filter((part) => part !== undefined);
  return parts.length === 0 ? undefined : parts.join(" · ");
}

function ParameterInput({
  parameter: { kind, required, variadic },
  value,
  onValue,
  ...more
}: {
  parameter: Parameter;
  value: string;
  onValue: (value: string) => void;
}) {
  if (kind === "boolean" && variadic === undefined) {
    return <Select {...more} value={value} onValue={onValue} options={[["", "–"], "true", "false"]} />;
  }
  if (kind === "number" && variadic === undefined) {
    return <Input {...more} value={value} onValue={onValue} inputMode="decimal" required={required} />;
  }
  const rows = variadic !== undefined || kind === "list" ? 3 : Math.min(12, value.split("\n").length);
  return <Lines {...more} rows={rows} value={value} onValue={onValue} />;
}
