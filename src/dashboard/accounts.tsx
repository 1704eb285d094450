import { useState } from "preact/hooks";
import { api } from "./api.ts";
import { useAction, useLoad } from "./hooks.ts";
import { TokenList } from "./me.tsx";
import type { Account } from "./types.ts";
import { Field, Input, Lines, NewPassword, Select } from "./inputs.tsx";
import { Dialog, Problem, Time } from "./ui.tsx";

/** `"new"`: one that is to be made. */
type Edited = Account | "new";

export function AccountsPage() {
  const { data, problem, reload } = useLoad<{ users: readonly Account[] }>("/users");
  const [edited, setEdited] = useState<Edited>();
  const close = (): void => {
    setEdited(undefined);
    reload();
  };
  return (
    <>
      <h1>Accounts</h1>
      <Problem of={problem} />
      <ul class="list">
        {data?.users.map((user) => (
          <li key={user.name}>
            <button type="button" class="link" onClick={() => setEdited(user)}>
              {user.name}
            </button>{" "}
            <span class={`tag ${user.disabled ? "failed" : "succeeded"}`}>
              {user.disabled ? "disabled" : user.role}
            </span>{" "}
            <code>{user.role === "admin" ? "" : JSON.stringify(user.rules)}</code>{" "}
            <span class="dim">
              since <Time at={user.created} />
            </span>
          </li>
        ))}
      </ul>
      <p class="actions">
        <button type="button" onClick={() => setEdited("new")}>
          Make an account…
        </button>
      </p>
      <h2>Tokens of all</h2>
      <TokenList path="/tokens?user=*" />
      {edited !== undefined && <AccountDialog of={edited} onClose={close} />}
    </>
  );
}

function AccountDialog({ of: edited, onClose }: { of: Edited; onClose: () => void }) {
  const before = edited === "new" ? undefined : edited;
  const [name, setName] = useState(before?.name ?? "");
  const [password, setPassword] = useState("");
  const [role, setRole] = useState<string>(before?.role ?? "user");
  const [rules, setRules] = useState(JSON.stringify(before?.rules ?? ["test.*"], null, 1));
  const [disabled, setDisabled] = useState(before?.disabled === true);
  const action = useAction();
  const save = async (): Promise<void> => {
    const rest = { role, rules: rulesOf(rules), ...(password !== "" && { password }) };
    if (before === undefined) await api("POST", "/users", { name, ...rest });
    else await api("PATCH", `/users/${encodeURIComponent(before.name)}`, { ...rest, disabled });
    onClose();
  };
  const remove = async (): Promise<void> => {
    await api("DELETE", `/users/${encodeURIComponent(name)}`);
    onClose();
  };
  return (
    <Dialog title={before === undefined ? "A new account" : before.name} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          action.run(save);
        }}
      >
        {before === undefined && (
          <Field label="Name" hint="small letters, digits, . _ -">
            <Input value={name} onValue={setName} required pattern="[a-z][a-z0-9._\-]{0,31}" />
          </Field>
        )}
        <Field
          label={before === undefined ? "Password" : "New password (empty: as it is)"}
          hint="at least 12 characters"
        >
          <NewPassword value={password} onValue={setPassword} required={before === undefined} />
        </Field>
        <Field label="Role">
          <Select value={role} onValue={setRole} options={["user", "admin"]} />
        </Field>
        {role === "user" && (
          <Field label="Rules" hint='JSON: ["test.*", {"web*": ["service.restart"]}]'>
            <Lines rows={6} value={rules} onValue={setRules} />
          </Field>
        )}
        {before !== undefined && (
          <label class="inline">
            <input type="checkbox" checked={disabled} onChange={(event) => setDisabled(event.currentTarget.checked)} />
            disabled
          </label>
        )}
        <Problem of={action.problem} />
        <p class="actions">
          <button type="submit" class="primary" disabled={action.busy}>
            Save
          </button>
          {before !== undefined && (
            <button type="button" class="danger" disabled={action.busy} onClick={() => action.run(remove)}>
              Delete the account
            </button>
          )}
          <button type="button" onClick={onClose}>
            Back
          </button>
        </p>
      </form>
    </Dialog>
  );
}

function rulesOf(text: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value)) return value;
  } catch {
    // Said below, as for what is no list.
  }
  throw new Error('the rules are no list in JSON, such as ["test.*"]');
}
